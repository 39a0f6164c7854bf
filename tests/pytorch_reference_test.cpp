// The third opinion: tools/pytorch_reference.py, which shares no code with us, on checkpoints that the program wrote.
#include <algorithm>
#include <cmath>

#include "common/app/backend.h"
#include "common/io/safetensors.h"
#include "common/train/checkpoint.h"
#include "support/command_line.h"
#include "support/python.h"

namespace attnunet {
namespace TEST_FILE {

class PytorchReference : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto pythons = pythons_with({"numpy, torch"});
    if (pythons.empty()) GTEST_SKIP() << "needs a Python with numpy and torch (ATTNUNET_PYTHON may name it)";
    python = pythons[0];
  }
  std::string python;
};

// Phantoms of which `train` takes the first six, in case order, in one batch or several.
struct Training : PhantomFolder {
  Training() {
    std::string train_names, val_names;
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data))
      if (entry.path().extension() == ".png" && entry.path().stem().string().find("_mask") == std::string::npos)
        names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    for (std::size_t i = 0; i < names.size(); ++i) (i < 6 ? train_names : val_names) += names[i] + "\n";
    write_text(*this / "train.txt", train_names);
    write_text(*this / "val.txt", val_names);
  }
  Finished start(const std::string& out, const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"train",
                                          "--data",
                                          data,
                                          "--train-list",
                                          *this / "train.txt",
                                          "--val-list",
                                          *this / "val.txt",
                                          "--out",
                                          *this / out,
                                          "--no-shuffle",
                                          "--batch",
                                          "6",
                                          "--threads",
                                          "1",
                                          "--epochs",
                                          "0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return attnunet_run(arguments);
  }
  std::string checkpoint(const std::string& out) const { return *this / (out + "/last.safetensors"); }
};

TEST_F(PytorchReference, AgreesOnTrainingSteps) {
  const Training training;
  const std::vector<std::string> networks[] = {
      {"--variant", "attention3", "--base", "2", "--loss", "bce+dice", "--size", "32"},
      {"--variant", "attention4", "--base", "2", "--dropout", "0.4", "--weight-decay", "0.01", "--size", "32x48",
       "--keep-aspect"},
      {"--variant", "unet3", "--base", "2", "--loss", "bce+dice", "--size", "32", "--clip-norm", "0.1"},
      {"--variant", "attention3", "--base", "2", "--loss", "tversky", "--tversky-fp", "0.4", "--size", "32"},
      {"--variant", "attention3", "--base", "2", "--loss", "focal", "--focal-gamma", "1", "--size", "32"}};
  int number = 0;
  for (const auto& options : networks) {
    const std::string name = std::to_string(number++);
    expect_success(training.start(name + "0", options));
    const int last = number % 2 == 1 ? 1 : 2;  // the first step, or one with moments behind it
    for (int epoch = 1; epoch <= last; ++epoch) {
      const std::string before = name + std::to_string(epoch - 1), after = name + std::to_string(epoch);
      expect_success(attnunet_run({"train", "--data", training.data, "--resume", training.checkpoint(before),
                                   "--epochs", std::to_string(epoch), "--out", training / after}));
      if (epoch < last) continue;
      const Finished compared =
          run_tool(python, "pytorch_reference.py",
                   {training.checkpoint(before), "--after", training.checkpoint(after), "--data", training.data});
      EXPECT_EQ(compared.exit_code, 0) << compared.out << compared.err;
      EXPECT_NE(compared.out.find("step " + std::to_string(epoch) + " on 6 images"), std::string::npos) << compared.out;
    }
  }
}

// Out to PyTorch and back: exactly in types that hold a float32, else rounded to the nearest.
TEST_F(PytorchReference, WeightsComeBack) {
  const Training training;
  expect_success(training.start("a", {"--variant", "attention3", "--base", "2", "--size", "32"}));
  const Checkpoint before = load_checkpoint(training.checkpoint("a"));
  const std::pair<const char*, float> types[] = {
      {"float32", 0.0f}, {"float64", 0.0f}, {"float16", 0x1p-11f}, {"bfloat16", 0x1p-8f}};
  for (const auto& [dtype, rounding] : types) {
    const std::string file = training / (dtype + std::string(".safetensors"));
    const Finished saved =
        run_tool(python, "pytorch_reference.py", {training.checkpoint("a"), "--save", file, "--dtype", dtype});
    ASSERT_EQ(saved.exit_code, 0) << saved.out << saved.err;
    const Checkpoint after = load_checkpoint(file);
    EXPECT_FALSE(after.has_metadata);
    EXPECT_EQ(name_of(after.config.network.variant), std::string("attention3"));
    EXPECT_EQ(after.config.network.base, 2);
    ASSERT_EQ(after.parameters.size(), before.parameters.size());
    for (std::size_t i = 0; i < before.parameters.size(); ++i)
      EXPECT_LE(std::abs(after.parameters[i] - before.parameters[i]),
                rounding * std::abs(before.parameters[i]) + (rounding > 0 ? 0x1p-25f : 0.0f))
          << dtype << " " << i;                      // float16 has steps of 2^-24 near 0
    EXPECT_EQ(after.statistics, before.statistics);  // 0 and 1
    expect_success(attnunet_run({"evaluate", "--checkpoint", file, "--data", training.data, "--size", "32"}));
  }
}

// The loss of each image, and the logits themselves.
TEST_F(PytorchReference, AgreesOnEvaluation) {
  const Training training;
  expect_success(training.start("a", {"--variant", "attention4", "--base", "4", "--size", "32"}));
  expect_success(attnunet_run({"evaluate", "--checkpoint", training.checkpoint("a"), "--data", training.data,
                               "--subset", "all", "--csv", training / "all.csv"}));

  const Index N = 2, H = 21, W = 35;
  std::vector<float> image(static_cast<std::size_t>(N * H * W)), logits(image.size());
  Random random(3);
  for (float& value : image) value = static_cast<float>(random.uniform());
  const Checkpoint checkpoint = load_checkpoint(training.checkpoint("a"));
  cpu::Device device(1);
  AttentionUNet<Cpu<float>> network(device, make_architecture(checkpoint.config.network), false);
  network.load({checkpoint.parameters.begin(), checkpoint.parameters.end()},
               {checkpoint.statistics.begin(), checkpoint.statistics.end()});
  AttentionUNetTape<Cpu<float>> tape(device, network.architecture(), N, H, W, Purpose::inference);
  copy_to_device(device, tape.input, image.data(), N * H * W);
  Pass pass;
  pass.training = false;
  network.forward(tape, pass);
  copy_to_host(device, logits.data(), tape.logits, N * H * W);
  const auto compare = [&](const char* file) {
    write_safetensors(
        training / file, {}, {{"image", {N, 1, H, W}}, {"logits", {N, 1, H, W}}},
        [&](std::size_t i, float* values) { std::copy_n((i == 0 ? image : logits).data(), image.size(), values); });
    return run_tool(python, "pytorch_reference.py",
                    {training.checkpoint("a"), "--vectors", training / file, "--data", training.data, "--evaluated",
                     training / "all.csv"});
  };
  const Finished compared = compare("right.safetensors");
  EXPECT_EQ(compared.exit_code, 0) << compared.out << compared.err;
  EXPECT_NE(compared.out.find("loss of each of 20 images"), std::string::npos) << compared.out;

  logits[17] += 0.001f;
  const Finished wrong = compare("wrong.safetensors");
  EXPECT_EQ(wrong.exit_code, 1) << wrong.out << wrong.err;
  EXPECT_NE(wrong.out.find("DIFFERS"), std::string::npos) << wrong.out;
}

}  // namespace TEST_FILE
}  // namespace attnunet
