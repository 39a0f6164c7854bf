#include "common/scores/threshold.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/core/random.h"
#include "common/core/stable_sigmoid.h"
#include "common/train/checkpoint.h"
#include "support/json.h"
#include "support/predict.h"

namespace attnunet {
namespace TEST_FILE {

// Counted out for every candidate by itself.
TEST(ThresholdChoice, IsTheBestOfAllCandidates) {
  constexpr std::size_t pixels = 400, images = 3;
  Random random(1);
  ThresholdChoice choice;
  std::vector<std::vector<float>> logits(images), truths(images);
  for (std::size_t n = 0; n < images; ++n) {
    for (std::size_t i = 0; i < pixels; ++i) {
      const bool lesion = n > 0 && i < 100 * n;  // the first image has none
      truths[n].push_back(lesion ? 1.0f : 0.0f);
      logits[n].push_back(static_cast<float>((lesion ? -1.0 : -6.0) + random.normal()));
    }
    choice.see(logits[n].data(), truths[n].data(), pixels);
  }
  const auto mean_iou = [&](double threshold) {
    double sum = 0;
    for (std::size_t n = 0; n < images; ++n) {
      std::size_t both = 0, either = 0;
      for (std::size_t i = 0; i < pixels; ++i) {
        const bool marked = static_cast<double>(logits[n][i]) > std::log(threshold / (1 - threshold));
        both += marked && truths[n][i] > 0 ? 1 : 0;
        either += marked || truths[n][i] > 0 ? 1 : 0;
      }
      sum += either == 0 ? 1 : static_cast<double>(both) / static_cast<double>(either);
    }
    return sum / images;
  };
  const ThresholdChoice::Best best = choice.best();
  EXPECT_LT(best.threshold, 0.45);
  EXPECT_DOUBLE_EQ(best.iou, mean_iou(best.threshold));
  EXPECT_DOUBLE_EQ(best.iou_at_half, mean_iou(0.5));
  for (int i = 1; i < 100; ++i) EXPECT_LE(mean_iou(i / 100.0), best.iou + 1e-12) << i;
}

TEST(ThresholdChoice, OfEqualOnesTheNearestToHalf) {
  ThresholdChoice choice;
  const float logits[] = {-9, -9, 9}, truth[] = {0, 0, 1};
  choice.see(logits, truth, 3);
  EXPECT_EQ(choice.best().threshold, 0.5);
  EXPECT_EQ(choice.best().iou, 1.0);
}

TEST_F(Predict, UsesTheThresholdOfTheCheckpoint) {
  const std::string chosen = phantoms / "chosen.safetensors";
  const Finished evaluated = attnunet_run({"evaluate", "--checkpoint", checkpoint, "--choose-threshold", chosen});
  expect_success(evaluated);
  EXPECT_NE(evaluated.out.find("threshold"), std::string::npos) << evaluated.out;
  Checkpoint with = load_checkpoint(chosen);
  ASSERT_TRUE(with.threshold);
  EXPECT_FALSE(load_checkpoint(checkpoint).threshold);
  EXPECT_EQ(with.parameters, load_checkpoint(checkpoint).parameters);

  with.threshold = 0.25;  // whatever was chosen: far from 0.5
  save_checkpoint(chosen, with);
  phantom("a.png", 40, 40);
  const auto predicted = [&](const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"predict", images, "--checkpoint", model, "--out", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_success(attnunet_run(arguments));
    return marked(result("a_mask.png"));
  };
  const std::size_t at_half = predicted(checkpoint, {}), at_quarter = predicted(checkpoint, {"--threshold", "0.25"});
  EXPECT_NE(at_half, at_quarter) << "this test says nothing";
  EXPECT_EQ(predicted(chosen, {}), at_quarter);
  EXPECT_EQ(predicted(chosen, {"--threshold", "0.5"}), at_half);
  expect_failure(
      attnunet_run({"evaluate", "--checkpoint", checkpoint, "--choose-threshold", chosen, "--subset", "all"}), 2,
      {"--choose-threshold", "--subset val"});
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--choose-threshold", checkpoint}), 2,
                 {"--choose-threshold", "choose another name"});
}

// The copy keeps the checkpoint's own settings, so a threshold that was chosen with others would not fit.
TEST_F(Predict, ThresholdsAreChosenWithTheSettingsOfTheCheckpoint) {
  const std::string chosen = phantoms / "chosen.safetensors";
  const auto choose = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"evaluate", "--checkpoint", checkpoint, "--choose-threshold", chosen});
    return attnunet_run(arguments);
  };
  using Words = std::vector<std::string>;
  for (const Words& option :
       {Words{"--size", "16"}, {"--keep-aspect"}, {"--mask-rule", "nonzero"}, {"--ignore-orientation"}}) {
    expect_failure(choose(option), 2, {"--choose-threshold", "leave out " + option[0]});
    EXPECT_FALSE(std::filesystem::exists(chosen)) << option[0];
  }
  expect_failure(choose({"--size", "16", "--keep-aspect"}), 2, {"leave out --size, --keep-aspect"});
  expect_success(choose({"--size", "32", "--mask-rule", "auto"}));  // the checkpoint's own
}

TEST_F(Predict, NoThresholdIsChosenWithoutALesion) {
  const std::string chosen = phantoms / "chosen.safetensors", other = phantoms / "healthy";
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directories(other + "/normal");
    const std::string path = other + "/normal/" + name;
    data::write_png(path + ".png", data::make_phantom("normal", 32, 32, 7, static_cast<std::uint32_t>(*name)).image);
    data::write_png(path + "_mask.png", data::Grey{32, 32, std::vector<std::uint8_t>(32 * 32)});
  }
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--data", other, "--choose-threshold", chosen}),
                 1, {"--choose-threshold needs lesions", "all 2 cases are empty"});
  EXPECT_FALSE(std::filesystem::exists(chosen));
}

// What a checkpoint states for predict: stored, printed, used, overridden, and known to export and info.
TEST_F(Predict, UsesThePartsThatTheCheckpointKeeps) {
  const std::string chosen = phantoms / "chosen.safetensors", csv = phantoms / "t.csv";
  expect_success(attnunet_run(
      {"evaluate", "--checkpoint", checkpoint, "--choose-threshold", chosen, "--min-area", "4", "--largest", "1"}));
  Checkpoint with = load_checkpoint(chosen);
  EXPECT_EQ(with.min_area, 4);
  EXPECT_EQ(with.largest, 1);
  with.threshold = 0.25;
  save_checkpoint(chosen, with);
  for (int i = 0; i < 4; ++i) phantom(std::to_string(i) + ".png", 32, 32, static_cast<std::uint32_t>(i));
  const auto predicted = [&](const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"predict", images, "--checkpoint", model, "--out", out, "--csv", csv};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = attnunet_run(arguments);
    expect_success(finished);
    return finished.out;
  };
  predicted(checkpoint, {"--threshold", "0.25", "--min-area", "4", "--largest", "1"});
  const std::string by_options = read_text(csv);
  EXPECT_NE(predicted(chosen, {}).find("threshold 0.25, min-area 4, largest 1"), std::string::npos);
  EXPECT_EQ(read_text(csv), by_options);
  const auto row = rows_of(csv).at(0);
  EXPECT_EQ(row.at("threshold") + " " + row.at("min_area") + " " + row.at("largest"), "0.25 4 1");
  EXPECT_EQ(predicted(checkpoint, {}).find("threshold"), std::string::npos);
  const std::string plain = read_text(csv);
  EXPECT_NE(plain, by_options);
  predicted(chosen, {"--threshold", "0.5", "--min-area", "0", "--largest", "0"});
  EXPECT_EQ(read_text(csv), plain);
  EXPECT_EQ(predicted(chosen, {"--raw"}).find("From the checkpoint"), std::string::npos);
  EXPECT_EQ(read_text(csv), plain);
  // The smallest area that is stored counts pixels of the network's image: twice as wide and high, it is 4 times that.
  phantom("large.png", 64, 64, 9);
  predicted(chosen, {});
  EXPECT_EQ(rows_of(csv).back().at("min_area"), "16");
  predicted(chosen, {"--min-area", "5"});
  EXPECT_EQ(rows_of(csv).back().at("min_area"), "5");

  const Finished info = attnunet_run({"info", "--checkpoint", chosen});
  EXPECT_NE(info.out.find("threshold 0.25, min-area 4, largest 1"), std::string::npos) << info.out;
  EXPECT_NE(info.out.find("16 training, 4 validation, 0 test"), std::string::npos) << info.out;
  const Finished exported = attnunet_run({"export", "--checkpoint", chosen, "--out", phantoms / "m.onnx"});
  EXPECT_NE(exported.out.find("the logit is above -1.099"), std::string::npos) << exported.out;
  const std::string onnx = read_text(phantoms / "m.onnx");
  for (const char* text : {"probability > 0.25", "min_area", "largest"})
    EXPECT_NE(onnx.find(text), std::string::npos) << text;
  EXPECT_EQ(onnx.find("probability > 0.5"), std::string::npos);
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--choose-threshold", phantoms / "again",
                               "--threshold", "0.3"}),
                 2, {"leave out --threshold"});
  // A resumed run goes on with other weights.
  expect_success(attnunet_run(
      {"train", "--resume", chosen, "--data", phantoms.data, "--out", phantoms / "on", "--epochs", "3", "--quiet"}));
  EXPECT_EQ(marking_text(load_checkpoint(phantoms / "on/last.safetensors")), "");
}

// evaluate scores the masks that predict would make.
TEST_F(Predict, IsScoredByTheMarkingOfTheCheckpoint) {
  const std::string chosen = phantoms / "chosen.safetensors", json = phantoms / "scores.json";
  Checkpoint with = load_checkpoint(checkpoint);
  with.threshold = 0.25;
  with.min_area = 4;
  with.largest = 1;
  save_checkpoint(chosen, with);
  std::string said;
  const auto overall = [&](const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"evaluate", "--checkpoint", model, "--data", phantoms.data, "--json", json};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = attnunet_run(arguments);
    expect_success(finished);
    said = finished.out;
    return read_json(json)["overall"];
  };
  const auto plain = overall(checkpoint, {});
  EXPECT_EQ(said.find("--raw"), std::string::npos) << said;
  const auto stated = overall(chosen, {});
  EXPECT_NE(said.find("Masks by the checkpoint's threshold 0.25, min-area 4, largest 1 (--raw"), std::string::npos)
      << said;
  EXPECT_EQ(read_json(json)["min_area"], 4);
  EXPECT_NE(stated, plain);
  EXPECT_EQ(overall(checkpoint, {"--threshold", "0.25", "--min-area", "4", "--largest", "1"}), stated);
  EXPECT_EQ(overall(chosen, {"--raw"}), plain);
  EXPECT_EQ(overall(chosen, {"--threshold", "0.5", "--min-area", "0", "--largest", "0"}), plain);
  // No part of a mask is as large as that: nothing is marked.
  const auto nothing = overall(chosen, {"--min-area", "1025"});
  EXPECT_EQ(nothing["pooled_iou"], 0.0);
  EXPECT_EQ(nothing["loss"], plain["loss"]);
}

// With a smallest area the threshold is chosen on the masks that come of both; it stays with a copy chosen from again.
TEST_F(Predict, ThresholdIsChosenOnFinalMasks) {
  const std::string chosen = phantoms / "chosen.safetensors", again = phantoms / "again.safetensors";
  const std::string json = phantoms / "scores.json";
  const auto iou_of = [&](const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"evaluate", "--checkpoint", model, "--data", phantoms.data, "--json", json};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_success(attnunet_run(arguments));
    return read_json(json)["overall"]["iou"].get<double>();
  };
  iou_of(checkpoint, {"--choose-threshold", chosen, "--min-area", "30"});
  const double of_chosen = iou_of(chosen, {});
  for (const char* threshold : {"0.1", "0.3", "0.5", "0.7", "0.9"})
    EXPECT_GE(of_chosen + 1e-12, iou_of(checkpoint, {"--threshold", threshold, "--min-area", "30"})) << threshold;
  iou_of(chosen, {"--choose-threshold", again});
  EXPECT_EQ(marking_text(load_checkpoint(again)), marking_text(load_checkpoint(chosen)));
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--choose-threshold", again, "--tta"}), 2,
                 {"leave out --tta"});
  // At another size of the network the same share of the picture is the smallest.
  phantom("a.png", 64, 64, 3);
  const std::string csv = phantoms / "t.csv";
  for (const char* size : {"16", "32", "64"}) {
    expect_success(
        attnunet_run({"predict", images, "--checkpoint", chosen, "--out", out, "--csv", csv, "--size", size}));
    EXPECT_EQ(rows_of(csv).at(0).at("min_area"), "120") << size;
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
