#include "common/train/trainer.h"

namespace attnunet {

Checkpoint new_run(const TrainConfig& config) {
  Checkpoint checkpoint = initial_checkpoint(config);
  checkpoint.case_list = CaseList{};
  if (config.init.empty()) return checkpoint;
  Checkpoint weights = load_checkpoint(config.init, config.network.variant, config.network.base);
  checkpoint.parameters = std::move(weights.parameters);
  checkpoint.statistics = std::move(weights.statistics);
  checkpoint.case_list = inherited_list(weights.case_list);
  return checkpoint;
}

}  // namespace attnunet
