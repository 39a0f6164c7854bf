#include "common/train/cases.h"

#include <algorithm>
#include <map>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/train/checkpoint.h"

namespace attnunet {
namespace {

std::vector<std::size_t> find_cases(const data::Dataset& dataset, const std::vector<std::string>& names) {
  std::map<std::string, std::size_t> place;
  for (std::size_t i = 0; i < dataset.cases.size(); ++i) place.emplace(dataset.cases[i].name, i);
  std::vector<std::size_t> found;
  for (const std::string& name : names) {
    const auto entry = place.find(name);
    if (entry == place.end())
      throw Error("the checkpoint was trained with case " + quoted_excerpt(name) + ", which is not in " +
                  dataset.root.string() + "; name its dataset with --data");
    found.push_back(entry->second);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<std::string> names_of(const data::Dataset& dataset, const std::vector<std::size_t>& cases) {
  std::vector<std::string> names;
  for (std::size_t one : cases) names.push_back(dataset.cases[one].name);
  return names;
}

void take_own_split(const data::Dataset& dataset, const std::set<std::string>& given, TrainConfig& config) {
  for (const char* option : {"split", "folds", "train-list", "val-list", "test-list", "test-part"})
    if (given.count(option) != 0) return;
  if (data::has_own_split(dataset)) config.split = data::SplitKind::dataset;
}

data::Split split_of(const data::Dataset& dataset, TrainConfig& config, data::Fingerprints& prints) {
  const bool lists = !config.train_list.empty();
  if (!lists && !config.train_cases.empty()) {
    data::Split split{find_cases(dataset, config.train_cases), find_cases(dataset, config.val_cases)};
    split.test =
        config.test_cases.empty() ? data::own_test_cases(dataset, split) : find_cases(dataset, config.test_cases);
    return split;
  }
  const data::Split split = data::make_split(dataset, split_options(config), prints);
  if (lists) {
    config.train_cases = names_of(dataset, split.train);
    config.val_cases = names_of(dataset, split.val);
    config.test_cases = config.test_list.empty() ? std::vector<std::string>() : names_of(dataset, split.test);
  }
  return split;
}

void require_cases(const std::string& recorded, const data::Dataset& dataset, const data::Split& split) {
  if (!recorded.empty() && recorded != hash_of_cases(names_of(dataset, split.train), names_of(dataset, split.val)))
    throw Error("the cases in " + dataset.root.string() +
                " are not those the checkpoint was trained with; name its dataset with --data");
}

data::Split split_of(const data::Dataset& dataset, TrainConfig& config) {
  data::Fingerprints prints(dataset);
  return split_of(dataset, config, prints);
}

}  // namespace attnunet
