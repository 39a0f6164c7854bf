#include "common/io/signals.h"

#include <signal.h>

#include <initializer_list>

namespace attnunet {
namespace {

volatile sig_atomic_t flag = 0;

extern "C" void attnunet_set_flag(int) {
  flag = 1;
}

}  // namespace

void catch_interrupts() {
  flag = 0;
  struct sigaction action {};
  action.sa_handler = attnunet_set_flag;
  // System calls that are interrupted go on by themselves.
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigset_t both;
  sigemptyset(&both);
  for (int signal : {SIGINT, SIGTERM}) {
    sigaction(signal, &action, nullptr);
    sigaddset(&both, signal);
  }
  pthread_sigmask(SIG_UNBLOCK, &both, nullptr);
  signal(SIGXFSZ, SIG_IGN);
}

bool interrupted() {
  return flag != 0;
}

}  // namespace attnunet
