// `attnunet data show` as a program, and its sheet.
#include <gtest/gtest.h>
#include <lodepng.h>

#include <set>

#include "common/core/error.h"
#include "common/data/sample.h"
#include "common/report/contact_sheet.h"
#include "common/report/picture.h"
#include "support/command_line.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

data::Rgb read_rgb(const fs::path& path) {
  std::vector<unsigned char> pixels;
  unsigned width = 0, height = 0;
  EXPECT_EQ(lodepng::decode(pixels, width, height, path.string(), LCT_RGB, 8), 0u) << path;
  return {static_cast<int>(width), static_cast<int>(height), pixels};
}

report::Colour colour_at(const data::Rgb& image, int x, int y) {
  const auto i = static_cast<std::size_t>(3 * (y * image.width + x));
  return {image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]};
}

TEST(DataShow, OutlinesTheTrueMaskAndLeavesTheRest) {
  const PhantomFolder phantoms;
  expect_success(attnunet_run({"data", "show", "--data", phantoms.data, "--out", phantoms / "shown"}));
  const data::Dataset dataset = data::scan(phantoms.data);
  std::size_t outlined = 0;
  for (const data::Case& one : dataset.cases) {
    SCOPED_TRACE(one.name);
    const data::Sample sample = data::load_full(one);
    const data::Rgb shown = read_rgb(fs::path(phantoms / "shown") / one.class_name / (one.name + "_outline.png"));
    ASSERT_EQ(shown.width, sample.image.width);
    ASSERT_EQ(shown.height, sample.image.height);
    const auto inside = [&](int x, int y) {
      return x >= 0 && y >= 0 && x < shown.width && y < shown.height &&
             sample.mask.pixels[static_cast<std::size_t>(y * shown.width + x)] != 0;
    };
    for (int y = 0; y < shown.height; ++y)
      for (int x = 0; x < shown.width; ++x) {
        const std::uint8_t grey = sample.image.pixels[static_cast<std::size_t>(y * shown.width + x)];
        const bool edge =
            inside(x, y) && !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
        outlined += edge ? 1 : 0;
        ASSERT_EQ(colour_at(shown, x, y), edge ? report::truth_colour : (report::Colour{grey, grey, grey}));
      }
  }
  EXPECT_GT(outlined, 100u);
}

// Before any picture is written.
TEST(DataShow, PicturesOfOneNameAreRefused) {
  const TemporaryFolder folder;
  std::string text = "image,mask\n";
  data::write_png(folder / "mask.png", data::Grey{1, 1, {0}});
  for (const char* name : {"x/a", "y/a", "x_a"}) {
    fs::create_directories((folder / name).parent_path());
    data::write_png(folder / (name + std::string(".png")), data::Grey{1, 1, {0}});
    text += name + std::string(".png,mask.png\n");
  }
  write_text(folder / "set.csv", text);
  const std::string out = (folder / "shown").string();
  expect_failure(attnunet_run({"data", "show", "--data", (folder / "set.csv").string(), "--out", out}), 1,
                 {"x/a.png", "x_a.png", "x_a_outline.png"});
  for (const auto& entry : fs::recursive_directory_iterator(out)) EXPECT_FALSE(entry.is_regular_file()) << entry.path();
}

TEST(DataShow, SheetOfChosenCasesAtASize) {
  const PhantomFolder phantoms;
  const std::vector<std::string> command = {"data", "show", "--data", phantoms.data, "--size", "32", "--sheet"};
  const auto sheet = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> arguments = command;
    arguments.push_back(phantoms / name);
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = attnunet_run(arguments);
    expect_success(finished);
    return finished.out;
  };
  EXPECT_NE(sheet("a.png", {}).find("12 cases"), std::string::npos);
  sheet("b.png", {});
  sheet("c.png", {"--seed", "1"});
  EXPECT_EQ(read_text(phantoms / "a.png"), read_text(phantoms / "b.png"));
  EXPECT_NE(read_text(phantoms / "a.png"), read_text(phantoms / "c.png"));
  EXPECT_NE(sheet("d.png", {"--count", "2", "--classes", "benign,normal"}).find("4 cases"), std::string::npos);
  const std::vector<data::Case> cases = data::scan(phantoms.data).cases;
  EXPECT_NE(sheet("e.png", {"--cases", cases[0].name + "," + cases[19].name}).find("2 cases"), std::string::npos);

  const data::Rgb small = read_rgb(phantoms / "e.png"), large = read_rgb(phantoms / "a.png");
  EXPECT_LT(small.height, large.height);
  EXPECT_LT(small.width, large.width);
}

TEST(DataShow, SizeThatIsNoSquare) {
  const PhantomFolder phantoms;
  expect_success(attnunet_run(
      {"data", "show", "--data", phantoms.data, "--size", "24x40", "--count", "1", "--out", phantoms / "shown"}));
  int pictures = 0;
  for (const auto& entry : fs::recursive_directory_iterator(phantoms / "shown")) {
    if (entry.is_directory()) continue;
    const data::Rgb shown = read_rgb(entry.path());
    EXPECT_EQ(shown.width, 40);
    EXPECT_EQ(shown.height, 24);
    ++pictures;
  }
  EXPECT_EQ(pictures, 3);
}

TEST(DataShow, WrongUseIsSaid) {
  const PhantomFolder phantoms;
  const auto show = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"data", "show", "--data", phantoms.data});
    return attnunet_run(more);
  };
  expect_failure(show({}), 2, {"--out", "--sheet"});
  expect_failure(show({"--out", phantoms.data}), 2, {"--out", "dataset"});
  expect_failure(show({"--sheet", phantoms / "a.png", "--cases", "nobody"}), 2, {"--cases", "nobody"});
  expect_failure(show({"--sheet", phantoms / "a.png", "--cases", "x", "--count", "1"}), 2, {"--count", "--cases"});
  expect_failure(show({"--sheet", phantoms / "a.png", "--size", "4"}), 2, {"--size"});
  expect_failure(show({"--sheet", phantoms / "a.png", "--keep-aspect"}), 2, {"--keep-aspect", "--size"});
  expect_failure(show({"--sheet", phantoms / "no/a.png"}), 1, {"no/a.png"});
  write_text(phantoms / "file", "");
  expect_failure(show({"--out", phantoms / "file"}), 1, {"file"});
  EXPECT_FALSE(fs::exists(phantoms / "a.png"));
}

TEST(ContactSheet, PutsEveryPictureInItsPlace) {
  const report::Colour red{255, 0, 0}, blue{0, 0, 255};
  const data::Rgb large = report::blank(60, 40, red), small = report::blank(20, 10, blue);
  const data::Rgb sheet = report::contact_sheet(
      {{"first", {{large, "one"}, {small, "two"}, {large, "three"}}}, {"second", {{small, ""}}}}, 2);
  std::map<report::Colour, int> count;
  for (int y = 0; y < sheet.height; ++y)
    for (int x = 0; x < sheet.width; ++x) ++count[colour_at(sheet, x, y)];
  EXPECT_EQ(count[red], 2 * 60 * 40);
  EXPECT_EQ(count[blue], 2 * 20 * 10);
  EXPECT_GT(count[report::label_colour], 100);
  EXPECT_GT(sheet.width, 2 * 60);
  EXPECT_LT(sheet.width, 3 * 60);
  EXPECT_GT(sheet.height, 3 * 40);
  const report::SheetPicture wide{report::blank(20000, 1), ""}, high{report::blank(1, 20000), ""};
  const std::string message = message_of<Error>([&] { report::contact_sheet({{"a", {wide, high}}}, 2); });
  EXPECT_NE(message.find("--count"), std::string::npos) << message;
}

}  // namespace TEST_FILE
}  // namespace attnunet
