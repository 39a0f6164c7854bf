#include "common/io/signals.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace attnunet {
namespace TEST_FILE {

TEST(Signals, SetAFlagHoweverOften) {
  signal(SIGHUP, SIG_DFL);
  for (int signal_number : {SIGINT, SIGTERM, SIGHUP}) {
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

// Under nohup the terminal may go.
TEST(Signals, AnIgnoredHangUpStaysIgnored) {
  signal(SIGHUP, SIG_IGN);
  catch_interrupts();
  raise(SIGHUP);
  EXPECT_FALSE(interrupted());
  for (int signal_number : {SIGINT, SIGTERM, SIGHUP}) signal(signal_number, SIG_DFL);
}

TEST(Signals, AreAsUsualAgain) {
  signal(SIGINT, SIG_IGN);
  sigset_t terminate, old, now;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &terminate, &old);
  restore_interrupts();
  pthread_sigmask(SIG_SETMASK, &old, &now);
  EXPECT_EQ(sigismember(&now, SIGTERM), 0);
  EXPECT_EQ(signal(SIGINT, SIG_DFL), SIG_DFL);
}

}  // namespace TEST_FILE
}  // namespace attnunet
