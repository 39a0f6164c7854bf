// Exponential moving average of the weights (Polyak and Juditsky 1992; with a decay that rises, as in TensorFlow's
// ExponentialMovingAverage): an average over about the last 1 / (1 - decay) steps, which the noise of single steps
// hardly moves. Has no backward.
//
// Shapes     w [n], parameters or running statistics after a step; e [n], their average; t = 1, 2, ... the step.
//   d_t = min(decay, (1 + t) / (10 + t))
//   e   <- e + (1 - d_t) (w - e)
// Before the first step e is w, so e is a weighted mean of weights from the start and needs no bias correction as
// Adam's moments do, which start at 0. The share of the initial weights is d_1 d_2 ... d_t. While the decay rises that
// is
//   prod_s (1 + s) / (10 + s) = 10! / ((t + 2) (t + 3) ... (t + 10))
// which falls as t^-9: 2e-4 after 10 steps. With the constant 0.999 from the start it would still be 0.99.
// Written as a step towards w: weights that do not change leave e as it is, to the bit, and variances stay at least 0.
// Proof      tests/ema_test.cpp
#pragma once

#include "common/core/ema_decay.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// One step of e [n] towards w [n]; decay is d_t, in [0, 1).
template <class T>
void ema_step(Device& device, T* e, const T* w, Index n, double decay);

}  // namespace attnunet::cpu
