#include "common/train/checkpoint.h"

#include <cmath>
#include <functional>
#include <map>

#include "common/core/error.h"
#include "common/core/random.h"
#include "common/io/safetensors.h"
#include "support/files.h"

namespace attnunet {
namespace TEST_FILE {

TrainConfig small_config(Variant variant = Variant::attention3) {
  TrainConfig config;
  config.network.variant = variant;
  config.network.base = 2;
  config.size = 32;
  config.seed = 5;
  return config;
}

// In the middle of an epoch, every number distinct.
Checkpoint example() {
  Checkpoint checkpoint = initial_checkpoint(small_config());
  checkpoint.epoch = 3;
  checkpoint.step = 17;
  checkpoint.batch = 2;
  checkpoint.sums.add({1.0 / 3, PixelCounts()});
  checkpoint.cases = hash_of_cases({"a"}, {"b"});
  checkpoint.case_list = CaseList{};
  checkpoint.best_val_iou = 2.0 / 3;
  Random random(1);
  const Architecture architecture = make_architecture(checkpoint.config.network);
  const auto fill = [&](const TensorSpec& spec, std::vector<float>& values) {
    for (Index i = 0; i < spec.size; ++i)
      values[static_cast<std::size_t>(spec.offset + i)] = static_cast<float>(random.uniform());
  };
  for (const TensorSpec& spec : architecture.parameters) {
    fill(spec, checkpoint.parameters);
    fill(spec, checkpoint.adam_m);
    fill(spec, checkpoint.adam_v);
  }
  for (const TensorSpec& spec : architecture.statistics) fill(spec, checkpoint.statistics);
  return checkpoint;
}

TEST(Checkpoint, RoundTripAndSameBytes) {
  TemporaryFolder folder;
  const Checkpoint saved = example();
  save_checkpoint(folder / "a", saved);
  const Checkpoint loaded = load_checkpoint(folder / "a");
  EXPECT_EQ(loaded.epoch, 3);
  EXPECT_EQ(loaded.step, 17);
  EXPECT_EQ(loaded.batch, 2);
  EXPECT_EQ(loaded.sums.to_text(), saved.sums.to_text());
  EXPECT_EQ(loaded.cases, saved.cases);
  EXPECT_EQ(loaded.best_val_iou, 2.0 / 3);
  EXPECT_EQ(deciding_json(loaded.config), deciding_json(saved.config));
  EXPECT_EQ(loaded.parameters, saved.parameters);
  EXPECT_EQ(loaded.statistics, saved.statistics);
  EXPECT_EQ(loaded.adam_m, saved.adam_m);
  EXPECT_EQ(loaded.adam_v, saved.adam_v);
  save_checkpoint(folder / "b", loaded);
  EXPECT_EQ(read_text(folder / "a"), read_text(folder / "b"));
}

// Case lists came after --intensity: what was trained without either used the high byte of 16 bits.
TEST(Checkpoint, OlderOnesReadSixteenBitsInFull) {
  TemporaryFolder folder;
  const auto rule_of = [&](const Checkpoint& saved) {
    save_checkpoint(folder / "a", saved);
    return load_checkpoint(folder / "a").config.reading.intensity.rule;
  };
  Checkpoint checkpoint = example();
  EXPECT_EQ(rule_of(checkpoint), data::IntensityRule::automatic);
  checkpoint.case_list.reset();
  EXPECT_EQ(rule_of(checkpoint), data::IntensityRule::full);
  checkpoint.config.reading.intensity.rule = data::IntensityRule::minmax;
  EXPECT_EQ(rule_of(checkpoint), data::IntensityRule::minmax);
  checkpoint.config.reading.intensity = {data::IntensityRule::automatic, 12};
  EXPECT_EQ(rule_of(checkpoint), data::IntensityRule::automatic);
}

TEST(Checkpoint, TellsNothingOfPlaceOrThreads) {
  TemporaryFolder folder;
  Checkpoint a = initial_checkpoint(small_config());
  save_checkpoint(folder / "a", a);
  a.config.threads = 9;
  a.config.out = a.config.data = a.config.resume = a.config.init = "elsewhere";
  save_checkpoint(folder / "b", a);
  EXPECT_EQ(read_text(folder / "a"), read_text(folder / "b"));
}

// What a reader with PyTorch finds: its names, its layouts, no other tensors.
TEST(Checkpoint, NamesAndLayouts) {
  for (const auto& one : Names<Variant>::table) {
    TemporaryFolder folder;
    const Checkpoint saved = initial_checkpoint(small_config(one.value));
    save_checkpoint(folder / "a", saved);
    SafetensorsReader reader(folder / "a");
    const Architecture architecture = make_architecture(saved.config.network);
    EXPECT_EQ(reader.tensors().size(), 3 * architecture.parameters.size() + architecture.statistics.size());
    EXPECT_EQ(reader.tensors().at("encoder.1.conv1.weight").shape, (std::vector<Index>{4, 2, 3, 3}));
    EXPECT_EQ(reader.tensors().at("adam.m.decoder.0.up.weight").shape, (std::vector<Index>{4, 2, 2, 2}));
    EXPECT_EQ(reader.tensors().count("encoder.3.conv1.weight"), saved.config.network.levels() == 4 ? 1u : 0u);
    const auto gate = reader.tensors().find("decoder.0.gate.bn_psi.running_var");
    ASSERT_EQ(gate != reader.tensors().end(), saved.config.network.gated());
    if (saved.config.network.gated()) {
      EXPECT_EQ(gate->second.shape, (std::vector<Index>{1}));
    }
    EXPECT_EQ(reader.metadata().at("variant"), one.text);
    EXPECT_EQ(reader.metadata().at("base"), "2");
    EXPECT_EQ(reader.metadata().at("epoch"), "0");
    // [out, in, row, column] there, [out, row, column, in] here.
    const TensorSpec& spec = architecture.parameter("encoder.1.conv1.weight");
    std::vector<float> theirs(static_cast<std::size_t>(spec.size));
    reader.read(reader.tensors().at(spec.name), theirs.data());
    EXPECT_EQ(theirs[((3 * 2 + 1) * 3 + 2) * 3 + 0],
              saved.parameters[static_cast<std::size_t>(spec.offset + ((3 * 3 + 2) * 3 + 0) * 2 + 1)]);
  }
}

TEST(Checkpoint, AnotherNetworkThanAskedFor) {
  TemporaryFolder folder;
  save_checkpoint(folder / "a", initial_checkpoint(small_config()));
  EXPECT_NO_THROW(load_checkpoint(folder / "a", Variant::attention3, 2));
  for (const auto& [variant, base] :
       {std::pair<Variant, int>{Variant::attention4, 2}, {Variant::unet3, 2}, {Variant::attention3, 4}}) {
    const std::string message = message_of<Error>([&] { load_checkpoint(folder / "a", variant, base); });
    EXPECT_NE(message.find("attention3 with base 2"), std::string::npos) << message;
    EXPECT_NE(message.find((folder / "a").string()), std::string::npos) << message;
  }
}

// A checkpoint taken apart, so that tests can spoil it and put it together again.
struct Parts {
  std::map<std::string, std::string> metadata;
  std::vector<StoredTensor> tensors;
  std::map<std::string, std::vector<float>> values;

  explicit Parts(const std::filesystem::path& path) {
    SafetensorsReader reader(path);
    metadata = reader.metadata();
    for (const auto& [name, tensor] : reader.tensors()) {
      tensors.push_back(tensor);
      reader.read(tensor, (values[name] = std::vector<float>(static_cast<std::size_t>(tensor.size()))).data());
    }
  }
  void save(const std::filesystem::path& path) {
    write_safetensors(path, metadata, tensors, [&](std::size_t i, float* to) {
      std::vector<float>& from = values[tensors[i].name];
      from.resize(static_cast<std::size_t>(tensors[i].size()));
      std::copy(from.begin(), from.end(), to);
    });
  }
  StoredTensor& tensor(const std::string& name) {
    return *std::find_if(tensors.begin(), tensors.end(), [&](const StoredTensor& t) { return t.name == name; });
  }
};

// Files of other programs have no metadata of ours: the tensors tell the networks apart.
TEST(Checkpoint, TensorsAloneTellTheVariant) {
  for (const auto& one : Names<Variant>::table) {
    TemporaryFolder folder;
    const Checkpoint saved = initial_checkpoint(small_config(one.value));
    save_checkpoint(folder / "a", saved);
    Parts parts(folder / "a");
    parts.metadata.clear();
    parts.save(folder / "b");
    const Checkpoint loaded = load_checkpoint(folder / "b");
    EXPECT_EQ(name_of(loaded.config.network.variant), std::string(one.text));
    EXPECT_EQ(loaded.parameters, saved.parameters);
    // A tensor too few or too many is named: it does not make another network of it.
    for (const auto& tensor : parts.tensors)
      if (tensor.name == "decoder.1.gate.wg.weight" || tensor.name == "decoder.1.up.weight") {
        Parts fewer = parts;
        fewer.tensor(tensor.name).name = "more";
        fewer.save(folder / "c");
        EXPECT_NE(message_of<Error>([&] { load_checkpoint(folder / "c"); }).find("lacks tensor " + tensor.name),
                  std::string::npos);
      }
  }
}

class SpoiltCheckpoint : public ::testing::Test {
 protected:
  SpoiltCheckpoint() { save_checkpoint(folder / "good", example()); }

  void expect_rejected(const std::string& reason, const std::function<void(Parts&)>& spoil) {
    Parts parts(folder / "good");
    spoil(parts);
    parts.save(folder / "bad");
    const std::string message = message_of<Error>([&] { load_checkpoint(folder / "bad"); });
    EXPECT_NE(message.find((folder / "bad").string()), std::string::npos) << message;
    EXPECT_NE(message.find(reason), std::string::npos) << message << "\nwithout: " << reason;
  }

  TemporaryFolder folder;
};

TEST_F(SpoiltCheckpoint, Tensors) {
  Parts unspoilt(folder / "good");
  unspoilt.save(folder / "same");
  EXPECT_NO_THROW(load_checkpoint(folder / "same"));

  expect_rejected("lacks tensor head.bias",
                  [](Parts& p) { p.tensors.erase(p.tensors.begin() + (&p.tensor("head.bias") - p.tensors.data())); });
  expect_rejected("lacks tensor adam.v.head.bias", [](Parts& p) { p.tensor("adam.v.head.bias").name = "adam.v.head"; });
  expect_rejected("unknown tensor 'more'", [](Parts& p) { p.tensors.push_back({"more", {1}}); });
  expect_rejected("encoder.1.conv1.weight has a wrong shape", [](Parts& p) {
    std::swap(p.tensor("encoder.1.conv1.weight").shape[0], p.tensor("encoder.1.conv1.weight").shape[1]);
  });
  expect_rejected("head.bias has a wrong shape", [](Parts& p) { p.tensor("head.bias").shape = {1, 1}; });
  expect_rejected("head.weight holds", [](Parts& p) { p.values["head.weight"][1] = std::nanf(""); });
  expect_rejected("adam.m.head.weight holds inf", [](Parts& p) { p.values["adam.m.head.weight"][0] = INFINITY; });
  expect_rejected("running_mean holds", [](Parts& p) { p.values["encoder.0.bn1.running_mean"][0] = -INFINITY; });
  expect_rejected("running_var holds -1", [](Parts& p) { p.values["encoder.0.bn1.running_var"][0] = -1; });
  expect_rejected("adam.v.head.bias holds -1", [](Parts& p) { p.values["adam.v.head.bias"][0] = -1; });
}

TEST_F(SpoiltCheckpoint, Metadata) {
  for (const char* key :
       {"variant", "base", "size", "seed", "epoch", "step", "batch", "sums", "cases", "best_val_iou", "config"})
    expect_rejected(std::string("lacks ") + key, [&](Parts& p) { p.metadata.erase(key); });
  for (const char* value : {"", "-1", "1e3", "4294967296000", "99999999999999999999999", "3 ", "nan"}) {
    expect_rejected("epoch = ", [&](Parts& p) { p.metadata["epoch"] = value; });
    expect_rejected("step = ", [&](Parts& p) { p.metadata["step"] = value; });
    expect_rejected("batch = ", [&](Parts& p) { p.metadata["batch"] = value; });
  }
  expect_rejected("batch = ", [](Parts& p) { p.metadata["batch"] = "18"; });
  expect_rejected("place in the epoch", [](Parts& p) { p.metadata["batch"] = "0"; });
  expect_rejected("metric sums", [](Parts& p) { p.metadata["sums"] = "1 2"; });
  for (const char* value : {"", "nan", "2", "-1", "x", "inf"})
    expect_rejected("best_val_iou = ", [&](Parts& p) { p.metadata["best_val_iou"] = value; });
  for (const char* key : {"variant", "base", "size", "seed"})
    expect_rejected(std::string(key) + " = '12'", [&](Parts& p) { p.metadata[key] = "12"; });
  expect_rejected("not JSON", [](Parts& p) { p.metadata["config"] = "?"; });
  expect_rejected("too deeply", [](Parts& p) { p.metadata["config"] = std::string(100000, '['); });
  // A network far larger than the file must be refused before memory is asked for it.
  expect_rejected("wrong shape", [](Parts& p) {
    p.metadata["base"] = "512";
    std::string& config = p.metadata["config"];
    config.replace(config.find("\"base\":2,"), 9, "\"base\":512,");
  });
}

TEST_F(SpoiltCheckpoint, Files) {
  const std::string whole = read_text(folder / "good");
  for (std::size_t bytes : {std::size_t{0}, std::size_t{7}, std::size_t{8}, whole.size() / 2, whole.size() - 1}) {
    write_text(folder / "bad", whole.substr(0, bytes));
    const std::string message = message_of<Error>([&] { load_checkpoint(folder / "bad"); });
    EXPECT_NE(message.find((folder / "bad").string()), std::string::npos) << message;
  }
}

TEST(Checkpoint, SizeThatIsNoSquare) {
  TemporaryFolder folder;
  Checkpoint saved = example();
  saved.config.size = {24, 40};
  save_checkpoint(folder / "a", saved);
  EXPECT_EQ(SafetensorsReader(folder / "a").metadata().at("size"), "24x40");
  EXPECT_EQ(load_checkpoint(folder / "a").config.size, ImageSize(24, 40));
  saved.has_metadata = false;
  EXPECT_NE(assumptions(saved, {24, 40}).find("images of 24 x 40 (height x width), luma"), std::string::npos);
}

TEST_F(SpoiltCheckpoint, WhatIsStoredForPredict) {
  Checkpoint checkpoint = example();
  EXPECT_EQ(marking_text(checkpoint), "");
  checkpoint.threshold = 0.25;
  checkpoint.min_area = 20;
  checkpoint.largest = 3;
  save_checkpoint(folder / "good", checkpoint);
  const Checkpoint loaded = load_checkpoint(folder / "good");
  EXPECT_EQ(loaded.threshold, 0.25);
  EXPECT_EQ(loaded.min_area, 20);
  EXPECT_EQ(loaded.largest, 3);
  EXPECT_EQ(marking_text(loaded), "threshold 0.25, min-area 20, largest 3");
  for (const char* key : {"threshold", "min_area", "largest"})
    expect_rejected(std::string(key) + " = '-1'", [&](Parts& p) { p.metadata[key] = "-1"; });
}

TEST(Checkpoint, CasesHash) {
  const std::string hash = hash_of_cases({"a", "b"}, {"c"});
  EXPECT_EQ(hash, hash_of_cases({"a", "b"}, {"c"}));
  EXPECT_NE(hash, hash_of_cases({"b", "a"}, {"c"}));
  EXPECT_NE(hash, hash_of_cases({"a"}, {"b", "c"}));
  EXPECT_NE(hash, hash_of_cases({"ab"}, {"c"}));
}

}  // namespace TEST_FILE
}  // namespace attnunet
