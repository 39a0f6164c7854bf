#include "common/io/signals.h"

#include <signal.h>

#include <initializer_list>

namespace attnunet {
namespace {

volatile sig_atomic_t flag = 0;

extern "C" void attnunet_set_flag(int) {
  flag = 1;
}

void handle(std::initializer_list<int> signals, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  // System calls that are interrupted go on by themselves.
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigset_t all;
  sigemptyset(&all);
  for (int signal : signals) {
    sigaction(signal, &action, nullptr);
    sigaddset(&all, signal);
  }
  pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
}

}  // namespace

void restore_interrupts() {
  handle({SIGINT, SIGTERM}, SIG_DFL);
}

void catch_interrupts() {
  flag = 0;
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) handle({SIGHUP}, attnunet_set_flag);
  handle({SIGINT, SIGTERM}, attnunet_set_flag);
  signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() {
  return flag != 0;
}

}  // namespace attnunet
