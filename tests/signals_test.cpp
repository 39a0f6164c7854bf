#include "common/io/signals.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace attnunet {
namespace {

TEST(Signals, SetAFlagHoweverOften) {
  for (int signal_number : {SIGINT, SIGTERM}) {
    catch_interrupts();
    EXPECT_FALSE(interrupted());
    raise(signal_number);
    EXPECT_TRUE(interrupted());
    raise(signal_number);
    EXPECT_TRUE(interrupted());
    signal(signal_number, SIG_DFL);
  }
}

// As under nohup or in a shell's background.
TEST(Signals, AlsoWhereInheritedAsIgnoredOrBlocked) {
  signal(SIGINT, SIG_IGN);
  sigset_t terminate, old;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &terminate, &old);
  for (int signal_number : {SIGINT, SIGTERM}) {
    catch_interrupts();
    raise(signal_number);
    EXPECT_TRUE(interrupted());
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
}

}  // namespace
}  // namespace attnunet
