#include "common/io/atomic_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "support/files.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// While it lives no file may grow beyond `bytes`, as on a disk that is full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  void (*old_handler_)(int);
  rlimit old_{};
};

TEST(AtomicFile, WritesAndReplaces) {
  TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  EXPECT_EQ(read_text(folder / "a"), "old");
  write_file_atomically(folder / "a", std::string("n\0w", 3));
  EXPECT_EQ(read_text(folder / "a"), std::string("n\0w", 3));
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, WhatIsNoFileIsWrittenTo) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file_atomically(pipe, "text");
  char text[8] = {};
  EXPECT_EQ(::read(reader, text, sizeof text), 4);
  ::close(reader);
  EXPECT_STREQ(text, "text");
  EXPECT_TRUE(fs::is_fifo(pipe));
  write_file_atomically("/dev/null", "text");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(AtomicFile, LinksAreFollowed) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "other");
  for (const char* target : {"other/real", "new"}) {
    SCOPED_TRACE(target);
    fs::remove(folder / "link");
    fs::create_symlink(target, folder / "link");
    for (const char* contents : {"first", "second"}) {
      write_file_atomically(folder / "link", contents);
      EXPECT_TRUE(fs::is_symlink(folder / "link"));
      EXPECT_EQ(read_text(folder / target), contents);
    }
  }
  fs::create_symlink("loop", folder / "loop");
  const std::string message = message_of<Error>([&] { write_file_atomically(folder / "loop", ""); });
  EXPECT_NE(message.find("symbolic links"), std::string::npos) << message;
}

TEST(AtomicFile, LongNamesDoNotMakeTheTemporaryNameTooLong) {
  const TemporaryFolder folder;
  const std::string begin(250, 'a');
  {
    AtomicFile one(folder / (begin + "1.png")), other(folder / (begin + "2.png"));
    one.commit("one");
    other.commit("other");
  }
  EXPECT_EQ(read_text(folder / (begin + "1.png")), "one");
  EXPECT_EQ(read_text(folder / (begin + "2.png")), "other");
  EXPECT_EQ(files_in(folder.path()), 2u);
  const std::string message = message_of<Error>([&] { write_file_atomically(folder / (begin + "too long"), ""); });
  EXPECT_NE(message.find("shorter name"), std::string::npos) << message;
}

TEST(AtomicFile, NotCommittedLeavesNothing) {
  TemporaryFolder folder;
  write_text(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new", 3);
    EXPECT_EQ(files_in(folder.path()), 2u);
  }
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, FullDiskKeepsTheOldFile) {
  TemporaryFolder folder;
  write_text(folder / "a", "old");
  std::string message;
  {
    FileSizeLimit limit(1000);
    message = message_of<Error>([&] { write_file_atomically(folder / "a", std::string(5000, 'x')); });
  }
  EXPECT_NE(message.find((folder / "a").string()), std::string::npos) << message;
  EXPECT_NE(message.find("File too large"), std::string::npos) << message;
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, FolderInItsPlace) {
  TemporaryFolder folder;
  fs::create_directories(folder / "a" / "inside");
  const std::string message = message_of<Error>([&] { write_file_atomically(folder / "a", "new"); });
  EXPECT_NE(message.find((folder / "a").string()), std::string::npos) << message;
  EXPECT_TRUE(fs::is_directory(folder / "a" / "inside"));
  EXPECT_EQ(files_in(folder.path()), 1u);
}

// Before the work whose results the file would hold.
TEST(AtomicFile, FolderInItsPlaceShowsAtOnce) {
  TemporaryFolder folder;
  const std::string message = message_of<Error>([&] { AtomicFile file(folder.path()); });
  EXPECT_NE(message.find("a folder has its name"), std::string::npos) << message;
}

TEST(AtomicFile, TwoOfOneNameAreRefused) {
  TemporaryFolder folder;
  AtomicFile first(folder / "a");
  first.write("1", 1);
  const std::string same = (folder / "." / "a").string();
  const std::string message = message_of<Error>([&] { AtomicFile second(same); });
  EXPECT_NE(message.find(same), std::string::npos) << message;
  EXPECT_NE(message.find("another output has the same name"), std::string::npos) << message;
  first.commit("2");
  EXPECT_EQ(read_text(folder / "a"), "12");
  write_file_atomically(folder / "a", "again");
  EXPECT_EQ(read_text(folder / "a"), "again");
}

TEST(AtomicFile, MissingFolder) {
  TemporaryFolder folder;
  const std::string message = message_of<Error>([&] { write_file_atomically(folder / "none" / "a", "new"); });
  EXPECT_NE(message.find("No such file or directory"), std::string::npos) << message;
}

TEST(AtomicFile, ReadOnlyFolder) {
  TemporaryFolder folder;
  write_text(folder / "a", "old");
  chmod(folder.path().c_str(), 0555);
  // Permissions do not bind root: become nobody for a moment.
  constexpr uid_t nobody = 65534;
  const uid_t user = geteuid();
  if (user == 0 && seteuid(nobody) != 0) GTEST_SKIP() << "root without the right to become another user";
  std::string message = message_of<Error>([&] { write_file_atomically(folder / "a", "new"); });
  if (user == 0) {
    ASSERT_EQ(seteuid(user), 0);
  }
  chmod(folder.path().c_str(), 0755);
  EXPECT_NE(message.find("Permission denied"), std::string::npos) << message;
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

}  // namespace TEST_FILE
}  // namespace attnunet
