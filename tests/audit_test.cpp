// attnunet audit, through the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "common/data/sample.h"
#include "common/data/split.h"
#include "support/command_line.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

/// Share of lesion of each case at a size, in case order.
std::vector<double> lesion_shares(const data::Dataset& dataset, int size) {
  std::vector<double> shares;
  for (const data::Case& one : dataset.cases) {
    double lesion = 0;
    for (const std::uint8_t pixel : data::load(one, size).mask.pixels) lesion += pixel;
    shares.push_back(lesion / (size * size));
  }
  return shares;
}

TEST(Audit, NothingScoresTheShareOfBackground) {
  const PhantomFolder phantoms;
  const std::string json = phantoms / "audit.json", more = phantoms / "more";
  data::synthesize(more, 40, 32, 5);
  const Finished finished = attnunet_run({"audit", "--data", more, "--size", "48", "--json", json});
  expect_success(finished);
  const auto object = read_json(json);
  const std::vector<double> shares = lesion_shares(data::scan(more), 48);
  const auto expect_part = [&](const char* name, std::size_t first, std::size_t last) {
    SCOPED_TRACE(name);
    double lesion = 0;
    int lesions = 0;
    for (std::size_t i = first; i < last; ++i) {
      lesion += shares[i];
      lesions += shares[i] > 0;
    }
    ASSERT_GT(lesions, 0);
    const auto& nothing = object[name]["nothing"];
    const double background = 1 - lesion / static_cast<double>(last - first);
    EXPECT_NEAR(nothing["accuracy"].get<double>(), background, 1e-12);
    EXPECT_NEAR(nothing["keras_mean_iou"].get<double>(), background / 2, 1e-12);
    EXPECT_EQ(nothing["images_with_lesion"], lesions);
    for (const char* honest : {"lesion_iou", "lesion_dice", "pooled_iou", "pooled_dice"})
      EXPECT_EQ(nothing[honest], 0.0) << honest;
    EXPECT_FALSE(object[name].contains("checkpoint"));
  };
  ASSERT_EQ(shares.size(), 40u);
  expect_part("training", 0, 32);
  expect_part("validation", 32, 40);
  for (const char* text : {"training, 32 images", "validation, 8 images", "half the share of"})
    EXPECT_NE(finished.out.find(text), std::string::npos) << finished.out;
  // Table I of the paper, and of what predicts nothing no loss.
  const std::regex rows(
      "training.*loss +\\(BCE\\) +0\\.1331 +0\\.1356 +-[^]*accuracy +0\\.9487 +0\\.9508[^]*IoU as the paper's "
      "+0\\.4560 "
      "+0\\.4571[^]*validation.*loss +\\(BCE\\) +0\\.0771 +0\\.0631 +-[^]*accuracy +0\\.9788 +0\\.9854[^]*IoU as the "
      "paper's +0\\.4910 +0\\.4909");
  EXPECT_TRUE(std::regex_search(finished.out, rows)) << finished.out;
  EXPECT_TRUE(object["validation"]["nothing"]["bce"].is_null());
}

TEST(Audit, ValidationWithoutALesionIsSaidToMeasureNothing) {
  const PhantomFolder phantoms;  // of 20 cases in their order the last 4 are normal
  const Finished finished = attnunet_run({"audit", "--data", phantoms.data, "--size", "32"});
  expect_success(finished);
  EXPECT_NE(finished.out.find("No validation image has a lesion"), std::string::npos) << finished.out;
}

TEST(Audit, CheckpointUnderTheSameProtocol) {
  const PhantomFolder phantoms;
  const std::string run = phantoms / "run", json = phantoms / "audit.json", metrics = phantoms / "metrics.json";
  expect_success(attnunet_run(phantoms.train(run, {"--split", "paper"})));
  const std::string checkpoint = run + "/last.safetensors";
  const Finished finished = attnunet_run({"audit", "--checkpoint", checkpoint, "--json", json});
  expect_success(finished);
  EXPECT_NE(finished.out.find("trained on 0 of these 4 validation images"), std::string::npos) << finished.out;
  const auto object = read_json(json);
  for (const auto& [subset, part] : {std::pair{"train", "training"}, std::pair{"val", "validation"}}) {
    expect_success(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--subset", subset, "--json", metrics}));
    const auto overall = read_json(metrics)["overall"];
    const auto& column = object[part]["checkpoint"];
    for (const char* key : {"accuracy", "keras_mean_iou", "pooled_iou", "pooled_dice"})
      EXPECT_EQ(column[key], overall[key]) << subset << " " << key;
    EXPECT_EQ(column["bce"], overall["loss"]) << subset;
  }
  // Of a checkpoint that has seen images which the paper validates on, audit says so.
  const std::string other = phantoms / "other";
  expect_success(attnunet_run(phantoms.train(other, {"--split", "random"})));
  const std::string out = attnunet_run({"audit", "--checkpoint", other + "/last.safetensors"}).out;
  const data::Dataset dataset = data::scan(phantoms.data);
  data::SplitOptions random, paper;
  random.kind = data::SplitKind::random;
  paper.kind = data::SplitKind::paper;
  const data::Split trained = data::make_split(dataset, random);
  int seen = 0;
  for (const std::size_t one : data::make_split(dataset, paper).val)
    seen += std::count(trained.train.begin(), trained.train.end(), one) > 0;
  EXPECT_NE(out.find("trained on " + std::to_string(seen) + " of these 4"), std::string::npos) << out;
}

TEST(Audit, WhatPredictingNothingScoresOnBusi) {
  const auto root = shared_data() / "busi-256";
  ATTNUNET_SKIP_WITHOUT(root);
  const TemporaryFolder folder;
  const std::string json = (folder / "audit.json").string();
  expect_success(attnunet_run({"audit", "--data", root.string(), "--json", json}));
  const auto object = read_json(json);
  const auto expect = [&](const char* part, const char* key, double value) {
    EXPECT_NEAR(object[part]["nothing"][key].get<double>(), value, 5e-5) << part << " " << key;
  };
  expect("validation", "keras_mean_iou", 0.4908);
  expect("validation", "accuracy", 0.9816);
  expect("training", "keras_mean_iou", 0.4534);
  expect("training", "accuracy", 0.9068);
}

}  // namespace TEST_FILE
}  // namespace attnunet
