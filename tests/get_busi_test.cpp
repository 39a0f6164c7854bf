// tools/get_busi.sh, with a small archive made here and fetched through a file:// address.
#include <sys/wait.h>

#include "common/data/sample.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

struct Outcome {
  int code;
  std::string output;
};

Outcome shell(const std::string& command, const std::filesystem::path& log) {
  const int status = std::system(("( " + command + " ) > '" + log.string() + "' 2>&1").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(log)};
}

/// The smallest archive of BUSI's shape: one case, stored without compression.
class GetBusi : public ::testing::Test {
 protected:
  void SetUp() override {
    if (shell("command -v curl && command -v sha256sum && command -v python3", log).code != 0)
      GTEST_SKIP() << "needs curl, sha256sum and python3, which are not all on this machine";
    const auto class_folder = folder / "made/Dataset_BUSI_with_GT/benign";
    std::filesystem::create_directories(class_folder);
    write_png(class_folder / "benign (1).png", Grey{1, 1, {9}});
    write_png(class_folder / "benign (1)_mask.png", Grey{1, 1, {255}});
    const Outcome zip =
        shell("cd '" + (folder / "made").string() + "' && python3 -m zipfile -c ../busi.zip Dataset_BUSI_with_GT", log);
    ASSERT_EQ(zip.code, 0) << zip.output;
    const Outcome sum = shell("sha256sum '" + (folder / "busi.zip").string() + "'", log);
    ASSERT_EQ(sum.code, 0) << sum.output;
    sha256 = sum.output.substr(0, 64);
  }

  Outcome get_busi(const std::string& archive, const std::string& checksum) {
    return shell("BUSI_URL='file://" + (folder / archive).string() + "' BUSI_SHA256=" + checksum + " '" +
                     source_folder() + "/tools/get_busi.sh' '" + target.string() + "'",
                 log);
  }

  /// The folder of the target is empty: nothing half-made is left.
  void expect_nothing_left() { EXPECT_TRUE(std::filesystem::is_empty(target.parent_path())); }

  TemporaryFolder folder;
  std::filesystem::path log = folder / "log", target = folder / "data/BUSI";
  std::string sha256;
};

TEST_F(GetBusi, UnpacksWhatItChecked) {
  const Outcome run = get_busi("busi.zip", sha256);
  EXPECT_EQ(run.code, 0) << run.output;
  const Dataset dataset = scan(target);
  ASSERT_EQ(dataset.cases.size(), 1u);
  EXPECT_EQ(load_full(dataset.cases[0]).image.pixels, std::vector<std::uint8_t>{9});
  std::filesystem::remove_all(target);
  expect_nothing_left();
}

TEST_F(GetBusi, RefusesAnotherChecksum) {
  const Outcome run = get_busi("busi.zip", std::string(64, '0'));
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.output.find(sha256), std::string::npos) << run.output;
  expect_nothing_left();
}

TEST_F(GetBusi, LeavesAnExistingFolderAlone) {
  std::filesystem::create_directories(target);
  write_text(target / "mine.txt", "keep");
  const Outcome run = get_busi("busi.zip", sha256);
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.output.find("exists already"), std::string::npos) << run.output;
  EXPECT_EQ(read_text(target / "mine.txt"), "keep");
}

TEST_F(GetBusi, LeavesNothingWhereFetchingOrUnpackingFails) {
  EXPECT_EQ(get_busi("missing.zip", sha256).code, 1);
  expect_nothing_left();
  write_text(folder / "text.zip", "no archive");
  const Outcome sum = shell("sha256sum '" + (folder / "text.zip").string() + "'", log);
  EXPECT_EQ(get_busi("text.zip", sum.output.substr(0, 64)).code, 1);
  expect_nothing_left();
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
