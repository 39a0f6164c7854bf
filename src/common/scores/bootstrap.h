// How far a score could be off by the luck of which images were in the set: 95 % intervals by the bootstrap.
//
// A set of n groups is drawn from its own groups with replacement, n at a time, and scored, 2000 times; the interval is
// from the 2.5 % to the 97.5 % quantile of those scores (percentile interval: Efron, Tibshirani 1993, ch. 13).
// Groups are near-duplicates (data/similarity.h), a single image being a group of its own: BUSI holds pictures up to
// several times, and copies drawn one by one would pass for independent cases and make the interval too narrow (cluster
// bootstrap: Davison, Hinkley 1997, sec. 3.8). What is not in it: another training's luck, other hospitals.
// Proof: tests/bootstrap_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/scores/metrics.h"

namespace attnunet {

constexpr int bootstrap_resamples = 2000;

struct Interval {
  double low = 0, high = 0;
};

struct Intervals {
  Interval iou, dice, pooled_iou, pooled_dice;
};

/// Of the set of all scores. groups: indices into scores, each index in one group; not empty. The same arguments give
/// the same intervals.
Intervals bootstrap_intervals(const std::vector<ImageScore>& scores,
                              const std::vector<std::vector<std::size_t>>& groups, std::uint64_t seed);

}  // namespace attnunet
