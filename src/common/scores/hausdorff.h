// How far apart the borders of two masks are: the 95 % Hausdorff distance.
//
// The border of a mask M is those of its pixels that have one of their four neighbours outside M; beyond the image is
// outside. For the borders A of the truth and B of the prediction, with Euclidean distances between pixel centres,
//   d(a, B) = min_{b in B} |a - b|
//   HD95    = max( q95 { d(a, B) : a in A },  q95 { d(b, A) : b in B } )
// where q95 interpolates linearly between order statistics: of n values sorted from 0, the one at place 0.95 (n - 1).
// (Huttenlocher, Klanderman, Rucklidge 1993 with the maximum replaced by q95, as the Metrics Reloaded guide, Maier-Hein
// et al. 2024, recommends it; the greater of the two directions as in MONAI, not one percentile of both lists
// together.) Where A or B is empty there is no distance: a mean over images leaves such images out, and says how many
// it has.
//
// d(., B) of every pixel comes from an exact distance transform in time linear in the pixels (Felzenszwalb,
// Huttenlocher 2012): along each column, then along each row, the lower envelope of the parabolas
//   D(p) = min_q (p - q)^2 + f(q),   f = 0 on B and infinite elsewhere for the columns, their D for the rows.
// Neighbouring parabolas q < r cross at s = ((f(r) + r^2) - (f(q) + q^2)) / (2 r - 2 q): r rules from s on.
// Proof: tests/hausdorff_test.cpp (against all pairs of pixels)
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace attnunet {

/// Of every pixel the squared distance to the nearest pixel of `marked` (0: not marked); infinity everywhere where none
/// is. Row by row.
std::vector<double> squared_distances(const std::vector<std::uint8_t>& marked, int width, int height);

/// In pixels. Masks are row by row, 0 outside. None where one of them is empty.
std::optional<double> hausdorff95(const std::vector<std::uint8_t>& truth, const std::vector<std::uint8_t>& prediction,
                                  int width, int height);

}  // namespace attnunet
