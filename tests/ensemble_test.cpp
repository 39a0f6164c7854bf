// Means of logits: over the members of an ensemble, over flips and turns; and `evaluate` and `predict` with them.
#include <gtest/gtest.h>

#include "common/core/random.h"
#include "common/predict/mean_logits.h"
#include "cpu/operations.h"
#include "support/command_line.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

using Json = nlohmann::json;
using Mean = MeanLogits<Cpu<float>>;

Checkpoint untrained(std::uint64_t seed, Variant variant, const ImageSize& size) {
  TrainConfig config;
  config.network.variant = variant;
  config.network.base = 2;
  config.size = size;
  config.seed = seed;
  return initial_checkpoint(config);
}

std::vector<float> noise(std::size_t count) {
  Random random(7);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.below(256)) / 255.0f);
  return values;
}

bool always() {
  return true;
}

// The definition: each network by itself, on each turned image, turned back; added up in double.
std::vector<float> expected_mean(cpu::Device& device, const std::vector<Checkpoint>& members, const ImageSize& size,
                                 const std::vector<float>& images) {
  const auto pixels = static_cast<std::size_t>(size.pixels());
  std::vector<double> sums(images.size(), 0.0);
  int passes = 0;
  for (const Checkpoint& member : members) {
    Mean alone(device, {member}, 2, size, false);
    for (int symmetry = 0; symmetry < symmetries; ++symmetry) {
      if (!keeps_size(symmetry, size)) continue;
      ++passes;
      std::vector<float> turned(images.size());
      const auto from = [&](std::size_t i) { return i / pixels * pixels + source_pixel(symmetry, i % pixels, size); };
      for (std::size_t i = 0; i < images.size(); ++i) turned[i] = images[from(i)];
      const std::vector<float> logits = alone.run(turned, always);
      for (std::size_t i = 0; i < images.size(); ++i) sums[from(i)] += static_cast<double>(logits[i]);
    }
  }
  std::vector<float> mean;
  for (const double sum : sums) mean.push_back(static_cast<float>(sum / passes));
  return mean;
}

TEST(MeanLogits, OfMembersAndOfFlipsAndTurns) {
  cpu::Device device(1);
  for (const ImageSize& size : {ImageSize(16, 16), ImageSize(16, 24)}) {
    const std::vector<Checkpoint> members{untrained(1, Variant::attention3, size), untrained(2, Variant::unet4, size)};
    const std::vector<float> images = noise(2 * static_cast<std::size_t>(size.pixels()));
    Mean with_tta(device, members, 2, size, true), without(device, members, 2, size, false);
    EXPECT_EQ(with_tta.run(images, always), expected_mean(device, members, size, images));
    const std::vector<float> a = Mean(device, {members[0]}, 2, size, false).run(images, always),
                             b = Mean(device, {members[1]}, 2, size, false).run(images, always);
    const std::vector<float> mean = without.run(images, always);
    for (std::size_t i = 0; i < mean.size(); ++i)
      ASSERT_EQ(mean[i], static_cast<float>((static_cast<double>(a[i]) + static_cast<double>(b[i])) / 2));

    // As a network on a tape, for one image of two.
    AttentionUNetTape<Cpu<float>>& tape = with_tta.tape();
    tape.set_batch(1);
    const Index pixels = size.pixels();
    std::copy(images.begin(), images.begin() + pixels, tape.input);
    with_tta.forward(tape, {false, 0, 0});
    const std::vector<float> first(tape.logits, tape.logits + pixels);
    std::vector<float> both = with_tta.run(images, always);
    both.resize(first.size());
    EXPECT_EQ(first, both);
    EXPECT_TRUE(with_tta.run(images, [] { return false; }).empty());
  }
}

TEST(Ensemble, EvaluateAndPredict) {
  const PhantomFolder phantoms;
  const auto train = [&](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = phantoms.train(phantoms / name);
    for (std::size_t i = 0; i < more.size(); i += 2) {  // an option and its value
      const auto option = std::find(arguments.begin(), arguments.end(), more[i]);
      if (option != arguments.end())
        option[1] = more[i + 1];
      else
        arguments.insert(arguments.end(), {more[i], more[i + 1]});
    }
    expect_success(attnunet_run(arguments));
    return phantoms / name + "/last.safetensors";
  };
  const std::vector<std::string> tests{"--folds", "2", "--test-part", "0.5", "--epochs", "1"};
  const auto with = [](std::vector<std::string> options, const std::vector<std::string>& more) {
    options.insert(options.end(), more.begin(), more.end());
    return options;
  };
  const std::string a = train("a", with(tests, {"--fold", "0"}));
  const std::string b = train("b", with(tests, {"--fold", "1", "--variant", "unet3"}));
  std::string out;
  const auto evaluate = [&](const std::vector<std::string>& more) {
    const Finished finished = attnunet_run(with({"evaluate", "--threads", "1", "--json", phantoms / "e.json"}, more));
    expect_success(finished);
    out = finished.out;
    return read_json(phantoms / "e.json");
  };

  // The folds are the test parts, which nothing has seen; together they are all cases.
  const Json first = evaluate({"--checkpoint", a, "--subset", "test"});
  EXPECT_EQ(first["trained_on"], 0);
  EXPECT_NE(out.find("protocol: scores of " + std::to_string(first["cases"].get<int>()) +
                     " cases that neither trained nor chose an epoch"),
            std::string::npos)
      << out;
  EXPECT_EQ(first["cases"].get<int>() + evaluate({"--checkpoint", b, "--subset", "test"})["cases"].get<int>(), 20);
  EXPECT_NE(read_text(phantoms / "a/report.html").find("Protocol: "), std::string::npos);
  EXPECT_NE(read_json(phantoms / "a/config.json")["protocol"].get<std::string>().find("test cases do neither"),
            std::string::npos);

  // Two of one checkpoint are that checkpoint; of two each has trained on what the other has not.
  const Json twice = evaluate({"--ensemble", a, a, "--subset", "test"});
  EXPECT_EQ(twice["overall"], first["overall"]);
  EXPECT_NE(evaluate({"--checkpoint", a, "--subset", "test", "--tta"})["overall"]["loss"], first["overall"]["loss"]);
  const Json all = evaluate({"--ensemble", a, b, "--split", "random", "--subset", "all"});
  const Json of_a = evaluate({"--checkpoint", a, "--split", "random", "--subset", "all"});
  const Json of_b = evaluate({"--checkpoint", b, "--split", "random", "--subset", "all"});
  EXPECT_EQ(all["trained_on"].get<int>(), of_a["trained_on"].get<int>() + of_b["trained_on"].get<int>());
  EXPECT_NE(all["overall"]["loss"], of_a["overall"]["loss"]);

  const std::string image = phantoms.data + "/benign";
  expect_success(attnunet_run({"predict", image, "--out", phantoms / "masks", "--ensemble", a, b, "--probability"}));
  const std::string other = train("other", {"--size", "16", "--epochs", "0"});
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"evaluate"}, {"predict", image, "--out", phantoms / "none"}}) {
    expect_failure(attnunet_run(with(command, {"--ensemble", a, other})), 1, {"32", "16", "other"});
    expect_failure(attnunet_run(with(command, {"--ensemble", a})), 2, {"two or more"});
    expect_failure(attnunet_run(with(command, {"--ensemble", a, b, "--checkpoint", a})), 2, {"not both"});
  }
  expect_failure(attnunet_run({"predict", image, "--out", phantoms / "none", "--ensemble", a, b, "--gradcam"}), 2,
                 {"--gradcam", "--ensemble"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
