// tools/check_includes.sh on this tree, and on small trees with one mistake each.
#include "support/files.h"
#include "support/process.h"

namespace attnunet {
namespace TEST_FILE {

Finished check(const std::filesystem::path& tree) {
  return run_process({source_folder() + "/tools/check_includes.sh", tree.string()});
}

TEST(CheckIncludes, ThisTreeHasNoIncludeThatPointsUp) {
  const Finished finished = check(source_folder());
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
}

/// Three folders of one file each, in which all is well.
class Tree : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"low", "middle/inner", "high"}) std::filesystem::create_directories(folder / "src" / name);
    write_text(folder / "src/README.md",
               "| folder | what | may include |\n|---|---|---|\n| `low` | | |\n| `middle` | | `low` |\n"
               "| `high` | | `middle` |\n| `.` | | all |\n");
    write_text(folder / "src/low/a.h", "#include <string>\n");
    write_text(folder / "src/middle/inner/b.cpp", "#include \"low/a.h\"\n");
    write_text(folder / "src/middle/b.h", "#include \"middle/c.h\"\n");
    write_text(folder / "src/middle/c.h", "// #include \"high/d.h\"\n");
    write_text(folder / "src/high/d.h", "#include \"middle/b.h\"\n");
    write_text(folder / "src/main.cpp", "#include \"high/d.h\"\n#include \"low/a.h\"\n");
  }

  void expect_problems(const std::vector<std::string>& problems) {
    const Finished finished = check(folder.path());
    EXPECT_EQ(finished.exit_code, 1);
    std::string expected;
    for (const std::string& problem : problems) expected += "check_includes: " + problem + "\n";
    EXPECT_EQ(finished.err, expected);
  }

  TemporaryFolder folder;
};

TEST_F(Tree, InOrder) {
  const Finished finished = check(folder.path());
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(finished.out, "check_includes: 5 includes in 6 files, none points up\n");
}

TEST_F(Tree, UpwardIncludeAndItsCircle) {
  write_text(folder / "src/low/a.h", "\n  #  include \"high/d.h\"  // far up\n");
  expect_problems({"src/low/a.h:2 includes high/d.h, which points up: in src/README.md high comes after low",
                   "circle of folders: low -> high -> middle -> low"});
}

TEST_F(Tree, UpwardIncludeWithoutACircle) {
  write_text(folder / "src/middle/inner/b.cpp", "");
  write_text(folder / "src/low/a.h", "#include \"middle/c.h\"\n");
  expect_problems({"src/low/a.h:1 includes middle/c.h, which points up: in src/README.md middle comes after low"});
}

TEST_F(Tree, IncludeThatTheTableDoesNotList) {
  write_text(folder / "src/high/e.h", "#include \"low/a.h\"\n");
  expect_problems({"src/high/e.h:1 includes low/a.h: src/README.md does not list low for high"});
}

TEST_F(Tree, IncludeOfNoFile) {
  write_text(folder / "src/high/e.h", "#include \"d.h\"\n");
  expect_problems({"src/high/e.h:1 includes d.h, which is no file of src"});
}

TEST_F(Tree, FolderAndTableDisagree) {
  std::filesystem::create_directories(folder / "src/new");
  write_text(folder / "src/new/e.h", "");
  std::filesystem::remove(folder / "src/main.cpp");
  expect_problems(
      {"src/new/e.h: its folder is not in src/README.md", "src/README.md has the folder ., which holds no source"});
}

TEST_F(Tree, TableThatPointsUp) {
  write_text(folder / "src/README.md",
             "| `low` | | `high` |\n| `middle` | | `low` |\n| `high` | | `middle` |\n| `.` | | all |\n");
  expect_problems({"src/README.md lists high for low, but low comes first"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
