// Which cases of a dataset a configuration trains and validates on.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/data/fingerprint.h"
#include "common/data/split.h"
#include "common/train/train_config.h"

namespace attnunet {

/// By lists if config.train_list names files: their names are then stored in config.train_cases, val_cases and
/// test_cases; by those names if they are there already (from a checkpoint); else by folds or by config.split.
/// Throws what data::make_split throws, and Error where a named case is not in the dataset. `prints`, of this dataset,
/// spares reading an image twice.
data::Split split_of(const data::Dataset& dataset, TrainConfig& config, data::Fingerprints& prints);
data::Split split_of(const data::Dataset& dataset, TrainConfig& config);

/// Makes the split that the dataset itself has that of the configuration, unless an option asks for another (`given`:
/// names without dashes).
void take_own_split(const data::Dataset& dataset, const std::set<std::string>& given, TrainConfig& config);

/// Throws Error if a checkpoint was trained with other cases; `recorded`: its hash_of_cases, "" before there is one.
void require_cases(const std::string& recorded, const data::Dataset& dataset, const data::Split& split);

/// The names of the cases at those indices.
std::vector<std::string> names_of(const data::Dataset& dataset, const std::vector<std::size_t>& cases);

}  // namespace attnunet
