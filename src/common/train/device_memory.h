// Whether a device has the memory for what is asked of it, known before any of it is allocated.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/core/clip_norm_chunks.h"
#include "common/data/loader.h"
#include "common/data/split.h"
#include "common/train/divergence_watch.h"
#include "common/train/evaluator.h"
#include "common/train/train_config.h"
#include "common/train/weight_average.h"

namespace attnunet {

/// Throws Error with both numbers if `need` bytes are more than are free. `work`: what needs them, as in "training";
/// `memory`: which memory; `options`: those of the command that make it less, as in "--batch or --size".
void require_memory(const std::string& work, Index need, Index free, const std::string& memory,
                    const std::string& options);

/// The memory of a backend's device, for that message: the host's own, or apart from it.
template <class B>
constexpr const char* memory_name = B::reads_wait ? "device memory" : "memory";

/// What training holds on the host beside the device's buffers: the state it began with and that of the last
/// fetch_state, each with weights, statistics and two moments (with
/// --ema the averages too), and decoded cases (data::Loader, one for training and
/// one for validation).
inline Index host_bytes(const Architecture& architecture, const data::Split& split, const ImageSize& size,
                        bool averages) {
  const Index weights = architecture.parameter_elements + architecture.statistics_elements;
  const Index state = weights + 2 * architecture.parameter_elements + (averages ? weights : 0);
  const auto cases = [&](const std::vector<std::size_t>& used) {
    return std::min(static_cast<Index>(data::Loader::default_cache_bytes),
                    2 * size.pixels() * static_cast<Index>(used.size()));
  };
  return 2 * state * static_cast<Index>(sizeof(float)) + cases(split.train) + cases(split.val);
}

struct TrainingMemory {
  Index bytes = 0;  ///< all that training allocates on the device; with the host's if that is the device
  std::vector<std::size_t> cached;  ///< the cases that stay there; where there are any, all that are not augmented
};

/// What is planned for no larger a batch than there are images.
inline Index useful_batch(const data::Split& split, Index batch) {
  return std::min(batch, static_cast<Index>(std::max(split.train.size(), split.val.size())));
}

/// The cases that are used again in every epoch as they are.
inline std::vector<std::size_t> unchanging_cases(const data::Split& split, data::Augment augment) {
  std::vector<std::size_t> cases = split.val;
  if (augment == data::Augment::none) cases.insert(cases.end(), split.train.begin(), split.train.end());
  return cases;
}

/// `beside`: what the device must hold besides training. Throws Error where it does not fit. Cases are cached where the
/// device's reads wait and they take at most half of what all else leaves free (the rest is for whoever else uses the
/// device), or less than batches on their way would.
template <class B>
TrainingMemory plan_training_memory(const typename B::Device& device, const TrainConfig& config,
                                    const data::Split& split, Index beside = 0) {
  const Architecture architecture = make_architecture(config.network);
  const ImageSize size = config.size;
  const Index N = useful_batch(split, config.batch);
  const Index train = static_cast<Index>(split.train.size()), val = static_cast<Index>(split.val.size());
  const Index moments = 2 * architecture.parameter_elements * static_cast<Index>(sizeof(typename B::Scalar));
  const Index clipping = config.clip_norm > 0
                             ? clip_norm_scratch(architecture.parameter_elements) * static_cast<Index>(sizeof(double))
                             : 0;
  const Index network =
      AttentionUNet<B>::bytes(architecture, true) + moments +
      AttentionUNetTape<B>::planned_bytes(device, architecture, N, size.height, size.width, Purpose::training) +
      Scorer<B>::bytes(config.loss, N, size.pixels(), train) + DivergenceWatch<B>::bytes() + clipping +
      (config.ema > 0 ? WeightAverage<B>::bytes(architecture) : 0);
  const auto all_but_cases = [&](bool cached) {
    return network + BatchFeed<B>::bytes(cached && config.augment == data::Augment::none, size, N, train) +
           Evaluator<B>::bytes(size, config.loss, N, val, cached);
  };
  const Index free = device.available_bytes() - beside;
  TrainingMemory memory{all_but_cases(false), {}};
  if (B::reads_wait) {
    std::vector<std::size_t> cases = unchanging_cases(split, config.augment);
    const Index rest = all_but_cases(true), cache = CachedCases<B>::bytes(cases.size(), size);
    if (cache <= (free - rest) / 2 || rest + cache <= memory.bytes) memory = {rest + cache, std::move(cases)};
  }
  if (!B::reads_wait) memory.bytes += host_bytes(architecture, split, size, config.ema > 0);
  require_memory("training", memory.bytes + beside, device.available_bytes(), memory_name<B>,
                 "--batch, --size or --base");
  return memory;
}

}  // namespace attnunet
