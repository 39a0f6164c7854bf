// Adam (Kingma and Ba 2015, algorithm 1) in the order of operations of torch.optim.Adam; with weight_decay > 0 AdamW
// (Loshchilov and Hutter 2019).
//
// For every parameter w with gradient g and moments m, v (both 0 before the first step), t = 1, 2, ...:
//   w <- w - lr weight_decay w                        decoupled decay: not through the moments
//   m <- beta1 m + (1 - beta1) g                      mean of the gradient
//   v <- beta2 v + (1 - beta2) g^2                    mean of its square
//   Both start at 0 and are too small at first: after t steps of a constant g, m = (1 - beta1^t) g, and v likewise.
//   mhat = m / (1 - beta1^t),   vhat = v / (1 - beta2^t)
//   w <- w - lr mhat / (sqrt(vhat) + eps)
// As PyTorch does, with a = lr / (1 - beta1^t) and b = sqrt(1 - beta2^t):  w <- w - a m / (sqrt(v) / b + eps).
// Proof      tests/adam_test.cpp, golden vectors of torch.optim.Adam and AdamW
#pragma once

#include "common/core/adam_options.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// One step on n parameters w with moments m, v (updated) and gradients g.
template <class T>
void adam_step(Device& device, T* w, T* m, T* v, const T* g, Index n, const AdamOptions& options);

}  // namespace attnunet::cpu
