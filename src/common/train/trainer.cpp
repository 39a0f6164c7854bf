#include "common/train/trainer.h"

namespace attnunet {

Checkpoint new_run(const TrainConfig& config) {
  Checkpoint checkpoint = initial_checkpoint(config);
  checkpoint.case_list = CaseList{};
  if (!config.init.empty()) {
    Checkpoint weights = load_checkpoint(config.init, config.network.variant, config.network.base);
    choose_weights(weights, std::nullopt, config.init);
    checkpoint.parameters = std::move(weights.parameters);
    checkpoint.statistics = std::move(weights.statistics);
    checkpoint.case_list = inherited_list(weights.case_list);
  }
  if (config.ema > 0) {
    checkpoint.ema_parameters = checkpoint.parameters;
    checkpoint.ema_statistics = checkpoint.statistics;
  }
  return checkpoint;
}

}  // namespace attnunet
