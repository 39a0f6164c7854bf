#include "common/data/balance.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "common/core/random.h"
#include "common/data/sample.h"

namespace attnunet::data {
namespace {

/// 0 without a lesion, then 1 to 3 by its share of the image.
int lesion_group(const Case& one, const ImageSize& size) {
  const Grey mask = load(one, size).mask;
  const auto lesion = std::count_if(mask.pixels.begin(), mask.pixels.end(), [](auto pixel) { return pixel != 0; });
  const double share = static_cast<double>(lesion) / static_cast<double>(mask.pixels.size());
  return lesion == 0 ? 0 : share < 0.02 ? 1 : share < 0.1 ? 2 : 3;
}

template <class Key, class KeyOf>
std::vector<std::vector<std::size_t>> grouped(const std::vector<std::size_t>& cases, KeyOf key_of) {
  std::map<Key, std::vector<std::size_t>> groups;
  for (const std::size_t one : cases) groups[key_of(one)].push_back(one);
  std::vector<std::vector<std::size_t>> result;
  for (auto& entry : groups) result.push_back(std::move(entry.second));
  return result;
}

}  // namespace

std::vector<std::vector<std::size_t>> balance_groups(const Dataset& dataset, const std::vector<std::size_t>& cases,
                                                     Balance kind, const ImageSize& size) {
  switch (kind) {
    case Balance::none:
      return {cases};
    case Balance::by_class:
      return grouped<std::string>(cases, [&](std::size_t one) { return dataset.cases[one].class_name; });
    case Balance::by_lesion:
      return grouped<int>(cases, [&](std::size_t one) { return lesion_group(dataset.cases[one], size); });
  }
  no_such_value(kind);
}

std::vector<std::size_t> balanced_order(const std::vector<std::vector<std::size_t>>& groups, std::uint64_t seed,
                                        std::uint32_t epoch) {
  Random random(seed, streams::balance, epoch);
  std::size_t count = 0;
  for (const auto& group : groups) count += group.size();
  std::vector<std::size_t> in_turn(groups.size()), order;
  std::iota(in_turn.begin(), in_turn.end(), std::size_t{0});
  shuffle(in_turn, random);  // the first of them get one draw more
  for (std::size_t i = 0; i < groups.size(); ++i) {
    std::size_t left = count / groups.size() + (i < count % groups.size() ? 1 : 0);
    std::vector<std::size_t> group = groups[in_turn[i]];
    while (left > 0) {
      shuffle(group, random);
      const std::size_t taken = std::min(left, group.size());
      order.insert(order.end(), group.begin(), group.begin() + static_cast<std::ptrdiff_t>(taken));
      left -= taken;
    }
  }
  shuffle(order, random);
  return order;
}

}  // namespace attnunet::data
