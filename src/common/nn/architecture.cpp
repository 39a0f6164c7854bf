#include "common/nn/architecture.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "common/core/error.h"
#include "common/core/random.h"

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

// Appends the tensors of each part in the order of PyTorch's state_dict.
struct Builder {
  Architecture& architecture;

  static void append(std::vector<TensorSpec>& specs, Index& elements, TensorSpec spec) {
    spec.size = 1;
    for (Index extent : spec.shape) spec.size *= extent;
    spec.offset = elements;
    elements += (spec.size + 15) / 16 * 16;
    specs.push_back(std::move(spec));
  }
  void parameter(const std::string& name, TensorKind kind, std::vector<Index> shape) {
    append(architecture.parameters, architecture.parameter_elements, {name, kind, std::move(shape)});
  }
  void conv(const std::string& name, Index C, Index K, Index R) {
    parameter(name + ".weight", TensorKind::conv_weight, {K, C, R, R});
  }
  void batch_norm(const std::string& name, Index C) {
    parameter(name + ".weight", TensorKind::gamma, {C});
    parameter(name + ".bias", TensorKind::beta, {C});
    append(architecture.statistics, architecture.statistics_elements,
           {name + ".running_mean", TensorKind::running_mean, {C}});
    append(architecture.statistics, architecture.statistics_elements,
           {name + ".running_var", TensorKind::running_var, {C}});
  }
  void double_conv(const std::string& name, Index C, Index K) {
    conv(name + ".conv1", C, K, 3);
    batch_norm(name + ".bn1", K);
    conv(name + ".conv2", K, K, 3);
    batch_norm(name + ".bn2", K);
  }
  void gate(const std::string& name, Index C) {
    conv(name + ".wg", C, C / 2, 1);
    batch_norm(name + ".bn_g", C / 2);
    conv(name + ".wx", C, C / 2, 1);
    batch_norm(name + ".bn_x", C / 2);
    conv(name + ".psi", C / 2, 1, 1);
    batch_norm(name + ".bn_psi", 1);
  }
};

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
  Architecture architecture;
  architecture.config = config;
  Builder build{architecture};
  const int D = config.levels();
  for (int i = 0; i < D; ++i)
    build.double_conv("encoder." + std::to_string(i), i == 0 ? 1 : config.channels(i - 1), config.channels(i));
  build.double_conv("bottleneck", config.channels(D - 1), config.channels(D));
  for (int i = 0; i < D; ++i) {
    const std::string name = "decoder." + std::to_string(i);
    const Index c = config.channels(i);
    build.parameter(name + ".up.weight", TensorKind::conv_transpose_weight, {config.channels(i + 1), c, 2, 2});
    build.parameter(name + ".up.bias", TensorKind::bias, {c});
    build.gate(name + ".gate", c);
    build.double_conv(name, 2 * c, c);
  }
  build.conv("head", config.channels(0), 1, 1);
  build.parameter("head.bias", TensorKind::bias, {1});
  return architecture;
}

Architecture double_conv_architecture(Index C, Index K) {
  Architecture architecture;
  Builder{architecture}.double_conv("block", C, K);
  return architecture;
}

Architecture attention_gate_architecture(Index C) {
  Architecture architecture;
  Builder{architecture}.gate("block", C);
  return architecture;
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
  statistics.assign(static_cast<std::size_t>(architecture.statistics_elements), 0.0);
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
  for (const TensorSpec& spec : architecture.statistics)
    if (spec.kind == TensorKind::running_var) std::fill_n(statistics.data() + spec.offset, spec.size, 1.0);
}

}  // namespace attnunet
