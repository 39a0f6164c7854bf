// The pages of docs/ against the sources: no layer without a page, no link that leads nowhere, no formula without its
// test and no such test that no page names.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/places.h"
#include "support/text.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool is_reference(const std::string& name) {
  return name.find("_reference") != std::string::npos;
}

/// As tools/check_layers.sh has them: the files of src/cpu but those that it calls helpers, and plain loops.
std::vector<std::string> layers() {
  const fs::path root = source_folder();
  const auto helpers = matches(read(root / "tools/check_layers.sh"), "helpers=\"([^\"]*)\"");
  EXPECT_EQ(helpers.size(), 1u);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root / "src/cpu")) {
    const std::string name = entry.path().stem();
    if (entry.path().extension() == ".cpp" && !is_reference(name) &&
        helpers.at(0).find(" " + name + " ") == std::string::npos)
      names.push_back(name);
  }
  EXPECT_GE(names.size(), 20u);
  return names;
}

const std::vector<std::string> blocks = {"double_conv", "attention_gate", "attention_unet"};

std::vector<fs::path> pages() {
  const fs::path root = source_folder();
  std::vector<fs::path> files = {root / "README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(root / "docs"))
    if (entry.path().extension() == ".md") files.push_back(entry.path());
  return files;
}

fs::path page_of(const std::string& layer) {
  return fs::path(source_folder()) / "docs/layers" / (layer + ".md");
}

TEST(Docs, EveryLayerHasItsPageWithAllItsFiles) {
  const fs::path root = source_folder();
  const std::string index = read(root / "docs/README.md");
  const auto check = [&](const std::string& layer, const std::vector<std::string>& files) {
    ASSERT_TRUE(fs::exists(page_of(layer))) << page_of(layer);
    EXPECT_NE(index.find("](layers/" + layer + ".md)"), std::string::npos) << layer << " is not in docs/README.md";
    const std::string page = read(page_of(layer));
    for (const std::string& file : files)
      EXPECT_NE(page.find("](../../" + file + ")"), std::string::npos) << layer << ".md has no link to " << file;
    const std::string layer_case = "src/common/gradcheck/cases/" + layer + ".h";
    if (!fs::exists(root / layer_case)) return;
    EXPECT_NE(page.find("](../../" + layer_case + ")"), std::string::npos) << layer;
    EXPECT_NE(page.find("gradcheck --layer " + layer + " "), std::string::npos) << layer;
  };
  for (const std::string& layer : layers())
    check(layer, {"src/cpu/" + layer + ".h", "src/cpu/" + layer + ".cpp", "src/cuda/" + layer + ".h",
                  "src/cuda/" + layer + ".cu", "tests/" + layer + "_test.cpp"});
  for (const std::string& block : blocks)
    check(block, {"src/common/nn/" + block + ".h", "tests/" + block + "_test.cpp"});
}

// A layer's plain loops are the first link of its page.
TEST(Docs, PlainLoopsComeFirst) {
  std::size_t count = 0;
  for (const std::string& layer : layers()) {
    const std::string file = "src/cpu/" + layer + "_reference.cpp";
    if (!fs::exists(fs::path(source_folder()) / file)) continue;
    const std::vector<std::string> links = matches(read(page_of(layer)), R"(\]\(([^)#\s]+)\))");
    ASSERT_FALSE(links.empty()) << layer;
    EXPECT_EQ(links[0], "../../" + file) << layer;
    ++count;
  }
  EXPECT_GE(count, 5u);
}

// A page of something that is no longer there would go unnoticed otherwise.
TEST(Docs, EveryPageIsOfALayer) {
  std::set<std::string> known(blocks.begin(), blocks.end());
  for (const std::string& layer : layers()) known.insert(layer);
  for (const auto& entry : fs::directory_iterator(fs::path(source_folder()) / "docs/layers"))
    EXPECT_EQ(known.count(entry.path().stem()), 1u) << entry.path();
}

TEST(Docs, EveryLinkLeadsToAFile) {
  std::size_t links = 0;
  for (const fs::path& page : pages())
    for (const std::string& link : matches(read(page), R"(\]\(([^)#\s]+))")) {
      if (link.find("://") != std::string::npos) continue;
      EXPECT_TRUE(fs::exists(page.parent_path() / link)) << page << " links to " << link;
      ++links;
    }
  EXPECT_GE(links, 5 * layers().size());
}

TEST(Docs, EveryFormulaHasItsTestAndEveryTestItsPage) {
  std::set<std::string> tested, named;
  for (const auto& entry : fs::directory_iterator(fs::path(source_folder()) / "tests")) {
    if (entry.path().filename().string().rfind("formulas", 0) != 0) continue;
    for (const std::string& name : matches(read(entry.path()), R"(TEST\(Formula, (\w+)\))"))
      EXPECT_TRUE(tested.insert(name).second) << name << " twice";
  }
  for (const fs::path& page : pages())
    for (const std::string& name : matches(read(page), R"(`Formula\.(\w+)`)")) named.insert(name);
  EXPECT_GE(tested.size(), layers().size());
  EXPECT_EQ(named, tested);
  for (const std::string& layer : layers())
    EXPECT_FALSE(matches(read(page_of(layer)), R"(`Formula\.(\w+)`)").empty()) << layer << ".md names no formula";
}

}  // namespace TEST_FILE
}  // namespace attnunet
