// `attnunet predict` as a program: what its pictures and numbers say.
#include "support/predict.h"

#include <gtest/gtest.h>
#include <lodepng.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "common/data/sample.h"
#include "common/predict/symmetries.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;
using data::Grey;

TEST_F(Predict, FilesAndFoldersOfEveryKindAtTheirOwnSize) {
  phantom("a.png", 37, 51);
  phantom("deep/er/b.PNG", 20, 90);
  phantom("deep/er/b_mask.png", 20, 20);
  phantom("deep/er/b_mask_1.png", 20, 20);
  write_text(fs::path(images) / "notes.txt", "no image");
  const fs::path golden = fs::path(source_folder()) / "tests/golden/images";
  fs::copy_file(golden / "progressive.jpg", fs::path(images) / "deep/c.jpg");
  fs::copy_file(golden / "palette.bmp", phantoms / "alone.bmp");

  const Finished finished =
      predict({images, phantoms / "alone.bmp", "--overlay", "--probability", "--attention", "--gradcam"});
  expect_success(finished);
  EXPECT_NE(finished.out.find("4 of 4 images"), std::string::npos) << finished.out;
  const std::map<std::string, std::pair<int, int>> sizes = {
      {"a", {37, 51}}, {"deep/er/b", {20, 90}}, {"deep/c", {37, 29}}, {"alone", {37, 29}}};
  std::set<std::string> expected;
  for (const auto& [name, size] : sizes)
    for (const char* ending :
         {"_mask", "_overlay", "_probability", "_attention_0", "_attention_1", "_attention_2", "_gradcam"}) {
      const std::string file = name + ending + ".png";
      expected.insert(file);
      const Grey picture = result(file);
      EXPECT_EQ(std::make_pair(picture.width, picture.height), size) << file;
    }
  EXPECT_EQ(files_below(out), expected);
}

TEST_F(Predict, MasksAreTheEvaluationsPredictions) {
  const fs::path set = phantoms / "set";
  for (const char* class_name : {"benign", "malignant"})
    for (std::uint32_t i = 0; i < 4; ++i) {
      const data::Sample sample = data::make_phantom(class_name, 32, 32, 3, i);
      const fs::path path = set / class_name / (class_name + std::to_string(i));
      fs::create_directories(path.parent_path());
      Grey mask = sample.mask;
      for (std::uint8_t& pixel : mask.pixels) pixel = pixel != 0 ? 255 : 0;
      data::write_png(path.string() + ".png", sample.image);
      data::write_png(path.string() + "_mask.png", mask);
    }
  expect_success(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--data", set.string(), "--subset", "all",
                               "--csv", phantoms / "evaluated.csv"}));
  expect_success(predict({set.string(), "--csv", phantoms / "predicted.csv"}));
  const auto evaluated = rows_of(phantoms / "evaluated.csv");
  ASSERT_EQ(evaluated.size(), 8u);
  std::size_t all = 0;
  for (const auto& row : evaluated) {
    const std::string name = row.at("class") + "/" + row.at("name");
    const Grey mask = result(name + "_mask.png"), truth = data::read_luma(set / (name + "_mask.png"));
    EXPECT_EQ(std::to_string(marked(mask)), row.at("predicted_pixels")) << name;
    std::size_t both = 0, any = 0;
    for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
      both += mask.pixels[i] != 0 && truth.pixels[i] != 0 ? 1 : 0;
      any += mask.pixels[i] != 0 || truth.pixels[i] != 0 ? 1 : 0;
    }
    EXPECT_DOUBLE_EQ(static_cast<double>(both) / static_cast<double>(any), std::stod(row.at("iou"))) << name;
    all += marked(mask);
  }
  EXPECT_GT(all, 0u) << "the network marks nothing: this test says nothing";
  EXPECT_EQ(rows_of(phantoms / "predicted.csv").size(), 8u);
}

TEST_F(Predict, TableSaysWhatThePicturesShow) {
  for (std::uint32_t i = 0; i < 3; ++i) phantom("i" + std::to_string(i) + ".png", 45, 33, i);
  phantom("with, comma.png", 32, 32);
  expect_success(predict({images, "--probability", "--csv", phantoms / "t.csv"}));
  EXPECT_NE(read_text(phantoms / "t.csv").find("\"with, comma\",32,32,"), std::string::npos);
  fs::remove(fs::path(images) / "with, comma.png");
  expect_success(predict({images, "--probability", "--csv", phantoms / "t.csv"}));
  const auto rows = rows_of(phantoms / "t.csv");
  ASSERT_EQ(rows.size(), 3u);
  for (const auto& row : rows) {
    const std::string& name = row.at("name");
    SCOPED_TRACE(name);
    const Grey mask = result(name + "_mask.png"), probability = result(name + "_probability.png");
    double sum_x = 0, sum_y = 0, sum = 0, largest = 0;
    int left = 99, right = -1, top = 99, bottom = -1;
    for (int y = 0; y < 33; ++y)
      for (int x = 0; x < 45; ++x) {
        const auto i = static_cast<std::size_t>(y * 45 + x);
        largest = std::max(largest, probability.pixels[i] / 255.0);
        if (mask.pixels[i] == 0) continue;
        sum_x += x;
        sum_y += y;
        sum += probability.pixels[i] / 255.0;
        left = std::min(left, x);
        right = std::max(right, x);
        top = std::min(top, y);
        bottom = std::max(bottom, y);
      }
    const auto count = static_cast<double>(marked(mask));
    ASSERT_GT(count, 0);
    EXPECT_EQ(row.at("width") + "x" + row.at("height"), "45x33");
    EXPECT_EQ(row.at("lesion_pixels"), std::to_string(marked(mask)));
    EXPECT_EQ(row.at("box_left"), std::to_string(left));
    EXPECT_EQ(row.at("box_top"), std::to_string(top));
    EXPECT_EQ(row.at("box_width"), std::to_string(right - left + 1));
    EXPECT_EQ(row.at("box_height"), std::to_string(bottom - top + 1));
    EXPECT_NEAR(std::stod(row.at("centroid_x")), sum_x / count, 1e-6);
    EXPECT_NEAR(std::stod(row.at("centroid_y")), sum_y / count, 1e-6);
    EXPECT_NEAR(std::stod(row.at("mean_probability")), sum / count, 0.5 / 255 + 1e-6);
    EXPECT_NEAR(std::stod(row.at("max_probability")), largest, 0.5 / 255 + 1e-6);
  }
}

TEST_F(Predict, ThresholdIsOnTheProbability) {
  phantom("a.png", 40, 40);
  std::set<std::size_t> counts;
  std::size_t before = 40 * 40;
  for (const double threshold : {0.000001, 0.45, 0.5, 0.55, 0.999999}) {
    SCOPED_TRACE(threshold);
    expect_success(
        predict({images, "--probability", "--threshold", std::to_string(threshold), "--csv", phantoms / "t.csv"}));
    const Grey mask = result("a_mask.png"), probability = result("a_probability.png");
    for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
      // The picture of probabilities is rounded.
      const double above = probability.pixels[i] - 255 * threshold;
      EXPECT_TRUE(std::abs(above) <= 0.5 || (mask.pixels[i] != 0) == (above > 0)) << above;
    }
    EXPECT_LE(marked(mask), before);
    counts.insert(before = marked(mask));
  }
  EXPECT_EQ(before, 0u);
  EXPECT_GE(counts.size(), 3u);
  const auto row = rows_of(phantoms / "t.csv").at(0);
  EXPECT_EQ(row.at("lesion_pixels"), "0");
  for (const char* cell : {"box_left", "box_height", "centroid_x", "mean_probability"})
    EXPECT_EQ(row.at(cell), "") << cell;
  EXPECT_GT(std::stod(row.at("max_probability")), 0);
}

TEST(Symmetries, AreTheEightOfASquare) {
  constexpr std::size_t size = 5;
  std::set<std::vector<std::size_t>> all;
  for (int symmetry = 0; symmetry < symmetries; ++symmetry) {
    std::vector<std::size_t> sources;
    for (std::size_t i = 0; i < size * size; ++i) sources.push_back(source_pixel(symmetry, i, size));
    EXPECT_EQ(std::set<std::size_t>(sources.begin(), sources.end()).size(), size * size);
    // Neighbours stay neighbours.
    for (std::size_t i = 0; i + 1 < size; ++i) {
      const std::size_t step = std::max(sources[i], sources[i + 1]) - std::min(sources[i], sources[i + 1]);
      EXPECT_TRUE(step == 1 || step == size) << step;
    }
    all.insert(sources);
  }
  EXPECT_EQ(all.size(), 8u);
  EXPECT_EQ(source_pixel(0, 7, size), 7u);
}

TEST(Symmetries, AreFourOfAnotherRectangle) {
  const ImageSize size(3, 5);
  std::set<std::vector<std::size_t>> all;
  for (int symmetry = 0; symmetry < symmetries; ++symmetry) {
    if (!keeps_size(symmetry, size)) continue;
    std::vector<std::size_t> sources;
    for (std::size_t i = 0; i < 15; ++i) sources.push_back(source_pixel(symmetry, i, size));
    EXPECT_EQ(std::set<std::size_t>(sources.begin(), sources.end()).size(), 15u);
    EXPECT_EQ(std::max(sources[0], sources[1]) - std::min(sources[0], sources[1]), 1u) << "rows stay rows";
    all.insert(sources);
  }
  EXPECT_EQ(all.size(), 4u);
  for (const auto& sources : all)
    for (const std::size_t corner : {sources[0], sources[4], sources[10], sources[14]})
      EXPECT_TRUE(corner == 0 || corner == 4 || corner == 10 || corner == 14);
}

/// The largest difference between the pictures that the turned images have and what the first one's, turned, has.
int difference_when_turned(const Predict& test, std::vector<std::string> options) {
  options.insert(options.end(), {test.images, "--probability"});
  expect_success(test.predict(options));
  const Grey first = test.result("turned0_probability.png");
  int largest = 0;
  for (int symmetry = 1; symmetry < symmetries; ++symmetry) {
    const Grey turned = test.result("turned" + std::to_string(symmetry) + "_probability.png");
    for (std::size_t i = 0; i < turned.pixels.size(); ++i)
      largest = std::max(largest, std::abs(turned.pixels[i] - first.pixels[source_pixel(symmetry, i, 32)]));
  }
  return largest;
}

TEST_F(Predict, TestTimeAugmentationKnowsNoUpAndDown) {
  const Grey image = data::make_phantom("malignant", 32, 32, 11, 0).image;
  for (int symmetry = 0; symmetry < symmetries; ++symmetry) {
    Grey turned = image;
    for (std::size_t i = 0; i < turned.pixels.size(); ++i)
      turned.pixels[i] = image.pixels[source_pixel(symmetry, i, 32)];
    data::write_png(fs::path(images) / ("turned" + std::to_string(symmetry) + ".png"), turned);
  }
  EXPECT_LE(difference_when_turned(*this, {"--tta"}), 1);  // rounded
  EXPECT_GT(difference_when_turned(*this, {}), 10) << "turns the network itself does not see: this test says nothing";
}

TEST_F(Predict, SizeThatIsNoSquare) {
  phantom("a.png", 48, 24);
  phantom("odd.png", 51, 37);
  const auto options = [&](const std::string& size) {
    return std::vector<std::string>{images, "--overlay", "--attention", "--gradcam", "--probability", "--size", size};
  };
  expect_success(predict(options("24x48")));
  for (const char* ending : {"_mask", "_overlay", "_probability", "_attention_0", "_attention_2", "_gradcam"}) {
    const Grey a = result("a" + std::string(ending) + ".png"), odd = result("odd" + std::string(ending) + ".png");
    EXPECT_EQ(std::make_pair(a.width, a.height), std::make_pair(48, 24)) << ending;
    EXPECT_EQ(std::make_pair(odd.width, odd.height), std::make_pair(51, 37)) << ending;
  }
  // The network sees the picture as it is, and not on its side: what it says of the mirrored one is mirrored by --tta.
  Grey image = data::read_luma(fs::path(images) / "a.png"), turned = image;
  const ImageSize size(24, 48);
  for (int symmetry = 0; symmetry < symmetries; ++symmetry) {
    if (!keeps_size(symmetry, size)) continue;
    for (std::size_t i = 0; i < turned.pixels.size(); ++i)
      turned.pixels[i] = image.pixels[source_pixel(symmetry, i, size)];
    data::write_png(fs::path(images) / ("turned" + std::to_string(symmetry) + ".png"), turned);
  }
  std::vector<std::string> tta = options("24x48");
  tta.emplace_back("--tta");
  expect_success(predict(tta));
  const Grey first = result("turned0_probability.png");
  for (const int symmetry : {2, 4, 6}) {
    const Grey other = result("turned" + std::to_string(symmetry) + "_probability.png");
    for (std::size_t i = 0; i < other.pixels.size(); ++i)
      ASSERT_NEAR(other.pixels[i], first.pixels[source_pixel(symmetry, i, size)], 1) << symmetry;
  }
  expect_failure(predict({images, "--size", "24x4"}), 2, {"--size", "width"});
}

// What keep-aspect makes of a wide image can be made by hand: then it is predicted as any image, and cut again.
TEST_F(Predict, KeepAspectPadsAndCutsOff) {
  phantom("wide.png", 32, 21);
  const Grey wide = data::read_luma(fs::path(images) / "wide.png");
  Grey padded{32, 32, {}};
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      padded.pixels.push_back(wide.pixels[static_cast<std::size_t>(std::clamp(y - 5, 0, 20) * 32 + x)]);
  data::write_png(fs::path(images) / "padded.png", padded);
  const std::vector<std::string> options = {images,      "--probability", "--attention",
                                            "--gradcam", "--csv",         phantoms / "t.csv"};
  const auto same_as_cut = [&] {
    int different = 0;
    for (const char* ending : {"_mask", "_probability", "_attention_0", "_attention_1", "_attention_2", "_gradcam"}) {
      const Grey actual = result("wide" + std::string(ending) + ".png"),
                 whole = result("padded" + std::string(ending) + ".png");
      EXPECT_EQ(std::make_pair(actual.width, actual.height), std::make_pair(32, 21));
      different += !std::equal(actual.pixels.begin(), actual.pixels.end(), whole.pixels.begin() + 5 * 32);
    }
    return different;
  };
  expect_success(predict(options));
  EXPECT_GT(same_as_cut(), 3) << "without keep-aspect the network sees another picture";
  EXPECT_EQ(rows_of(phantoms / "t.csv").at(0).at("keep_aspect"), "no");
  std::vector<std::string> keep = options;
  keep.emplace_back("--keep-aspect");
  expect_success(predict(keep));
  EXPECT_EQ(same_as_cut(), 0);
  EXPECT_GT(marked(result("wide_mask.png")), 0u) << "nothing is marked: this test says little";
  for (const auto& row : rows_of(phantoms / "t.csv")) {
    EXPECT_EQ(row.at("keep_aspect"), "yes");
    EXPECT_EQ(row.at("size"), "32");
  }
}

TEST_F(Predict, SixteenBitsKeepTheHighByte) {
  phantom("eight.png", 33, 40);
  const Grey eight = data::read_luma(fs::path(images) / "eight.png");
  std::vector<unsigned char> raw;
  for (const std::uint8_t pixel : eight.pixels) raw.insert(raw.end(), {pixel, 0xa5});
  ASSERT_EQ(lodepng::encode((fs::path(images) / "sixteen.png").string(), raw, 33, 40, LCT_GREY, 16), 0u);
  expect_success(predict({images, "--probability"}));
  EXPECT_EQ(read_text(fs::path(out) / "sixteen_probability.png"), read_text(fs::path(out) / "eight_probability.png"));
}

TEST_F(Predict, SameBytesByAnyBatchAndThreads) {
  for (std::uint32_t i = 0; i < 5; ++i) phantom(std::to_string(i) + ".png", 30 + static_cast<int>(i), 35, i);
  const std::vector<std::string> all = {images, "--overlay", "--probability", "--attention", "--gradcam", "--tta"};
  const auto with = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.end(), all.begin(), all.end());
    more.insert(more.end(), {"--csv", phantoms / (name + ".csv")});
    expect_success(predict(more));
    fs::rename(out, phantoms / name);
  };
  with("a", {"--batch", "1", "--threads", "1"});
  with("b", {"--batch", "3", "--threads", "2"});
  EXPECT_EQ(read_text(phantoms / "a.csv"), read_text(phantoms / "b.csv"));
  const std::set<std::string> names = files_below(phantoms / "a");
  EXPECT_EQ(names.size(), 35u);
  for (const std::string& name : names)
    EXPECT_EQ(read_text(fs::path(phantoms / "a") / name), read_text(fs::path(phantoms / "b") / name)) << name;
}

TEST_F(Predict, SimulatorMarksTheSame) {
  phantom("a.png", 32, 32);
  expect_success(predict({images, "--probability", "--gradcam"}));
  const Grey expected = result("a_probability.png");
  expect_success(predict({images, "--probability", "--gradcam", "--backend", "cuda-sim"}));
  const Grey actual = result("a_probability.png");
  for (std::size_t i = 0; i < expected.pixels.size(); ++i) EXPECT_NEAR(actual.pixels[i], expected.pixels[i], 1);
}

TEST_F(Predict, GradCamOfANamedLayer) {
  phantom("a.png", 32, 32);
  expect_success(predict({images, "--gradcam"}));
  const std::string bottleneck = read_text(fs::path(out) / "a_gradcam.png");
  expect_success(predict({images, "--gradcam-layer", "bottleneck"}));
  EXPECT_EQ(read_text(fs::path(out) / "a_gradcam.png"), bottleneck);
  expect_success(predict({images, "--gradcam-layer", "encoder.1"}));
  EXPECT_NE(read_text(fs::path(out) / "a_gradcam.png"), bottleneck);
  expect_failure(predict({images, "--gradcam-layer", "encoder.3"}), 2,
                 {"encoder.3", "encoder.0", "encoder.2", "bottleneck", "decoder.2", "decoder.0"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
