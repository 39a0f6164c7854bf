#include "common/nn/architecture.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "common/core/error.h"
#include "common/core/random.h"
#include "common/nn/attention_unet.h"

namespace attnunet {

double NetworkConfig::dropout_rate(int level) const {
  if (dropout) return *dropout;
  if (level == levels()) return 0.3;
  return level < 2 ? 0.1 : 0.2;
}

Index Architecture::parameter_count() const {
  Index count = 0;
  for (const TensorSpec& spec : parameters) count += spec.size;
  return count;
}

namespace {

const TensorSpec& find(const std::vector<TensorSpec>& specs, const std::string& name) {
  for (const TensorSpec& spec : specs)
    if (spec.name == name) return spec;
  throw std::out_of_range("no tensor named " + name);
}

/// PyTorch lists modules in the order in which they were made. The stages of a decoder are made as those of the encoder
/// are, 0 first, but run the other way round. So the layers are sorted by stage: "decoder.2.up" belongs to number 2 of
/// "decoder", and "decoder" comes after all names that the list has before it.
std::vector<const LayerInfo*> in_order_of_state_dict(const std::vector<LayerInfo>& layers) {
  std::vector<std::string> parts;
  const auto stage = [&](const std::string& name) {
    const std::string part = name.substr(0, name.find('.'));
    const auto place = std::find(parts.begin(), parts.end(), part);
    const std::size_t number = static_cast<std::size_t>(place - parts.begin());
    if (place == parts.end()) parts.push_back(part);
    return std::pair(number, part.size() < name.size() ? std::atoi(name.c_str() + part.size() + 1) : 0);
  };
  std::vector<std::pair<std::pair<std::size_t, int>, const LayerInfo*>> order;
  for (const LayerInfo& layer : layers) order.emplace_back(stage(layer.name), &layer);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const LayerInfo*> result;
  for (const auto& entry : order) result.push_back(entry.second);
  return result;
}

Architecture architecture_of(const LayerList& list) {
  Architecture architecture;
  const auto append = [](std::vector<TensorSpec>& specs, Index& elements, TensorSpec spec) {
    spec.offset = elements;
    elements += (spec.size + 15) / 16 * 16;
    specs.push_back(std::move(spec));
  };
  for (const LayerInfo* layer : in_order_of_state_dict(list.layers()))
    for (const TensorSpec& spec : layer->tensors)
      if (spec.is_learned())
        append(architecture.parameters, architecture.parameter_elements, spec);
      else
        append(architecture.statistics, architecture.statistics_elements, spec);
  return architecture;
}

}  // namespace

const TensorSpec& Architecture::parameter(const std::string& name) const {
  return find(parameters, name);
}
const TensorSpec& Architecture::statistic(const std::string& name) const {
  return find(statistics, name);
}

Architecture make_architecture(const NetworkConfig& config) {
  name_of(config.variant);  // which throws where there is no such network
  if (config.base < 2 || config.base > 512 || config.base % 2 != 0)
    throw UsageError("base " + std::to_string(config.base) + " is out of range: an even number from 2 to 512");
  if (config.dropout && !(*config.dropout >= 0 && *config.dropout < 1))
    throw UsageError("dropout is out of range: at least 0 and below 1");
  LayerList list;
  describe_attention_unet(list, config, {1, config.multiple(), config.multiple(), 1});
  Architecture architecture = architecture_of(list);
  architecture.config = config;
  return architecture;
}

std::vector<LayerInfo> list_layers(const NetworkConfig& config, Index N, Index H, Index W) {
  LayerList list;
  describe_attention_unet(list, config, {N, H, W, 1});
  return list.layers();
}

Architecture double_conv_architecture(Index C, Index K) {
  LayerList list;
  describe_double_conv(list, "block", list.input({1, 1, 1, C}), K, 0);
  return architecture_of(list);
}

Architecture attention_gate_architecture(Index C) {
  LayerList list;
  const LayerOutput g = list.input({1, 1, 1, C}), x = g;
  describe_attention_gate(list, "block", g, x);
  return architecture_of(list);
}

namespace {

// Calls move(index in our layout, index in PyTorch's) for every element.
template <class Move>
void for_each_element(const TensorSpec& spec, Move move) {
  if (spec.kind == TensorKind::conv_weight) {
    const Index K = spec.shape[0], C = spec.shape[1], taps = spec.shape[2] * spec.shape[3];
    for (Index k = 0; k < K; ++k)
      for (Index c = 0; c < C; ++c)
        for (Index tap = 0; tap < taps; ++tap) move((k * taps + tap) * C + c, (k * C + c) * taps + tap);
  } else if (spec.kind == TensorKind::conv_transpose_weight) {
    const Index C = spec.shape[0], K = spec.shape[1], taps = spec.shape[2] * spec.shape[3];
    for (Index c = 0; c < C; ++c)
      for (Index k = 0; k < K; ++k)
        for (Index tap = 0; tap < taps; ++tap) move((tap * K + k) * C + c, (c * K + k) * taps + tap);
  } else {
    for (Index i = 0; i < spec.size; ++i) move(i, i);
  }
}

}  // namespace

template <class T>
void to_pytorch_layout(const TensorSpec& spec, T* destination, const T* source) {
  for_each_element(spec, [&](Index ours, Index theirs) { destination[theirs] = source[ours]; });
}

template <class T>
void from_pytorch_layout(const TensorSpec& spec, T* destination, const T* source) {
  for_each_element(spec, [&](Index ours, Index theirs) { destination[ours] = source[theirs]; });
}

template void to_pytorch_layout(const TensorSpec&, float*, const float*);
template void to_pytorch_layout(const TensorSpec&, double*, const double*);
template void from_pytorch_layout(const TensorSpec&, float*, const float*);
template void from_pytorch_layout(const TensorSpec&, double*, const double*);

void initial_values(const Architecture& architecture, std::uint64_t seed, std::vector<double>& parameters,
                    std::vector<double>& statistics) {
  parameters.assign(static_cast<std::size_t>(architecture.parameter_elements), 0.0);
  statistics = initial_statistics(architecture);
  std::uint32_t tensor = 0;
  for (const TensorSpec& spec : architecture.parameters) {
    double* values = parameters.data() + spec.offset;
    Random random(seed, streams::initial_weights, tensor++);
    if (spec.kind == TensorKind::conv_weight || spec.kind == TensorKind::conv_transpose_weight) {
      const bool transposed = spec.kind == TensorKind::conv_transpose_weight;
      const Index fan_in = transposed ? spec.shape[0] : spec.size / spec.shape[0];
      const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in));
      std::vector<double> drawn(static_cast<std::size_t>(spec.size));
      for (double& value : drawn) value = deviation * random.normal();
      from_pytorch_layout(spec, values, drawn.data());
    } else if (spec.kind == TensorKind::gamma) {
      std::fill(values, values + spec.size, 1.0);
    }
  }
}

std::vector<double> initial_statistics(const Architecture& architecture) {
  std::vector<double> statistics(static_cast<std::size_t>(architecture.statistics_elements), 0.0);
  for (const TensorSpec& spec : architecture.statistics)
    if (spec.kind == TensorKind::running_var) std::fill_n(statistics.data() + spec.offset, spec.size, 1.0);
  return statistics;
}

}  // namespace attnunet
