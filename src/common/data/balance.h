// Which training cases an epoch takes, so that groups of unequal size are seen equally often.
//   class    one group per class of the dataset
//   lesion   cases without a lesion, and those with one by its share of the image: below 2 %, below 10 %, the rest
// Groups without cases do not count. Of n training cases an epoch takes n draws: floor(n / groups) of each group, and
// one more of some, chosen by chance, until they are n. Within a group no case is drawn again before all others were
// drawn as often. A case that an epoch draws several times is augmented differently each time (loader.h). All of it is
// a function of (seed, epoch) and the cases. Proof: tests/balance_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/core/image_size.h"
#include "common/core/names.h"
#include "common/data/dataset.h"

namespace attnunet {
namespace data {

enum class Balance { none, by_class, by_lesion };

}  // namespace data

template <>
struct Names<data::Balance> {
  static constexpr const char* option = "balance";
  static constexpr Name<data::Balance> table[] = {
      {data::Balance::none, "none"}, {data::Balance::by_class, "class"}, {data::Balance::by_lesion, "lesion"}};
};

namespace data {

/// The cases (indices into the dataset) in groups, none of them empty; one group for Balance::none. By lesion, masks
/// are read at this size; throws the Error of the first case that cannot be read.
std::vector<std::vector<std::size_t>> balance_groups(const Dataset& dataset, const std::vector<std::size_t>& cases,
                                                     Balance kind, const ImageSize& size);

/// The draws of an epoch, as many as there are cases in all groups, in the order of training.
std::vector<std::size_t> balanced_order(const std::vector<std::vector<std::size_t>>& groups, std::uint64_t seed,
                                        std::uint32_t epoch);

}  // namespace data
}  // namespace attnunet
