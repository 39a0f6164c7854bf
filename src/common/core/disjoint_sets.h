// Sets without common members, which are joined step by step (union-find).
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace attnunet {

/// Of 0 .. count - 1, each in a set of its own at first.
class DisjointSets {
 public:
  explicit DisjointSets(std::size_t count) : leader_(count) {
    std::iota(leader_.begin(), leader_.end(), std::size_t{0});
  }

  /// The least member of the set that holds i.
  std::size_t first_of(std::size_t i) {
    while (leader_[i] != i) i = leader_[i] = leader_[leader_[i]];
    return i;
  }

  void join(std::size_t a, std::size_t b) {
    a = first_of(a);
    b = first_of(b);
    leader_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::size_t> leader_;  ///< a member that leads to the least one
};

}  // namespace attnunet
