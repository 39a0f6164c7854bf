// Weights that come back from PyTorch: a plain state_dict in any floating-point type, and a checkpoint without Adam's
// moments. Their writer here knows nothing of PyTorch; tests/pytorch_reference_test.cpp lets PyTorch write them.
#include <algorithm>
#include <map>
#include <set>

#include "common/core/error.h"
#include "common/io/safetensors.h"
#include "common/train/checkpoint.h"
#include "support/command_line.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

template <class Stored>
std::string bytes_of(Stored value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// The number in a type, bfloat16 by cutting float32 off.
std::string stored(float value, const std::string& dtype) {
  if (dtype == "F64") return bytes_of(static_cast<double>(value));
  return dtype == "F32" ? bytes_of(value) : bytes_of(value).substr(2);
}

/// The weights of a checkpoint without metadata, with the counters that PyTorch's batch norms have.
void write_state_dict(const std::filesystem::path& path, const std::filesystem::path& checkpoint,
                      const std::string& dtype) {
  SafetensorsReader reader(checkpoint);
  std::string header = R"({"__metadata__":{"format":"pt"})", data;
  const auto add = [&](const std::string& name, const std::string& type, const std::vector<Index>& shape,
                       const std::string& bytes) {
    std::string extents;
    for (const Index extent : shape) extents += (extents.empty() ? "" : ",") + std::to_string(extent);
    header += ",\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":[" + extents + "],\"data_offsets\":[" +
              std::to_string(data.size()) + ",";
    data += bytes;
    header += std::to_string(data.size()) + "]}";
  };
  for (const auto& [name, tensor] : reader.tensors()) {
    if (name.rfind("adam.", 0) == 0) continue;
    std::vector<float> values(static_cast<std::size_t>(tensor.size()));
    reader.read(tensor, values.data());
    std::string bytes;
    for (const float value : values) bytes += stored(value, dtype);
    add(name, dtype, tensor.shape, bytes);
    const std::size_t variance = name.find("running_var");
    if (variance != std::string::npos)
      add(name.substr(0, variance) + "num_batches_tracked", "I64", {}, bytes_of(std::int64_t{42}));
  }
  header += "}";
  write_text(path, bytes_of(std::uint64_t{header.size()}) + header + data);
}

/// As a checkpoint, but without adam.*.
void write_without_moments(const std::filesystem::path& path, const std::filesystem::path& checkpoint) {
  SafetensorsReader reader(checkpoint);
  std::vector<StoredTensor> tensors;
  for (const auto& [name, tensor] : reader.tensors())
    if (name.rfind("adam.", 0) != 0) tensors.push_back(tensor);
  write_safetensors(path, reader.metadata(), tensors,
                    [&](std::size_t i, float* values) { reader.read(tensors[i], values); });
}

struct PytorchWeights : testing::Test {
  PhantomFolder phantoms;
  std::string trained = phantoms / "run/last.safetensors", weights = phantoms / "weights.safetensors";

  PytorchWeights() { expect_success(attnunet_run(phantoms.train(phantoms / "run", {"--lr", "0.01"}))); }

  Finished evaluate(const std::string& checkpoint, const std::string& json, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"evaluate",    "--checkpoint", checkpoint,     "--data",
                                          phantoms.data, "--json",       phantoms / json};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return attnunet_run(arguments);
  }
  Finished predict(const std::string& checkpoint, const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"predict",      "--checkpoint",  checkpoint,   "--out",
                                          phantoms / out, "--probability", phantoms.data};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return attnunet_run(arguments);
  }
  std::string probability(const std::string& out) {
    return read_text(std::filesystem::path(phantoms / out) / "benign/benign (1)_probability.png");
  }
};

TEST_F(PytorchWeights, PlainStateDictScoresAndPredictsTheSame) {
  expect_success(evaluate(trained, "trained.json"));
  expect_success(predict(trained, "trained"));
  const auto expected = read_json(phantoms / "trained.json")["overall"];
  for (const std::string dtype : {"F32", "F64", "BF16"}) {
    write_state_dict(weights, trained, dtype);
    const Finished evaluated = evaluate(weights, dtype + ".json", {"--size", "32"});
    expect_success(evaluated);
    EXPECT_NE(evaluated.out.find("no metadata of ours: by its tensors it is attention3, base 2; assumed: images of 32"),
              std::string::npos)
        << evaluated.out;
    const auto found = read_json(phantoms / (dtype + ".json"))["overall"];
    const Finished predicted = predict(weights, dtype, {"--size", "32"});
    expect_success(predicted);
    EXPECT_NE(predicted.out.find("assumed: images of 32 x 32"), std::string::npos) << predicted.out;
    if (dtype != "BF16") {
      EXPECT_EQ(found, expected) << dtype;
      EXPECT_TRUE(probability(dtype) == probability("trained")) << dtype;
    } else {  // 8 bits of every weight are left
      EXPECT_NEAR(found["loss"].get<double>(), expected["loss"].get<double>(), 0.05);
    }
  }
}

TEST_F(PytorchWeights, SizeIsTheDefaultUnlessGiven) {
  write_state_dict(weights, trained, "F32");
  const Finished info = attnunet_run({"info", "--checkpoint", weights});
  expect_success(info);
  for (const char* words : {"attention3, base 2", "256 x 256 (the default)", "without Adam's moments",
                            "cannot be resumed: it lacks our metadata"})
    EXPECT_NE(info.out.find(words), std::string::npos) << words << " is not in: " << info.out;
  const Finished exported =
      attnunet_run({"export", "--checkpoint", weights, "--out", phantoms / "model.onnx", "--size", "64"});
  expect_success(exported);
  EXPECT_NE(exported.out.find("assumed: images of 64 x 64, luma"), std::string::npos) << exported.out;
  EXPECT_EQ(exported.out.find("epochs trained"), std::string::npos) << exported.out;
  expect_failure(predict(weights, "out", {"--size", "4"}), 2, {"--size"});
}

TEST_F(PytorchWeights, StartANewRunButResumeNone) {
  write_state_dict(weights, trained, "F64");
  std::vector<std::string> arguments = phantoms.train(phantoms / "new", {"--init", weights});
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "0";
  expect_success(attnunet_run(arguments));
  const Checkpoint before = load_checkpoint(trained), after = load_checkpoint(phantoms / "new/last.safetensors");
  EXPECT_EQ(after.parameters, before.parameters);
  EXPECT_EQ(after.statistics, before.statistics);
  expect_failure(attnunet_run({"train", "--resume", weights, "--data", phantoms.data, "--out", phantoms / "more"}), 1,
                 {weights, "it lacks our metadata", "--init " + weights});
  EXPECT_FALSE(std::filesystem::exists(phantoms / "more"));

  write_without_moments(weights, trained);
  expect_failure(attnunet_run({"train", "--resume", weights, "--data", phantoms.data, "--out", phantoms / "more"}), 1,
                 {weights, "it lacks Adam's moments", "--init " + weights});
  expect_success(evaluate(trained, "trained.json"));
  expect_success(evaluate(weights, "weights.json"));
  EXPECT_EQ(read_json(phantoms / "weights.json")["overall"], read_json(phantoms / "trained.json")["overall"]);
}

// A copy with a threshold claims no more than the weights themselves: it has no training, no split and no cases.
TEST_F(PytorchWeights, CopyWithAThresholdHasNoMetadataEither) {
  const std::string copy = phantoms / "copy.safetensors", again = phantoms / "again.safetensors";
  write_state_dict(weights, trained, "F32");
  expect_failure(evaluate(weights, "w.json", {"--choose-threshold", copy, "--ignore-orientation"}), 2,
                 {"leave out --ignore-orientation"});
  expect_success(evaluate(
      weights, "w.json",
      {"--size", "24x32", "--keep-aspect", "--mask-rule", "above:127", "--choose-threshold", copy, "--min-area", "3"}));
  Checkpoint stored = load_checkpoint(copy);
  EXPECT_FALSE(stored.has_metadata);
  EXPECT_TRUE(stored.threshold);
  EXPECT_EQ(stored.min_area, 3);
  EXPECT_EQ(stored.largest, 0);
  EXPECT_TRUE(stored.config.size == ImageSize(24, 32));
  EXPECT_TRUE(stored.config.reading.keep_aspect);
  EXPECT_EQ(stored.parameters, load_checkpoint(trained).parameters);
  std::set<std::string> keys;
  const SafetensorsReader reader(copy);
  for (const auto& [key, value] : reader.metadata()) keys.insert(key);
  EXPECT_EQ(keys, (std::set<std::string>{"keep_aspect", "made_by", "min_area", "size", "threshold"}));

  // The same cases are scored, in the same way.
  const Finished evaluated = evaluate(copy, "copy.json", {"--mask-rule", "above:127", "--raw", "--min-area", "3"});
  expect_success(evaluated);
  EXPECT_NE(evaluated.out.find("no metadata of ours"), std::string::npos) << evaluated.out;
  EXPECT_EQ(read_json(phantoms / "copy.json")["overall"], read_json(phantoms / "w.json")["overall"]);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"info", "--checkpoint", copy},
        {"export", "--checkpoint", copy, "--out", phantoms / "m.onnx"},
        {"predict", "--checkpoint", copy, "--out", phantoms / "out", phantoms.data}}) {
    const Finished finished = attnunet_run(command);
    expect_success(finished);
    EXPECT_NE(finished.out.find("assumed: images of 24 x 32"), std::string::npos) << finished.out;
    EXPECT_EQ(finished.out.find("epochs"), std::string::npos) << finished.out;
    EXPECT_TRUE(command[0] == "export" || finished.out.find("min-area 3") != std::string::npos) << finished.out;
  }
  expect_failure(attnunet_run({"train", "--resume", copy, "--data", phantoms.data, "--out", phantoms / "more"}), 1,
                 {"it lacks our metadata"});
  // The default size is no setting.
  expect_success(evaluate(weights, "w.json", {"--choose-threshold", again}));
  EXPECT_EQ(SafetensorsReader(again).metadata().count("size"), 0u);
  EXPECT_TRUE(load_checkpoint(again).config.size == TrainConfig().size);
}

// Metadata of other programs is none of ours, whatever its keys.
TEST_F(PytorchWeights, ForeignMetadataIsLeftAlone) {
  SafetensorsReader reader(trained);
  std::vector<StoredTensor> tensors;
  for (const auto& [name, tensor] : reader.tensors()) tensors.push_back(tensor);
  const auto write = [&](const std::map<std::string, std::string>& metadata) {
    write_safetensors(weights, metadata, tensors,
                      [&](std::size_t i, float* values) { reader.read(tensors[i], values); });
  };
  write({{"format", "pt"}, {"size", "large"}, {"threshold", "high"}});
  EXPECT_FALSE(load_checkpoint(weights).threshold);
  write({{"made_by", "attnunet evaluate --choose-threshold"}, {"size", "4"}});
  EXPECT_NE(message_of<Error>([&] { load_checkpoint(weights); }).find("size = '4'"), std::string::npos);
}

TEST_F(PytorchWeights, OtherNetworksAreRefusedByName) {
  write_safetensors(weights, {}, {{"features.0.weight", {2, 1, 3, 3}}},
                    [](std::size_t, float* values) { std::fill_n(values, 18, 0.0f); });
  expect_failure(predict(weights, "out"), 1,
                 {weights, "neither our metadata nor the tensors", "encoder.0.conv1.weight"});
  write_safetensors(weights, {}, {{"encoder.0.conv1.weight", {2, 1, 3, 3}}},
                    [](std::size_t, float* values) { std::fill_n(values, 18, 0.0f); });
  expect_failure(predict(weights, "out"), 1, {weights, "it lacks tensor encoder.0.bn1.weight"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
