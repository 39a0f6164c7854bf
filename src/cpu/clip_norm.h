// Clipping by the global norm (Pascanu et al. 2013), as torch.nn.utils.clip_grad_norm_ does it: gradients that are too
// long keep their direction and lose length. Has no backward.
//
// Shapes     g [n], the gradients of all parameters together.
//   norm   = sqrt(sum_i g_i^2)
//   factor = min(1, limit / (norm + 1e-6))
//   g      <- factor g
// Afterwards the norm is at most limit. Gradients within the limit stay as they are, to the bit.
// Squares and sums are in double: those of float32 gradients cannot overflow. The sum runs over fixed chunks
// (core/clip_norm_chunks.h), then over their sums, so that any number of threads gives the same bits.
// A NaN makes the norm and all gradients NaN. An infinite gradient makes the factor 0 and itself NaN. Either way the
// loss of the next step is NaN, and training ends there (divergence.h).
// Proof      tests/clip_norm_test.cpp
#pragma once

#include "common/core/clip_norm_chunks.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// Scales g [n] so that its norm is at most limit > 0. scratch: clip_norm_scratch(n) doubles.
template <class T>
void clip_norm(Device& device, T* g, double* scratch, Index n, double limit);

}  // namespace attnunet::cpu
