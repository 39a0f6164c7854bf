// Places that cannot be written: a disk that is full (a limit on file sizes stands for it) and folders that are
// read-only. One line says so, and what was there before stays.
#include <sys/stat.h>

#include "support/command_line.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

class Unwritable : public ::testing::Test {
 protected:
  void SetUp() override {
    expect_success(attnunet_run(phantoms.train(phantoms / "run", {"--quiet"})));
    fs::create_directory(read_only);
  }
  void TearDown() override {
    for (const fs::path& folder : {read_only, fs::path(phantoms / "run")})
      fs::permissions(folder, fs::perms::owner_all);
  }
  void protect(const fs::path& folder) { fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec); }
  std::vector<std::string> evaluate(const std::string& option, const std::string& file) const {
    return {"evaluate", "--checkpoint", phantoms / "run/best.safetensors", option, file, "--threads", "1"};
  }

  PhantomFolder phantoms;
  const std::string last = phantoms / "run/last.safetensors";
  const fs::path read_only = phantoms / "read_only";
};

TEST_F(Unwritable, FullDiskKeepsTheEarlierReport) {
  ProcessOptions options;
  options.largest_file = 100;
  for (const char* option : {"--json", "--csv"}) {
    const std::string file = phantoms / "e";
    write_text(file, "earlier");
    expect_failure(attnunet_run(evaluate(option, file), options), 1, {file, "File too large"});
    EXPECT_EQ(read_text(file), "earlier");
  }
}

TEST_F(Unwritable, FullDiskLeavesNoHalfDataset) {
  ProcessOptions options;
  options.largest_file = 500;
  const std::string out = phantoms / "more";
  expect_failure(attnunet_run({"data", "synth", "--out", out, "--count", "8", "--size", "64"}, options), 1,
                 {"more", "File too large"});
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(out + ".tmp"));
}

TEST_F(Unwritable, ReadOnlyFoldersAreNamedBeforeTheWork) {
  ProcessOptions options;
  options.permissions_bind_root = true;
  protect(read_only);
  const std::vector<std::vector<std::string>> commands = {
      phantoms.train(read_only.string()),
      phantoms.train(read_only / "run"),
      {"train", "--resume", last, "--epochs", "3", "--out", read_only.string()},
      evaluate("--json", read_only / "e.json"),
      evaluate("--csv", read_only / "e.csv"),
      {"data", "synth", "--out", read_only / "more", "--count", "8", "--size", "32"}};
  for (const std::vector<std::string>& command : commands) {
    const Finished finished = attnunet_run(command, options);
    expect_failure(finished, 1, {read_only.string(), "Permission denied"});
    EXPECT_EQ(finished.out.find("epoch"), std::string::npos) << finished.out;
  }
  EXPECT_TRUE(fs::is_empty(read_only));
}

TEST_F(Unwritable, ReadOnlyRunIsNotContinuedAndKeepsItsFiles) {
  const std::string before = read_text(last), csv = read_text(phantoms / "run/metrics.csv");
  ProcessOptions options;
  options.permissions_bind_root = true;
  protect(phantoms / "run");
  const std::vector<std::string> resume = {"train", "--resume", last, "--epochs", "3", "--threads", "1"};
  expect_failure(attnunet_run(resume, options), 1, {phantoms / "run", "Permission denied"});
  EXPECT_TRUE(read_text(last) == before);
  EXPECT_EQ(read_text(phantoms / "run/metrics.csv"), csv);
  fs::permissions(phantoms / "run", fs::perms::owner_all);
  expect_success(attnunet_run(resume));
}

}  // namespace TEST_FILE
}  // namespace attnunet
