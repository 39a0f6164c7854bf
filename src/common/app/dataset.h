// What train and evaluate do alike before the work: find the dataset and say what is in it.
#pragma once

#include "common/data/dataset.h"
#include "common/train/train_config.h"

namespace attnunet::app {

/// Throws Error where nothing is at the default place, saying how to get a dataset.
void require_dataset(const TrainConfig& config);

/// The dataset of config.data and config.classes. Prints what was left out. Throws Error where there is none, saying at
/// the default place how to get one.
data::Dataset open_dataset(const TrainConfig& config);

}  // namespace attnunet::app
