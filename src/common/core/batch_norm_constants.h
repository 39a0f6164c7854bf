// The two constants of batch norm that every backend shares (docs/reference.md section 1; they are PyTorch's).
#pragma once

namespace attnunet {

/// Added to the variance, so that a constant channel does not divide by zero.
constexpr double batch_norm_eps = 1e-5;
/// Share of the newest batch in the running statistics.
constexpr double batch_norm_momentum = 0.1;

}  // namespace attnunet
