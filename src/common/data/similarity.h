// Near-duplicates: BUSI holds many pictures more than once, cropped, annotated or slightly moved. Two images count as
// near-duplicates if the Pearson correlation of their 64 x 64 thumbnails is above 0.95; groups are the connected
// components of that relation, so a group's first and last image may be less alike.
// For thumbnails a, b of n pixels with means removed and scaled to length 1, the correlation is sum_i a_i b_i.
#pragma once

#include <cstddef>
#include <vector>

#include "common/data/png.h"

namespace attnunet::data {

constexpr int thumbnail_size = 64;
constexpr double near_duplicate_threshold = 0.95;

struct SimilarPair {
  std::size_t a, b;  ///< a < b
  double correlation;
};

/// All pairs with correlation above the threshold, ordered by (a, b). All thumbnails have the same size. An image of
/// one grey level correlates with nothing.
std::vector<SimilarPair> similar_pairs(const std::vector<Grey>& thumbnails, double threshold);

/// For each image, whether its correlation with any of the others is above the threshold. All thumbnails have the same
/// size.
std::vector<bool> resemble_any(const std::vector<Grey>& images, const std::vector<Grey>& others, double threshold);

/// Groups of two and more, each ascending, ordered by their first member.
std::vector<std::vector<std::size_t>> near_duplicate_groups(const std::vector<Grey>& thumbnails, double threshold);

}  // namespace attnunet::data
