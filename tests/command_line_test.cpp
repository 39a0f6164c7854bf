// Exit codes, messages and files of the built program.
#include "support/command_line.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "cuda/device.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

TEST(CommandLine, HelpAndVersion) {
  expect_success(attnunet_run({"--help"}));
  const std::string version = attnunet_run({"--version"}).out;
  EXPECT_EQ(version.rfind("attnunet ", 0), 0u);
  EXPECT_NE(version.find("backends: cpu, cuda-sim"), std::string::npos) << version;
  const std::vector<std::vector<std::string>> commands = {
      {"train"}, {"evaluate"}, {"predict"},   {"compare"},       {"export"},       {"audit"},
      {"info"},  {"bench"},    {"gradcheck"}, {"data", "synth"}, {"data", "show"}, {"data", "check"}};
  for (std::vector<std::string> command : commands) {
    command.push_back("--help");
    const Finished finished = attnunet_run(command);
    expect_success(finished);
    EXPECT_NE(finished.out.find("Usage:"), std::string::npos) << command[0];
  }
}

TEST(CommandLine, HelpShowsDefaults) {
  const std::string help = attnunet_run({"train", "--help"}).out;
  for (const char* text : {"=cpu", "=float32", "=auto", "=attention4", "=32", "=256", "=16", "=20", "=0.001",
                           "=data/BUSI", "=grouped", "=constant", "=bce", "=none"})
    EXPECT_NE(help.find(text), std::string::npos) << text;
}

TEST(CommandLine, WrongUsageIsTwoAndNamesTheRange) {
  struct {
    std::vector<std::string> arguments;
    std::vector<std::string> words;
  } const cases[] = {
      {{}, {"subcommand"}},
      {{"nonsense"}, {}},
      {{"train", "--nonsense"}, {"--nonsense"}},
      {{"train", "--batch"}, {"--batch"}},
      {{"train", "--batch", "0"}, {"--batch", "1 to 4096"}},
      {{"train", "--batch", "-4"}, {"--batch", "1 to 4096"}},
      {{"train", "--batch", "4.5"}, {"--batch", "1 to 4096"}},
      {{"train", "--batch", "many"}, {"--batch", "1 to 4096"}},
      {{"train", "--batch", "99999999999999999999"}, {"--batch", "1 to 4096"}},
      {{"train", "--size", "2"}, {"--size", "8 to 4096"}},
      {{"train", "--size", "15"}, {"--size", "16 to 4096"}},
      {{"train", "--size", "4097"}, {"--size", "4096"}},
      {{"train", "--size", "64x15"}, {"--size", "width", "16 to 4096"}},
      {{"train", "--size", "15x64"}, {"--size", "height", "16 to 4096"}},
      {{"train", "--size", "64x4097"}, {"--size", "width", "8 to 4096"}},
      {{"train", "--size", "64x"}, {"--size", "64x", "192x256"}},
      {{"train", "--size", "64 x 64"}, {"--size", "64 x 64", "192x256"}},
      {{"train", "--size", "big"}, {"--size", "big", "192x256"}},
      {{"train", "--base", "3"}, {"--base", "even number from 2 to 512"}},
      {{"train", "--base", "0"}, {"--base", "even number from 2 to 512"}},
      {{"train", "--base", "514"}, {"--base", "even number from 2 to 512"}},
      {{"train", "--lr", "nan"}, {"--lr", "above 0"}},
      {{"train", "--lr", "0"}, {"--lr", "above 0"}},
      {{"train", "--lr", "-1e-3"}, {"--lr", "above 0"}},
      {{"train", "--lr", "inf"}, {"--lr", "above 0"}},
      {{"train", "--lr", "fast"}, {"--lr", "above 0"}},
      {{"train", "--weight-decay", "nan"}, {"--weight-decay", "0 to 100"}},
      {{"train", "--warmup", "-1"}, {"--warmup", "0 to 100000"}},
      {{"train", "--warmup", "nan"}, {"--warmup", "0 to 100000"}},
      {{"train", "--clip-norm", "-1e-3"}, {"--clip-norm", "0 to 1e9"}},
      {{"train", "--clip-norm", "inf"}, {"--clip-norm", "0 to 1e9"}},
      {{"train", "--balance", "size"}, {"--balance", "none", "class", "lesion"}},
      {{"train", "--balance", "class", "--no-shuffle"}, {"--balance and --no-shuffle exclude each other"}},
      {{"train", "--ema", "1"}, {"--ema", "at least 0 and below 1"}},
      {{"train", "--ema", "nan"}, {"--ema", "at least 0 and below 1"}},
      {{"evaluate", "--checkpoint", "x", "--weights", "best"}, {"--weights", "raw", "ema"}},
      {{"train", "--patience", "-1"}, {"--patience", "0 to 100000"}},
      {{"train", "--patience", "1.5"}, {"--patience", "0 to 100000"}},
      {{"train", "--dropout", "1"}, {"--dropout", "below 1"}},
      {{"train", "--dropout", "nan"}, {"--dropout", "below 1"}},
      {{"train", "--epochs", "-1"}, {"--epochs", "0 to 100000"}},
      {{"train", "--seed", "-1"}, {"--seed", "0 to"}},
      {{"train", "--threads", "0"}, {"--threads", "1 to 1024"}},
      {{"train", "--variant", "unet"}, {"--variant", "attention3", "attention4", "unet3", "unet4"}},
      {{"train", "--backend", "gpu"}, {"--backend", "cpu"}},
      {{"train", "--loss", "mse"}, {"--loss", "bce+dice", "tversky", "focal"}},
      {{"train", "--loss", "tversky", "--tversky-fn", "-1"}, {"--tversky-fn", "0 to 100"}},
      {{"train", "--loss", "tversky", "--tversky-fp", "nan"}, {"--tversky-fp", "0 to 100"}},
      {{"train", "--loss", "tversky", "--tversky-fp", "inf"}, {"--tversky-fp", "0 to 100"}},
      {{"train", "--loss", "tversky", "--tversky-fn", "0", "--tversky-fp", "0"}, {"--tversky-fn", "above 0"}},
      {{"train", "--loss", "tversky", "--tversky-gamma", "0"}, {"--tversky-gamma", "above 0"}},
      {{"train", "--loss", "focal", "--focal-gamma", "-0.1"}, {"--focal-gamma", "0 to 100"}},
      {{"train", "--loss", "focal", "--focal-alpha", "1.1"}, {"--focal-alpha", "0 to 1"}},
      {{"train", "--tversky-fn", "0.7"}, {"--tversky-fn needs --loss tversky, not bce"}},
      {{"train", "--loss", "focal", "--tversky-fp", "0.3"}, {"--tversky-fp needs --loss tversky, not focal"}},
      {{"train", "--loss", "bce+dice", "--tversky-gamma", "1"}, {"--tversky-gamma needs", "not bce+dice"}},
      {{"train", "--loss", "tversky", "--focal-gamma", "2"}, {"--focal-gamma needs --loss focal, not tversky"}},
      {{"train", "--focal-alpha", "0.5"}, {"--focal-alpha needs --loss focal, not bce"}},
      {{"train", "--lr-schedule", "step"}, {"--lr-schedule", "cosine"}},
      {{"train", "--augment", "medium"}, {"--augment", "strong"}},
      {{"train", "--split", "lists"}, {"--split", "grouped"}},
      {{"train", "--folds", "1"}, {"--folds", "2 to 1000"}},
      {{"train", "--folds", "5", "--fold", "5"}, {"--fold"}},
      {{"train", "--fold", "1"}, {"--folds"}},
      {{"train", "--train-list", "a.txt"}, {"--val-list"}},
      {{"evaluate"}, {"--checkpoint"}},
      {{"evaluate", "--checkpoint", "x", "--subset", "some"}, {"--subset", "train|val|test|all"}},
      {{"info", "--size", "8"}, {"--size", "16 to 4096"}},
      {{"info", "--size", "64x8"}, {"--size", "width", "16 to 4096"}},
      {{"bench", "--size", "8x64"}, {"--size", "height", "16 to 4096"}},
      {{"info", "--checkpoint", "x", "--size", "64"}, {"--checkpoint", "--size"}},
      {{"bench", "--repeats", "0"}, {"--repeats", "1 to 1000"}},
      {{"gradcheck", "--backend", "tpu"}, {"--backend", "cpu"}},
      {{"gradcheck", "--precision", "bf16"}, {"--precision"}},
      {{"train", "--precision", "fp16"}, {"--precision", "float32|tf32|bf16"}},
      {{"train", "--conv", "fft"}, {"--conv", "auto|reference|gemm|direct|winograd"}},
      {{"evaluate", "--checkpoint", "x", "--conv", "fft"}, {"--conv", "auto|reference|gemm|direct|winograd"}},
      {{"gradcheck", "--conv", "automatic"}, {"--conv", "auto|reference|gemm|direct|winograd"}},
      {{"bench", "--conv", ""}, {"--conv", "auto|reference|gemm|direct|winograd"}},
      {{"data"}, {}},
      {{"data", "check", "--folds", "1"}, {"--folds", "2 to 1000"}},

      {{"audit", "--size", "2"}, {"--size", "8 to 4096"}},
      {{"data", "synth"}, {"--out"}},
      {{"data", "synth", "--out", "x", "--count", "0"}, {"--count", "1 to"}},
      {{"data", "synth", "--out", "x", "--size", "4"}, {"--size", "32 to"}},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.arguments.empty() ? "" : one.arguments.back());
    expect_failure(attnunet_run(one.arguments), 2, one.words);
  }
}

TEST(CommandLine, CudaThatIsNotThereIsAnError) {
  const std::string missing = cuda::gpu_missing();
  if (missing.empty()) GTEST_SKIP() << "this machine has a GPU";
#ifdef ATTNUNET_HAVE_CUDA
  EXPECT_EQ(missing, "no CUDA device: use --backend cuda-sim or cpu, or run where nvidia-smi lists a GPU");
#else
  EXPECT_EQ(missing,
            "this build has no CUDA: install the CUDA toolkit (nvcc) and run make again, or use --backend "
            "cuda-sim or cpu");
#endif
  TemporaryFolder folder;
  ProcessOptions options;
  options.folder = folder.path().string();
  const std::vector<std::vector<std::string>> commands = {
      {"train"}, {"gradcheck"}, {"bench"}, {"evaluate", "--checkpoint", "x"}, {"train", "--precision", "bf16"}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"--backend", "cuda"});
    const Finished finished = attnunet_run(command, options);
    EXPECT_EQ(finished.exit_code, 1);
    EXPECT_EQ(finished.err, "attnunet: " + missing + "\n") << command[0];
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(CommandLine, PrecisionsThatTheCpuHasNot) {
  for (const char* precision : {"tf32", "bf16"})
    for (std::vector<std::string> command : {std::vector<std::string>{"train"},
                                             {"bench"},
                                             {"evaluate", "--checkpoint", "x"},
                                             {"predict", "a.png", "--checkpoint", "x", "--out", "x"}}) {
      command.insert(command.end(), {"--precision", precision});
      expect_failure(attnunet_run(command), 2, {"--precision", precision, "--backend cuda or cuda-sim"});
    }
}

TEST(CommandLine, MethodsOfConvolutionThatOnlyTheCpuHas) {
  for (const char* backend : {"cuda-sim", "cuda"})
    for (const char* conv : {"reference", "direct", "gemm", "winograd"})
      for (std::vector<std::string> command : {std::vector<std::string>{"train"},
                                               {"gradcheck"},
                                               {"bench"},
                                               {"evaluate", "--checkpoint", "x"},
                                               {"predict", "a.png", "--checkpoint", "x", "--out", "x"}}) {
        command.insert(command.end(), {"--backend", backend, "--conv", conv});
        expect_failure(attnunet_run(command), 2, {"--conv", conv, "needs --backend cpu", backend});
      }
}

// Both networks too, most of whose layers are too narrow here for auto to take anything but direct. The numbers are the
// same in both, their rounding is not, and so the errors shown.
// Every layer and block that a method changes. tools/soak.sh checks the networks by each as well, which takes a minute.
TEST(CommandLine, GradcheckByOtherMethodsOfConvolution) {
  std::set<std::string> outputs;
  for (const char* conv : {"reference", "gemm", "winograd"}) {
    std::string output;
    for (const char* layer : {"conv2d", "conv_transpose2d", "conv2d_statistics", "batch_norm",
                              "batch_norm_relu_dropout", "dropout", "double_conv", "attention_gate"}) {
      const Finished finished = attnunet_run({"gradcheck", "--conv", conv, "--layer", layer});
      expect_success(finished);
      output += finished.out;
    }
    outputs.insert(output);
  }
  EXPECT_EQ(outputs.size(), 3u);
}

// As from a shell variable that is not set.
TEST(CommandLine, EmptyTextIsNoDefault) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"train", "--resume", ""},
                                             {"train", "--out", ""},
                                             {"info", "--checkpoint", ""},
                                             {"bench", "--json", ""},
                                             {"bench", "--ladder", "--shape", ""},
                                             {"evaluate", "--checkpoint", "x", "--csv", ""},
                                             {"predict", "", "--checkpoint", "x", "--out", "y"}})
    expect_failure(attnunet_run(command), 2, {"'' is empty"});
}

TEST(CommandLine, UnknownCommandIsNamed) {
  expect_failure(attnunet_run({"nonsense"}), 2, {"'nonsense' is no command", "train", "audit"});
  expect_failure(attnunet_run({"data", "nonsense"}), 2, {"'nonsense' is no command", "synth", "check"});
  expect_failure(attnunet_run({}), 2, {"subcommand"});
}

TEST(CommandLine, NoDatasetNamesTheWaysToOne) {
  TemporaryFolder folder;
  ProcessOptions options;
  options.folder = folder.path().string();
  expect_failure(attnunet_run({"train"}, options), 1, {"data/BUSI", "tools/get_busi.sh", "data synth"});
  expect_failure(attnunet_run({"train", "--data", "nowhere"}, options), 1, {"nowhere"});
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(CommandLine, InfoKnowsAllNetworks) {
  const Finished small = attnunet_run({"info", "--variant", "attention3"}), large = attnunet_run({"info"});
  expect_success(small);
  expect_success(large);
  EXPECT_NE(small.out.find("1,948,503"), std::string::npos);
  EXPECT_NE(large.out.find("7,850,713"), std::string::npos);
  EXPECT_NE(attnunet_run({"info", "--variant", "unet3"}).out.find("1,926,433"), std::string::npos);
  const Finished plain = attnunet_run({"info", "--variant", "unet4"});
  EXPECT_NE(plain.out.find("7,762,465"), std::string::npos);
  EXPECT_EQ(plain.out.find("gate"), std::string::npos);
  // h of the double convolutions, 32 channels of 256x256 twice, 64 of 128x128, ..., 512 of 16x16 once: 31.98 MB.
  EXPECT_NE(large.out.find("196.7 MB that a training step keeps; on cpu 164.7 MB"), std::string::npos);
  EXPECT_NE(attnunet_run({"info", "--size", "255"}).out.find("1 x 256 x 256 x 1"), std::string::npos);
}

TEST(CommandLine, HeightComesBeforeWidth) {
  const std::string out = attnunet_run({"info", "--variant", "attention3", "--base", "2", "--size", "24x40"}).out;
  for (const char* text : {"24 x 40 (height x width)", "1 x 24 x 40 x 2", "1 x 3 x 5 x 16"})
    EXPECT_NE(out.find(text), std::string::npos) << text << " is not in " << out;
  TemporaryFolder folder;
  const std::string json = (folder / "bench.json").string();
  for (const char* backend : {"cpu", "cuda-sim"}) {
    const Finished bench =
        attnunet_run({"bench", "--backend", backend, "--variant", "attention3", "--base", "2", "--size", "8x16",
                      "--batch", "1", "--warmup", "0", "--repeats", "1", "--threads", "1", "--json", json});
    expect_success(bench);
    EXPECT_NE(bench.out.find("8 x 16 (height x width)"), std::string::npos) << bench.out;
    EXPECT_NE(bench.out.find("1 x 8 x 16 x 2"), std::string::npos) << bench.out;
    EXPECT_EQ(read_json(json)["size"], "8x16");
  }
}

TEST(CommandLine, BenchWritesItsJson) {
  TemporaryFolder folder;
  const std::string json = (folder / "bench.json").string();
  struct {
    const char *backend, *precision, *conv;
  } const cases[] = {{"cpu", "float32", "gemm"}, {"cuda-sim", "bf16", "auto"}};
  for (const auto& [backend, precision, conv] : cases) {
    SCOPED_TRACE(backend);
    const Finished finished =
        attnunet_run({"bench", "--backend", backend, "--precision", precision, "--conv",   conv, "--base",
                      "2",     "--size",    "16",    "--batch",     "1",       "--warmup", "0",  "--repeats",
                      "2",     "--threads", "1",     "--no-layers", "--json",  json});
    expect_success(finished);
    const auto object = read_json(json);
    for (const char* key : {"backend", "device", "variant", "base", "size", "batch", "threads", "precision", "conv",
                            "train_step_ms", "inference_ms", "peak_memory_mb"})
      EXPECT_TRUE(object.contains(key)) << key;
    EXPECT_EQ(object["backend"], backend);
    EXPECT_EQ(object["precision"], precision);
    EXPECT_EQ(object["conv"], conv);
    EXPECT_GT(object["peak_memory_mb"].get<double>(), 0);
    // Backward is twice forward, less the gradient of the image.
    const double forward = object["inference_gflop"], step = object["train_step_gflop"];
    EXPECT_GT(forward, 0);
    EXPECT_LT(step, 3 * forward);
    EXPECT_GT(step, 2.5 * forward);
    for (const char* key : {"train_step_ms", "inference_ms"}) {
      EXPECT_GT(object[key]["min"].get<double>(), 0);
      EXPECT_LE(object[key]["min"].get<double>(), object[key]["median"].get<double>());
      EXPECT_LE(object[key]["median"].get<double>(), object[key]["max"].get<double>());
    }
  }
  expect_failure(attnunet_run({"bench", "--json", (folder / "no" / "bench.json").string()}), 1, {"bench.json"});
}

// A tiny ladder: every method in every direction, all with the reference's result but for rounding.
TEST(CommandLine, BenchLadderComparesTheMethods) {
  TemporaryFolder folder;
  const std::string json = (folder / "ladder.json").string();
  const Finished finished =
      attnunet_run({"bench", "--ladder", "--shape", "2x9x7x5x6", "--threads", "1", "--repeats", "2", "--json", json});
  expect_success(finished);
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  for (const char* word : {"9 x 7", "5 -> 6", "forward", "backward data", "backward weights", "GFLOP/s", "What each"})
    EXPECT_NE(finished.out.find(word), std::string::npos) << word;
  const auto object = read_json(json);
  EXPECT_EQ(object["backend"], "cpu");
  EXPECT_EQ(object["shape"], (nlohmann::json{{"N", 2}, {"H", 9}, {"W", 7}, {"C", 5}, {"K", 6}}));
  EXPECT_GT(object["peak_gflops"].get<double>(), 0);
  const std::vector<std::string> methods{"reference", "gemm", "direct", "winograd"};
  const std::vector<std::string> directions{"forward", "backward data", "backward weights"};
  const auto& ladder = object["ladder"];
  ASSERT_EQ(ladder.size(), methods.size() * directions.size());
  for (std::size_t i = 0; i < ladder.size(); ++i) {
    const auto& rung = ladder[i];
    SCOPED_TRACE(rung.dump());
    EXPECT_EQ(rung["direction"], directions[i / methods.size()]);
    EXPECT_EQ(rung["method"], methods[i % methods.size()]);
    EXPECT_GT(rung["ms"]["median"].get<double>(), 0);
    EXPECT_GT(rung["gflops"].get<double>(), 0);
    const double difference = rung["largest_difference"], speed_up = rung["speed_up"];
    if (i % methods.size() == 0) {
      EXPECT_EQ(difference, 0);
      continue;
    }
    EXPECT_GT(speed_up, 0);
    EXPECT_GT(difference, 0) << "the same bits: was it another method?";
    EXPECT_LT(difference, 1e-4);  // Winograd's transforms enlarge what is rounded up to 256 times (conv2d_winograd.h)
  }
}

TEST(CommandLine, BenchLadderTakesItsOwnOptionsOnly) {
  TemporaryFolder folder;
  for (const char* shape : {"4x64x64x64", "4x64x64x64x64x1", "4x64x64x0x64", "4x64x64x64x64 ", "4x64x64x5000x64",
                            "x4x64x64x64x64", "4,64,64,64,64"})
    expect_failure(attnunet_run({"bench", "--ladder", "--shape", shape}), 2, {"NxHxWxCxK"});
  expect_failure(attnunet_run({"bench", "--shape", "1x4x4x4x4"}), 2, {"--shape", "--ladder"});
  expect_failure(attnunet_run({"bench", "--ladder", "--backend", "cuda-sim"}), 2, {"--backend cpu"});
  expect_failure(attnunet_run({"bench", "--ladder", "--conv", "gemm"}), 2, {"--conv", "--ladder"});
  expect_failure(attnunet_run({"bench", "--ladder", "--batch", "1"}), 2, {"--batch", "--ladder"});
  expect_failure(attnunet_run({"bench", "--ladder", "--json", (folder / "no" / "x.json").string()}), 1, {"x.json"});
}

// A table that names every layer, padded sizes included: each is timed without a fault.
TEST(CommandLine, BenchTimesEveryLayer) {
  struct {
    const char *backend, *conv, *variant;
  } const cases[] = {{"cpu", "auto", "attention3"},     {"cpu", "reference", "attention3"},
                     {"cpu", "winograd", "attention3"}, {"cuda-sim", "auto", "attention3"},
                     {"cpu", "auto", "unet3"},          {"cuda-sim", "auto", "unet3"}};
  for (const auto& [backend, conv, variant] : cases) {
    const Finished finished =
        attnunet_run({"bench", "--backend", backend, "--conv", conv, "--variant", variant, "--base", "2", "--size",
                      "20", "--batch", "2", "--warmup", "0", "--repeats", "1", "--threads", "1"});
    expect_success(finished);
    for (const char* layer : {"pad ", "encoder.0.conv1 ", "encoder.2.pool ", "bottleneck.dropout ", "decoder.2.up ",
                              "decoder.1.concat ", "head ", "crop "})
      EXPECT_NE(finished.out.find(layer), std::string::npos) << backend << " " << conv << " " << layer;
    EXPECT_EQ(finished.out.find("decoder.0.gate.psi ") != std::string::npos, variant == std::string("attention3"));
  }
}

TEST(CommandLine, SynthMakesTheSamePhantomsAndOverwritesNothing) {
  TemporaryFolder folder;
  const std::string first = (folder / "a").string(), second = (folder / "b").string();
  for (const std::string& out : {first, second})
    expect_success(attnunet_run({"data", "synth", "--out", out, "--count", "12", "--size", "32", "--seed", "3"}));
  int images = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(first)) {
    if (!entry.is_regular_file()) continue;
    const auto other = std::filesystem::path(second) / std::filesystem::relative(entry.path(), first);
    EXPECT_EQ(read_text(entry.path()), read_text(other)) << entry.path();
    images += entry.path().filename().string().find("_mask") == std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(images, 12);
  expect_failure(attnunet_run({"data", "synth", "--out", first}), 1, {first});
}

TEST(CommandLine, OutputThatCannotBeWrittenIsAnError) {
  const Finished finished = run_process({"/bin/sh", "-c", "'" + program() + "' info > /dev/full"});
  expect_failure(finished, 1, {"standard output"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
