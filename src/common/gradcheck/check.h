// Numeric gradients: the first of the three oracles.
//
// L(v) = sum over outputs of dot(w, y(v)) with random w, so that dL/dv is what backward computes from dy = w. (sum(y)
// would not do: through batch norm its true gradient is 0 and any wrong one near 0 passes.) For each coordinate the
// central difference (L(v + h) - L(v - h)) / 2h is compared with the analytic gradient, in double.
//
// Errors: truncation L''' h^2 / 6 and rounding eps |L| / h. At h = 1e-4 a smooth layer with values near 1 has both
// near 1e-9 of its largest gradient, so a gate of 1e-7 leaves a factor 100, and a gradient wrong by 1 % misses it by
// 1e5.
//
// Networks: many kinks lie close to any point, so h is 1e-6 and rounding weighs more; the error is measured against the
// network's largest gradient (1e-9 to 2e-8 of it in practice). Their coordinates are sampled, some of each kind of
// tensor, and random directions over all inputs at once catch what sampling misses.
//
// Kinks: where the active set (ReLU masks, pool argmaxes) differs between v + h, v and v - h, the difference quotient
// crosses a kink and means nothing: the coordinate is skipped. More than 2 % skipped fails the check.
#pragma once

#include <string>
#include <vector>

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

constexpr double gradient_gate = 1e-7;
constexpr double layer_step = 1e-4;
constexpr double network_step = 1e-6;
constexpr Index network_coordinates = 200;
constexpr Index network_directions = 20;
constexpr double largest_skipped_share = 0.02;

/// One tensor's comparison.
struct Result {
  std::string layer, tensor;
  Index checked = 0, skipped = 0;
  double largest_gradient = 0;
  double worst_error = 0;  ///< largest |analytic - numeric|; NaN when either was
  double scale = 0;        ///< what the error is divided by: the largest gradient of the tensor, or of the network
  double relative_error() const;
  /// False for NaN, for an empty comparison and where too much was skipped.
  bool passed() const;
};

/// Every coordinate of every input of the case.
std::vector<Result> check_layer(const LayerCase& layer_case, std::uint64_t seed);

/// For blocks and networks, whose inputs are many tensors: of each kind (the name without the level, e.g.
/// "conv1.weight") so many coordinates, or all where it has fewer, drawn over all tensors of the kind; then
/// network_directions random unit directions. One result a kind and one for the directions.
std::vector<Result> check_network(const LayerCase& network_case, std::uint64_t seed,
                                  Index coordinates = network_coordinates);

}  // namespace attnunet::gradcheck
