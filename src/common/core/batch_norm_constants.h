// The two constants of batch norm that every backend shares (CONTRACT section 1, PyTorch's defaults).
#pragma once

namespace attnunet {

/// Added to the variance, so that a constant channel does not divide by zero.
constexpr double batch_norm_eps = 1e-5;
/// Share of the newest batch in the running statistics.
constexpr double batch_norm_momentum = 0.1;

}  // namespace attnunet
