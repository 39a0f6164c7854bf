// Batch norm, ReLU and dropout in one operation: what follows every 3x3 convolution. Each of the three does a handful
// of operations for a number that it reads and writes; together they read and write it once.
//
// Shapes     x, y: [pixels, C]; everything else: [C]. mean and inv_std are x's (conv2d_statistics_forward).
// Forward    z = gamma (x - mean) inv_std + beta        h = max(z, 0)        y_i = h_i m_i,
//            with dropout's mask m_i = s = 1 / (1 - rate) where element i is kept, 0 where it is dropped, as in
//            cpu/dropout.h. rate 0: y = h.
// Saved      x, y, mean, inv_std. Neither z nor the mask.
//
// Backward   the three backwards in turn, upstream dy:
//   dropout  dL/dh_i = dy_i m_i
//   ReLU     dL/dz_i = 0 where z_i <= 0 (0 at the kink), else dL/dh_i
//   together dL/dz_i = s dy_i where z_i > 0 and element i is kept, else 0.
//            y_i > 0 says just that: y_i = s z_i with s >= 1 where z_i > 0 and i is kept, and 0 otherwise. So the mask
//            need not be drawn again:
//              g_i = dL/dz_i = 0 where y_i <= 0, else s dy_i.
//            The factor s stays: it is dy_i/dh_i of a kept element. (y > 0 says which elements, not how much.)
//   norm     from g on as cpu/batch_norm.h derives it:
//              dbeta = sum g_i, dgamma = sum g_i xhat_i, dx_i = gamma inv_std (g_i - dbeta / n - xhat_i dgamma / n).
//
// NaN        goes through the three as through each alone. z_i = NaN is not clipped, a dropped h_i or dy_i that is not
//            finite gives NaN, a clipped dy_i gives 0 whatever it is. If y_i <= 0 and dy_i is not finite it takes z_i,
//            computed again, to tell dropped from clipped.
//
// Inference  needs nothing of this: batch norm is folded into the convolution before it (fold_batch_norm.h), whose
//            result is max(., 0) as it is written.
//
// Method     Forward: a chunk of pixels is normalised and clipped, and its mask applied while it lies in the cache.
//            Backward: g is made, and kept in dx, by the pass in which batch norm's backward sums it.
// Loops      batch_norm_relu_dropout_reference.cpp: these formulas as plain loops. Read it first.
// Proof      tests/batch_norm_relu_dropout_test.cpp
#pragma once

#include "common/core/batch_norm_views.h"
#include "common/core/dropout_key.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// All tensors are dense, [pixels, C]: whole activations, for dropout counts their elements.

/// Elements that backward needs as workspace, of either T. Doubles lie in it: aligned as a Buffer is.
Index batch_norm_relu_dropout_workspace(const Device& device, Index pixels, Index C);

/// y from x and its statistics. y may be x if nobody runs backward.
template <class T>
void batch_norm_relu_dropout_forward(Device& device, Values<T> y, Const<Values<T>> x, Const<BatchStatistics<T>> batch,
                                     Const<BatchNormParameters<T>> parameters, const Dropout& dropout);

/// Backward of batch_norm_relu_dropout_forward: dx, dgamma and dbeta from dy. dx includes the dependence of the
/// statistics on x. dx may be dy.
template <class T>
void batch_norm_relu_dropout_backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                      Const<Gradients<T>> dy, Const<Values<T>> y, const BatchNormSaved<T>& saved,
                                      double rate, T* workspace);

}  // namespace attnunet::cpu
