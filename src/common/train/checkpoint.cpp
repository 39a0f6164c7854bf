#include "common/train/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "common/core/error.h"
#include "common/core/fnv.h"
#include "common/core/quoting.h"
#include "common/io/safetensors.h"

namespace attnunet {
namespace {

const std::string adam_m_prefix = "adam.m.", adam_v_prefix = "adam.v.", ema_prefix = "ema.";
// Marks a copy of weights that came without our metadata: it holds what predict needs and claims no training.
const std::string copy_key = "made_by", copy_maker = "attnunet evaluate --choose-threshold";

// What a file has beside the weights.
struct Parts {
  bool moments, averages;
};

// A tensor of the file and where it is in a checkpoint.
template <class Values>
struct FileTensor {
  std::string name;
  const TensorSpec* spec;
  Values* buffer;
  bool negative_allowed;  // variances and second moments are sums of squares
};

// Every tensor of the file, in the order of the file. Values is std::vector<float>, const to save.
template <class Values, class AnyCheckpoint>
std::vector<FileTensor<Values>> file_tensors(const Architecture& architecture, AnyCheckpoint& checkpoint,
                                             const Parts& parts) {
  std::vector<FileTensor<Values>> all;
  for (const TensorSpec& spec : architecture.parameters)
    all.push_back({spec.name, &spec, &checkpoint.parameters, true});
  for (const TensorSpec& spec : architecture.statistics)
    all.push_back({spec.name, &spec, &checkpoint.statistics, spec.kind != TensorKind::running_var});
  if (parts.moments) {
    for (const TensorSpec& spec : architecture.parameters)
      all.push_back({adam_m_prefix + spec.name, &spec, &checkpoint.adam_m, true});
    for (const TensorSpec& spec : architecture.parameters)
      all.push_back({adam_v_prefix + spec.name, &spec, &checkpoint.adam_v, false});
  }
  if (parts.averages) {
    for (const TensorSpec& spec : architecture.parameters)
      all.push_back({ema_prefix + spec.name, &spec, &checkpoint.ema_parameters, true});
    for (const TensorSpec& spec : architecture.statistics)
      all.push_back({ema_prefix + spec.name, &spec, &checkpoint.ema_statistics, spec.kind != TensorKind::running_var});
  }
  return all;
}

std::string hex(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

void allocate(const Architecture& architecture, Checkpoint& checkpoint, const Parts& parts) {
  const auto parameters = static_cast<std::size_t>(architecture.parameter_elements);
  checkpoint.parameters.assign(parameters, 0.0f);
  checkpoint.statistics.assign(static_cast<std::size_t>(architecture.statistics_elements), 0.0f);
  if (parts.moments) checkpoint.adam_m = checkpoint.adam_v = std::vector<float>(parameters, 0.0f);
  if (!parts.averages) return;
  checkpoint.ema_parameters = checkpoint.parameters;
  checkpoint.ema_statistics = checkpoint.statistics;
}

// The strings of a file's metadata, taken one by one. Throws Error without the file's name.
class Metadata {
 public:
  explicit Metadata(const std::map<std::string, std::string>& strings) : strings_(strings) {}

  const std::string& text(const std::string& key) const {
    const auto found = strings_.find(key);
    if (found == strings_.end()) throw Error("its metadata lacks " + key + ", it is no checkpoint of attnunet");
    return found->second;
  }
  Index integer(const std::string& key, Index largest) const {
    const std::string& digits = text(key);
    Index value = 0;
    bool good = !digits.empty() && digits.size() <= 12;
    for (char digit : digits) {
      good = good && digit >= '0' && digit <= '9';
      if (good) value = 10 * value + (digit - '0');
    }
    if (!good || value > largest) throw Error("its metadata has " + key + " = " + quoted_excerpt(digits));
    return value;
  }
  /// A number for which good(number) is true.
  template <class Good>
  double number(const std::string& key, Good good) const {
    const std::string& digits = text(key);
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (digits.empty() || *end != '\0' || !good(value))
      throw Error("its metadata has " + key + " = " + quoted_excerpt(digits));
    return value;
  }
  bool has(const std::string& key) const { return strings_.count(key) != 0; }
  std::optional<CaseList> case_list() const {
    const auto found = strings_.find("case_list");
    return found == strings_.end() ? std::nullopt : std::optional(CaseList::from_text(found->second));
  }
  void expect(const std::string& key, const std::string& value) const {
    if (text(key) != value)
      throw Error("its metadata has " + key + " = " + quoted_excerpt(text(key)) + " but a configuration with " + value);
  }

 private:
  const std::map<std::string, std::string>& strings_;
};

std::map<std::string, std::string> metadata_of_run(const Checkpoint& checkpoint) {
  const TrainConfig& config = checkpoint.config;
  std::map<std::string, std::string> metadata{{"variant", name_of(config.network.variant)},
                                              {"base", std::to_string(config.network.base)},
                                              {"size", text_of(config.size)},
                                              {"seed", std::to_string(config.seed)},
                                              {"epoch", std::to_string(checkpoint.epoch)},
                                              {"step", std::to_string(checkpoint.step)},
                                              {"batch", std::to_string(checkpoint.batch)},
                                              {"sums", checkpoint.sums.to_text()},
                                              {"cases", checkpoint.cases},
                                              {"best_val_iou", hex(checkpoint.best_val_iou)},
                                              {"config", deciding_json(config)}};
  if (checkpoint.case_list) metadata["case_list"] = checkpoint.case_list->to_text();
  if (config.patience > 0) metadata["epochs_since_best"] = std::to_string(checkpoint.epochs_since_best);
  return metadata;
}

std::map<std::string, std::string> metadata_of_copy(const Checkpoint& checkpoint) {
  const TrainConfig& config = checkpoint.config;
  std::map<std::string, std::string> metadata{{copy_key, copy_maker}};
  if (!(config.size == TrainConfig().size)) metadata["size"] = text_of(config.size);
  if (config.reading.keep_aspect) metadata["keep_aspect"] = "yes";
  return metadata;
}

// False for what other programs write: no metadata, or their own (safetensors.torch adds "format").
bool has_our_metadata(const SafetensorsReader& reader) {
  return reader.metadata().count("config") != 0 || reader.metadata().count("variant") != 0;
}

// The network whose tensors are in the file, by its deepest encoder, its gates and its first convolution. Their names
// and shapes are checked later.
NetworkConfig network_of_tensors(const SafetensorsReader& reader) {
  NetworkConfig network;
  const auto first = reader.tensors().find("encoder.0.conv1.weight");
  if (first == reader.tensors().end() || first->second.shape.empty())
    throw Error(
        "it has neither our metadata nor the tensors of our networks, such as encoder.0.conv1.weight; "
        "tools/pytorch_reference.py has the network with the names that are needed");
  const bool four = reader.tensors().count("encoder.3.conv1.weight") != 0;
  const bool gated = std::any_of(reader.tensors().begin(), reader.tensors().end(),
                                 [](const auto& entry) { return entry.first.find(".gate.") != std::string::npos; });
  if (gated)
    network.variant = four ? Variant::attention4 : Variant::attention3;
  else
    network.variant = four ? Variant::unet4 : Variant::unet3;
  const Index base = first->second.shape[0];
  if (base < 2 || base > 512 || base % 2 != 0)
    throw Error("its first convolution has " + std::to_string(base) +
                " channels, which must be an even number from 2 to 512");
  network.base = static_cast<int>(base);
  return network;
}

void read_marking(const Metadata& metadata, Checkpoint& checkpoint) {
  if (metadata.has("threshold"))
    checkpoint.threshold = metadata.number("threshold", [](double value) { return value > 0 && value < 1; });
  for (const auto& [key, value] : {std::pair{"min_area", &checkpoint.min_area}, {"largest", &checkpoint.largest}})
    if (metadata.has(key)) *value = metadata.integer(key, data::largest_image);
}

// Of weights without our metadata. Foreign metadata is left alone.
void read_copy(const Metadata& metadata, Checkpoint& checkpoint) {
  if (!metadata.has(copy_key) || metadata.text(copy_key) != copy_maker) return;
  read_marking(metadata, checkpoint);
  if (metadata.has("size")) {
    const std::optional<ImageSize> size = parse_image_size(metadata.text("size"));
    if (!size || !size_complaint(*size, checkpoint.config.network.multiple()).empty())
      throw Error("its metadata has size = " + quoted_excerpt(metadata.text("size")));
    checkpoint.config.size = *size;
  }
  if (metadata.has("keep_aspect")) {
    metadata.expect("keep_aspect", "yes");
    checkpoint.config.reading.keep_aspect = true;
  }
}

void read_metadata(const Metadata& metadata, Checkpoint& checkpoint) {
  checkpoint.config = parse_deciding_json(metadata.text("config"));
  metadata.expect("variant", name_of(checkpoint.config.network.variant));
  metadata.expect("base", std::to_string(checkpoint.config.network.base));
  metadata.expect("size", text_of(checkpoint.config.size));
  metadata.expect("seed", std::to_string(checkpoint.config.seed));
  checkpoint.epoch = static_cast<int>(metadata.integer("epoch", 100000));
  checkpoint.step = metadata.integer("step", std::numeric_limits<std::uint32_t>::max());
  checkpoint.batch = metadata.integer("batch", checkpoint.step);
  checkpoint.sums = MetricSums::from_text(metadata.text("sums"));
  if ((checkpoint.batch == 0) != (checkpoint.sums.images() == 0))
    throw Error("its place in the epoch does not fit its metric sums");
  checkpoint.cases = metadata.text("cases");
  checkpoint.best_val_iou = metadata.number("best_val_iou", [](double value) {
    return (value >= 0 && value <= 1) || value == -std::numeric_limits<double>::infinity();
  });
  if (metadata.has("epochs_since_best"))
    checkpoint.epochs_since_best = static_cast<int>(metadata.integer("epochs_since_best", checkpoint.epoch));
  read_marking(metadata, checkpoint);
  checkpoint.case_list = metadata.case_list();
  // What was trained before case lists knew no --intensity either: of 16 bits the high byte was used.
  data::Intensity& intensity = checkpoint.config.reading.intensity;
  if (!checkpoint.case_list && checkpoint.step > 0 && intensity.rule == data::IntensityRule::automatic &&
      intensity.bits == 0)
    intensity.rule = data::IntensityRule::full;
}

void read_tensors(SafetensorsReader& reader, const Architecture& architecture, Checkpoint& checkpoint) {
  const auto has = [&](const std::string& prefix) {
    return std::any_of(reader.tensors().begin(), reader.tensors().end(),
                       [&](const auto& entry) { return entry.first.rfind(prefix, 0) == 0; });
  };
  const Parts parts{has("adam."), has(ema_prefix)};
  const auto all = file_tensors<std::vector<float>>(architecture, checkpoint, parts);
  std::set<std::string> known;
  Index largest = 0;
  for (const auto& tensor : all) {
    const auto entry = reader.tensors().find(tensor.name);
    if (entry == reader.tensors().end()) throw Error("it lacks tensor " + tensor.name);
    if (entry->second.shape != tensor.spec->shape) throw Error("tensor " + tensor.name + " has a wrong shape");
    largest = std::max(largest, tensor.spec->size);
    known.insert(tensor.name);
    // PyTorch counts the batches of every batch norm, which only a momentum of None would need.
    if (tensor.spec->kind == TensorKind::running_var)
      known.insert(tensor.name.substr(0, tensor.name.rfind('.')) + ".num_batches_tracked");
  }
  for (const auto& [name, tensor] : reader.tensors())
    if (known.count(name) == 0) throw Error("it has an unknown tensor " + quoted_excerpt(name));
  allocate(architecture, checkpoint, parts);
  std::vector<float> values(static_cast<std::size_t>(largest));
  for (const auto& tensor : all) {
    reader.read(reader.tensors().at(tensor.name), values.data());
    for (Index i = 0; i < tensor.spec->size; ++i) {
      const float value = values[static_cast<std::size_t>(i)];
      if (!std::isfinite(value) || (value < 0 && !tensor.negative_allowed))
        throw Error("tensor " + tensor.name + " holds " + std::to_string(value));
    }
    from_pytorch_layout(*tensor.spec, tensor.buffer->data() + tensor.spec->offset, values.data());
  }
}

/// read(); what it throws names the file.
template <class Read>
auto naming_the_file(const std::filesystem::path& path, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    const std::string why = error.what();
    if (why.find(path.string()) != std::string::npos) throw;
    throw Error("cannot use checkpoint " + path.string() + ": " + why +
                (why.find(';') == std::string::npos ? "; use another checkpoint" : ""));
  }
}

}  // namespace

Checkpoint initial_checkpoint(const TrainConfig& config) {
  const Architecture architecture = make_architecture(config.network);
  Checkpoint checkpoint;
  checkpoint.config = config;
  allocate(architecture, checkpoint, {true, false});
  std::vector<double> parameters, statistics;
  initial_values(architecture, config.seed, parameters, statistics);
  std::transform(parameters.begin(), parameters.end(), checkpoint.parameters.begin(),
                 [](double value) { return static_cast<float>(value); });
  std::transform(statistics.begin(), statistics.end(), checkpoint.statistics.begin(),
                 [](double value) { return static_cast<float>(value); });
  return checkpoint;
}

void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  const Architecture architecture = make_architecture(checkpoint.config.network);
  std::map<std::string, std::string> metadata =
      checkpoint.has_metadata ? metadata_of_run(checkpoint) : metadata_of_copy(checkpoint);
  if (checkpoint.threshold) metadata["threshold"] = hex(*checkpoint.threshold);
  if (checkpoint.min_area > 0) metadata["min_area"] = std::to_string(checkpoint.min_area);
  if (checkpoint.largest > 0) metadata["largest"] = std::to_string(checkpoint.largest);
  const auto all = file_tensors<const std::vector<float>>(
      architecture, checkpoint, {!checkpoint.adam_m.empty(), !checkpoint.ema_parameters.empty()});
  std::vector<StoredTensor> tensors;
  for (const auto& tensor : all) tensors.push_back({tensor.name, tensor.spec->shape});
  write_safetensors(path, metadata, tensors, [&](std::size_t i, float* values) {
    to_pytorch_layout(*all[i].spec, values, all[i].buffer->data() + all[i].spec->offset);
  });
}

Checkpoint load_checkpoint(const std::filesystem::path& path, std::optional<Variant> variant, std::optional<int> base) {
  SafetensorsReader reader(path);
  return naming_the_file(path, [&] {
    Checkpoint checkpoint;
    checkpoint.has_metadata = has_our_metadata(reader);
    if (checkpoint.has_metadata) {
      read_metadata(Metadata(reader.metadata()), checkpoint);
    } else {
      checkpoint.config.network = network_of_tensors(reader);
      read_copy(Metadata(reader.metadata()), checkpoint);
    }
    const NetworkConfig& network = checkpoint.config.network;
    if ((variant && *variant != network.variant) || (base && *base != network.base))
      throw Error(std::string("it holds ") + name_of(network.variant) + " with base " + std::to_string(network.base) +
                  ", another network than asked for; leave out --variant and --base or give these");
    read_tensors(reader, make_architecture(network), checkpoint);
    return checkpoint;
  });
}

std::optional<CaseList> load_case_list(const std::filesystem::path& path) {
  const SafetensorsReader reader(path);
  return naming_the_file(path, [&] { return Metadata(reader.metadata()).case_list(); });
}

Checkpoint averaged(Checkpoint checkpoint) {
  checkpoint.parameters = std::move(checkpoint.ema_parameters);
  checkpoint.statistics = std::move(checkpoint.ema_statistics);
  for (std::vector<float>* gone :
       {&checkpoint.adam_m, &checkpoint.adam_v, &checkpoint.ema_parameters, &checkpoint.ema_statistics})
    gone->clear();
  return checkpoint;
}

std::string choose_weights(Checkpoint& checkpoint, std::optional<Weights> asked, const std::string& path) {
  const bool both = !checkpoint.ema_parameters.empty(), averages_alone = !both && checkpoint.config.ema > 0;
  if (asked == Weights::ema && !both && !averages_alone)
    throw Error(path + " has no averaged weights; leave out --weights");
  if (asked == Weights::raw && averages_alone)
    throw Error(path + " has averaged weights only; last.safetensors of its run has the raw ones");
  if (asked == Weights::raw) return both ? "raw weights" : "";
  if (both) checkpoint = averaged(std::move(checkpoint));
  if (!both && !averages_alone) return "";
  if (checkpoint.config.ema <= 0) return "averaged weights";  // of a file that does not say how
  char decay[40];
  std::snprintf(decay, sizeof decay, "averaged weights (ema %g)", checkpoint.config.ema);
  return decay;
}

std::string lacking(const Checkpoint& checkpoint) {
  if (!checkpoint.has_metadata) return "our metadata (configuration, epoch, step)";
  if (checkpoint.adam_m.empty()) return "Adam's moments (adam.*)";
  return checkpoint.config.ema > 0 && checkpoint.ema_parameters.empty() ? "the averages of --ema (ema.*)" : "";
}

std::string assumptions(const Checkpoint& checkpoint, const ImageSize& size) {
  if (checkpoint.has_metadata) return "";
  const NetworkConfig& network = checkpoint.config.network;
  return "no metadata of ours: by its tensors it is " + std::string(name_of(network.variant)) + ", base " +
         std::to_string(network.base) + "; assumed: images of " + described(size) +
         (size == TrainConfig().size ? " (the default)" : "") + ", luma / 255";
}

std::string marking_text(const Checkpoint& checkpoint) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  char threshold[40];
  if (checkpoint.threshold) {
    std::snprintf(threshold, sizeof threshold, "threshold %g", *checkpoint.threshold);
    add(threshold);
  }
  if (checkpoint.min_area > 0) add("min-area " + std::to_string(checkpoint.min_area));
  if (checkpoint.largest > 0) add("largest " + std::to_string(checkpoint.largest));
  return text;
}

std::string hash_of_cases(const std::vector<std::string>& train, const std::vector<std::string>& val) {
  Fnv hash;
  for (const std::string& name : train) hash.take(name);
  hash.take("");
  for (const std::string& name : val) hash.take(name);
  return hash.text();
}

}  // namespace attnunet
