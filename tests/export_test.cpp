#include "common/app/export.h"

#include <set>

#include "common/app/backend.h"
#include "common/export/onnx.h"
#include "common/io/safetensors.h"
#include "common/nn/folded_convolutions.h"
#include "common/train/checkpoint.h"
#include "support/command_line.h"
#include "support/json.h"
#include "support/onnx_interpreter.h"
#include "support/python.h"

namespace attnunet {
namespace TEST_FILE {

using onnx_interpreter::Graph;
using onnx_interpreter::Tensor;
using protobuf::Message;

// A checkpoint with gammas, betas and running statistics away from 1, 0, 0, 1, and what `export` makes of it.
struct Exported {
  TemporaryFolder folder;
  std::string path = (folder / "model.onnx").string();
  Checkpoint checkpoint;
  Finished finished;

  Exported(Variant variant, int base, const std::vector<std::string>& options = {}) {
    TrainConfig config;
    config.network.variant = variant;
    config.network.base = base;
    config.size = 32;
    config.classes = {"benign", "malignant"};
    checkpoint = initial_checkpoint(config);
    Random random(static_cast<std::uint64_t>(config.network.levels()));
    const Architecture architecture = make_architecture(config.network);
    for (const TensorSpec& spec : architecture.parameters)
      for (Index i = 0; i < spec.size; ++i) {
        float& value = checkpoint.parameters[static_cast<std::size_t>(spec.offset + i)];
        if (spec.kind == TensorKind::gamma) value = static_cast<float>(random.uniform(0.5, 1.5));
        if (spec.kind == TensorKind::beta || spec.kind == TensorKind::bias)
          value = static_cast<float>(0.3 * random.normal());
      }
    for (const TensorSpec& spec : architecture.statistics)
      for (Index i = 0; i < spec.size; ++i)
        checkpoint.statistics[static_cast<std::size_t>(spec.offset + i)] =
            static_cast<float>(spec.kind == TensorKind::running_var ? random.uniform(0.5, 2) : 0.3 * random.normal());
    const std::string file = (folder / "last.safetensors").string();
    save_checkpoint(file, checkpoint);
    std::vector<std::string> arguments = {"export", "--checkpoint", file, "--out", path};
    arguments.insert(arguments.end(), options.begin(), options.end());
    finished = attnunet_run(arguments);
  }
  Message model() const { return Message(read_text(path)); }
  std::unique_ptr<AttentionUNet<Cpu<float>>> network(cpu::Device& device) const {
    const Architecture architecture = make_architecture(checkpoint.config.network);
    auto network = std::make_unique<AttentionUNet<Cpu<float>>>(device, architecture, false);
    network->load({checkpoint.parameters.begin(), checkpoint.parameters.end()},
                  {checkpoint.statistics.begin(), checkpoint.statistics.end()});
    return network;
  }
  // One channel: NHWC and NCHW are the same.
  std::vector<float> logits(const std::vector<float>& image, Index N, Index H, Index W) const {
    cpu::Device device(1);
    const auto unet = network(device);
    AttentionUNetTape<Cpu<float>> tape(device, unet->architecture(), N, H, W, Purpose::inference);
    copy_to_device(device, tape.input, image.data(), N * H * W);
    Pass pass;
    pass.training = false;
    unet->forward(tape, pass);
    std::vector<float> result(image.size());
    copy_to_host(device, result.data(), tape.logits, N * H * W);
    return result;
  }
};

std::vector<float> random_image(Index size) {
  Random random(7);
  std::vector<float> image(static_cast<std::size_t>(size));
  for (float& value : image) value = static_cast<float>(random.uniform());
  return image;
}

TEST(Export, SaysWhatItWrote) {
  const Exported exported(Variant::attention3, 2);
  expect_success(exported.finished);
  for (const char* word : {"attention3", "base 2", "multiples of 8", "image [N,1,32,32]",
                           "logits, probability [N,1,32,32]", "N is free, height and width are fixed (--dynamic"})
    EXPECT_NE(exported.finished.out.find(word), std::string::npos) << word << " is not in " << exported.finished.out;

  const Message model = exported.model();
  EXPECT_EQ(model.value(1), 7);  // IR version
  EXPECT_EQ(model.text(2), "attnunet");
  EXPECT_EQ(model.message(8).value(2), 13);  // opset
  std::map<std::string, std::string> metadata;
  for (const Message& entry : model.messages(14)) metadata[entry.text(1)] = entry.text(2);
  EXPECT_EQ("attnunet " + metadata.at("attnunet_version") + ",",
            attnunet_run({"--version"}).out.substr(0, metadata["attnunet_version"].size() + 10));
  EXPECT_EQ(metadata.at("variant"), "attention3");
  EXPECT_EQ(metadata.at("base"), "2");
  EXPECT_EQ(metadata.at("size"), "32");
  EXPECT_EQ(metadata.at("multiple"), "8");
  EXPECT_EQ(metadata.at("trained_on"), "benign, malignant");
  EXPECT_EQ(metadata.at("threshold"), "0.5");
  EXPECT_NE(metadata.at("preprocessing").find("32x32"), std::string::npos);
}

TEST(Export, SizeThatIsNoSquare) {
  const Exported exported(Variant::attention3, 2);
  const Finished finished = attnunet_run({"export", "--checkpoint", (exported.folder / "last.safetensors").string(),
                                          "--out", exported.path, "--size", "24x40"});
  expect_success(finished);
  EXPECT_NE(finished.out.find("; trained at 32 x 32, exported at 24 x 40 (height x width);"), std::string::npos)
      << finished.out;
  std::map<std::string, std::string> metadata;
  for (const Message& entry : exported.model().messages(14)) metadata[entry.text(1)] = entry.text(2);
  EXPECT_EQ(metadata.at("size"), "24x40");
  EXPECT_NE(metadata.at("preprocessing").find("24x40"), std::string::npos);
  EXPECT_NE(exported.finished.out.find("; trained at 32 x 32;"), std::string::npos) << exported.finished.out;
  const Exported padded(Variant::attention3, 2, {"--keep-aspect"});
  EXPECT_NE(padded.finished.out.find("; trained at 32 x 32, exported at 32 x 32, keep-aspect;"), std::string::npos)
      << padded.finished.out;
}

/// The shapes of the image and of the outputs, "N,1,32,32": names and numbers as the file has them.
std::map<std::string, std::string> declared_shapes(const Message& graph) {
  std::map<std::string, std::string> shapes;
  for (const std::uint64_t list : {11u, 12u})
    for (const Message& value : graph.messages(list)) {
      const Message tensor = value.message(2).message(1);
      EXPECT_EQ(tensor.value(1), 1) << "not float32";
      std::string shape;
      for (const Message& dimension : tensor.message(2).messages(1)) {
        const std::vector<std::string> name = dimension.all(2);
        shape += (shape.empty() ? "" : ",") + (name.empty() ? std::to_string(dimension.value(1)) : name.at(0));
      }
      shapes[value.text(1)] = shape;
    }
  return shapes;
}

// Height and width are numbers, those of the padded images, unless they are asked to be free; N is always free.
TEST(Export, HeightAndWidthAreNumbersUnlessDynamic) {
  struct {
    Variant variant;
    std::vector<std::string> options;
    std::string shape, said;
  } const cases[] = {
      {Variant::attention4, {}, "N,1,32,32", "N is free, height and width are fixed"},
      {Variant::attention3, {"--size", "20"}, "N,1,24,24", "trained at 32 x 32, exported at 20 x 20"},
      {Variant::attention4, {"--size", "36x60"}, "N,1,48,64", "multiples of 16"},
      {Variant::attention4, {"--dynamic"}, "N,1,H,W", "N, height and width are free"},
      {Variant::attention3, {"--dynamic", "--size", "20"}, "N,1,H,W", "N, height and width are free"},
  };
  for (const auto& c : cases) {
    const Exported exported(c.variant, 2, c.options);
    expect_success(exported.finished);
    EXPECT_EQ(declared_shapes(exported.model().message(7)),
              (std::map<std::string, std::string>{{"image", c.shape}, {"logits", c.shape}, {"probability", c.shape}}));
    for (const std::string& words : {"image [" + c.shape + "]", "probability [" + c.shape + "]", c.said})
      EXPECT_NE(exported.finished.out.find(words), std::string::npos)
          << words << " is not in " << exported.finished.out;
  }
}

// Weights to the bit, and every node and weight has its part in an output.
TEST(Export, HoldsTheFoldedNetworkAndNothingElse) {
  for (const auto& one : Names<Variant>::table) {
    const Exported exported(one.value, 4);
    const Graph graph = onnx_interpreter::read_graph(exported.model().message(7));
    cpu::Device device(1);
    const auto network = exported.network(device);
    const auto convolutions = folded_convolutions(*network);
    const NetworkConfig& config = exported.checkpoint.config.network;
    const int D = config.levels(), gates = config.gated() ? D : 0;
    EXPECT_EQ(graph.initializers.size(), 2 * convolutions.size() + static_cast<std::size_t>(gates));
    for (int d = 0; d < gates; ++d) {
      const Tensor& ones = graph.initializers.at("decoder." + std::to_string(d) + ".gate.alpha_repeated.weight");
      const Index channels = Index{4} << d;
      EXPECT_EQ(ones.shape, (std::vector<Index>{channels, 1, 1, 1}));
      EXPECT_EQ(ones.values, std::vector<double>(static_cast<std::size_t>(channels), 1));
    }
    for (const auto& convolution : convolutions) {
      const Tensor& weights = graph.initializers.at(convolution.name + ".weight");
      EXPECT_EQ(weights.shape, convolution.shape);
      EXPECT_EQ(weights.values, std::vector<double>(convolution.weights.begin(), convolution.weights.end()));
      EXPECT_EQ(graph.initializers.at(convolution.name + ".bias").values,
                std::vector<double>(convolution.bias.begin(), convolution.bias.end()));
    }
    std::map<std::string, int> count;
    std::set<std::string> needed = {"logits", "probability"};
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
      ++count[node->operation];
      EXPECT_EQ(needed.erase(node->outputs.at(0)), 1u) << node->outputs[0] << " reaches no output";
      needed.insert(node->inputs.begin(), node->inputs.end());
    }
    std::set<std::string> sources = {"image"};
    for (const auto& item : graph.initializers) sources.insert(item.first);
    EXPECT_EQ(needed, sources);
    std::map<std::string, int> expected = {{"Conv", 2 * (2 * D + 1) + 4 * gates + 1},
                                           {"ConvTranspose", D},
                                           {"Relu", 2 * (2 * D + 1) + gates},
                                           {"Sigmoid", gates + 1},
                                           {"MaxPool", D},
                                           {"Concat", D}};
    if (gates > 0) expected["Add"] = expected["Mul"] = gates;
    EXPECT_EQ(count, expected);
  }
}

// The graph, run by the standard's definitions, gives the logits of evaluation.
TEST(Export, ComputesWhatTheNetworkDoes) {
  struct {
    Variant variant;
    int base;
    Index N, H, W;
  } const cases[] = {{Variant::attention3, 2, 2, 24, 8},  {Variant::attention3, 6, 1, 8, 16},
                     {Variant::attention4, 2, 2, 16, 48}, {Variant::attention4, 4, 1, 32, 16},
                     {Variant::unet3, 2, 2, 24, 8},       {Variant::unet4, 4, 1, 32, 16}};
  for (const auto& c : cases) {
    const Exported exported(c.variant, c.base);
    const std::vector<float> image = random_image(c.N * c.H * c.W);
    const std::vector<float> logits = exported.logits(image, c.N, c.H, c.W);
    const auto made = onnx_interpreter::run(onnx_interpreter::read_graph(exported.model().message(7)),
                                            {{"image", {{c.N, 1, c.H, c.W}, {image.begin(), image.end()}}}});
    const gradcheck::Array expected{"logits", {logits.begin(), logits.end()}};
    const double bound = 1e-5 * std::max(1.0, largest_magnitude(expected.values));
    EXPECT_TRUE(close({"logits", made.at("logits").values}, expected, everywhere(expected, bound)));
    EXPECT_EQ(made.at("probability").shape, (std::vector<Index>{c.N, 1, c.H, c.W}));
    for (std::size_t i = 0; i < logits.size(); ++i)
      EXPECT_NEAR(made.at("probability").values[i], 1 / (1 + std::exp(-made.at("logits").values[i])), 1e-15);
  }
}

TEST(Export, TheSameBytesTwice) {
  EXPECT_EQ(read_text(Exported(Variant::attention3, 2).path), read_text(Exported(Variant::attention3, 2).path));
}

// onnxruntime and OpenCV, where a Python has them; or the versions that tools/check_onnx.py lists, installed into the
// folder that ATTNUNET_ONNX_VERSIONS names. Batches of one and two; fixed sizes (square and not) and free ones.
TEST(Export, OtherRuntimesComputeTheSame) {
  const char* folder = std::getenv("ATTNUNET_ONNX_VERSIONS");
  const std::vector<std::string> pythons =
      folder != nullptr ? std::vector<std::string>{"python3"} : pythons_with({"numpy, onnxruntime", "numpy, cv2"});
  if (pythons.empty()) GTEST_SKIP() << "needs a Python with numpy and onnxruntime or cv2 (ATTNUNET_PYTHON may name it)";
  struct {
    Variant variant;
    int base;
    Index H, W;
    bool dynamic;
  } const cases[] = {{Variant::attention3, 8, 40, 40, false},
                     {Variant::attention4, 6, 16, 80, false},
                     {Variant::attention3, 10, 40, 24, true},
                     {Variant::attention4, 6, 16, 80, true},
                     {Variant::unet4, 6, 16, 80, false}};
  for (const auto& c : cases) {
    const std::string size = std::to_string(c.H) + "x" + std::to_string(c.W);
    const Exported exported(
        c.variant, c.base,
        c.dynamic ? std::vector<std::string>{"--dynamic"} : std::vector<std::string>{"--size", size});
    std::vector<std::string> arguments = {exported.path};
    if (folder != nullptr) arguments.insert(arguments.begin(), {"--versions", folder});
    // If sizes are free, one network takes several, one after the other.
    for (const Index H : c.dynamic ? std::vector<Index>{c.H, c.H + 16} : std::vector<Index>{c.H}) {
      const std::vector<float> image = random_image(2 * H * c.W);
      const std::vector<float> logits = exported.logits(image, 2, H, c.W);
      const std::vector<Index> shape = {2, 1, H, c.W};
      arguments.push_back((exported.folder / (std::to_string(H) + ".safetensors")).string());
      write_safetensors(arguments.back(), {}, {{"image", shape}, {"logits", shape}}, [&](std::size_t i, float* values) {
        std::copy_n((i == 0 ? image : logits).data(), image.size(), values);
      });
    }
    for (const std::string& python : pythons) {
      const Finished checked = run_tool(python, "check_onnx.py", arguments);
      EXPECT_EQ(checked.exit_code, 0) << python << ": " << checked.out << checked.err;
      std::printf("%s, base %d%s\n%s", name_of(c.variant), c.base, c.dynamic ? ", --dynamic" : "", checked.out.c_str());
    }
  }
}

// What is passed on to others: the weights that are used, and all that predict and evaluate need to know.
TEST(Export, WeightsWithoutWhatOnlyTrainingNeeds) {
  const PhantomFolder phantoms;
  const std::string run = phantoms / "run", last = run + "/last.safetensors", json = phantoms / "scores.json";
  expect_success(attnunet_run(phantoms.train(run, {"--ema", "0.5"})));
  const auto scores = [&](const std::string& file, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"evaluate", "--data", phantoms.data, "--checkpoint", file, "--json", json};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_success(attnunet_run(arguments));
    return read_json(json)["overall"];
  };
  const auto averaged = scores(last, {}), raw = scores(last, {"--weights", "raw"});
  EXPECT_NE(averaged, raw);
  for (const auto& [weights, expected] : {std::pair{"ema", averaged}, std::pair{"raw", raw}}) {
    const std::string file = phantoms / (std::string(weights) + ".safetensors");
    const Finished finished = attnunet_run({"export", "--checkpoint", last, "--out", file, "--weights", weights});
    expect_success(finished);
    EXPECT_NE(finished.out.find(weights == std::string("ema") ? "averaged weights" : "raw weights"), std::string::npos)
        << finished.out;
    EXPECT_EQ(scores(file, {}), expected) << weights;
    const Checkpoint checkpoint = load_checkpoint(file);
    EXPECT_TRUE(checkpoint.adam_m.empty() && checkpoint.adam_v.empty() && checkpoint.ema_parameters.empty());
    EXPECT_TRUE(checkpoint.case_list);
    EXPECT_LT(3 * std::filesystem::file_size(file), std::filesystem::file_size(last));
  }
  expect_failure(attnunet_run({"export", "--checkpoint", last, "--out", phantoms / "w.safetensors", "--dynamic"}), 2,
                 {"--dynamic", "ONNX"});
}

TEST(Export, MistakesAreNamed) {
  TemporaryFolder folder;
  const std::string missing = (folder / "missing.safetensors").string(), out = (folder / "m.onnx").string();
  expect_failure(attnunet_run({"export", "--checkpoint", missing, "--out", out}), 1, {"missing.safetensors"});
  expect_failure(attnunet_run({"export", "--out", out}), 2, {"--checkpoint"});
  const Exported exported(Variant::attention3, 2);
  const std::string checkpoint = (exported.folder / "last.safetensors").string();
  expect_failure(attnunet_run({"export", "--checkpoint", checkpoint}), 2, {"--out"});
  expect_failure(attnunet_run({"export", "--checkpoint", checkpoint, "--out", (folder / "no" / "m.onnx").string()}), 1,
                 {"m.onnx"});
}

// The size is known before anything is made.
TEST(Export, TooLargeForTheFormatIsAnError) {
  onnx::Model model;
  for (int i = 0; i < 600; ++i) model.tensors.push_back({"w" + std::to_string(i), {1 << 20}, {}});
  EXPECT_NE(message_of<Error>([&] { onnx::serialise(model); }).find("2 GiB"), std::string::npos);
}

}  // namespace TEST_FILE
}  // namespace attnunet
