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
//   ReLU     dL/dz_i = dL/dh_i where z_i > 0, else 0 (0 at the kink)
//   together dL/dz_i = s dy_i where z_i > 0 and element i is kept, else 0.
//            y_i > 0 says just that: y_i = s z_i with s >= 1 where z_i > 0 and i is kept, and 0 otherwise. So the mask
//            need not be drawn again:
//              g_i = dL/dz_i = s dy_i where y_i > 0, else 0.
//            The factor s stays: it is dy_i/dh_i of a kept element. (y > 0 says which elements, not how much.)
//   norm     from g on as cpu/batch_norm.h derives it:
//              dbeta = sum g_i, dgamma = sum g_i xhat_i, dx_i = gamma inv_std (g_i - dbeta / n - xhat_i dgamma / n).
//
// Inference  needs nothing of this: batch norm is folded into the convolution before it (fold_batch_norm.h), whose
//            result is max(., 0) as it is written.
//
// Method     Forward: a chunk of pixels is normalised and clipped, and its mask applied while it lies in the cache.
//            Backward: g is made, and kept in dx, by the pass in which batch norm's backward sums it.
// Proof      tests/batch_norm_relu_dropout_test.cpp
#pragma once

#include "common/core/dropout_key.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// Elements that backward needs as workspace, of either T. Doubles lie in it: aligned as a Buffer is.
Index batch_norm_relu_dropout_workspace(const Device& device, Index pixels, Index C);

/// y, x: [pixels, C], the whole activation (dropout counts its elements); the others [C]. rate in [0, 1).
/// y may be x where nobody runs backward.
template <class T>
void batch_norm_relu_dropout_forward(Device& device, T* y, const T* x, const T* mean, const T* inv_std, const T* gamma,
                                     const T* beta, double rate, const DropoutKey& key, Index pixels, Index C);

/// Backward of batch_norm_relu_dropout_forward, the dependence of mean and inv_std on x included. dx may be dy.
template <class T>
void batch_norm_relu_dropout_backward(Device& device, T* dx, T* dgamma, T* dbeta, const T* dy, const T* y, const T* x,
                                      const T* mean, const T* inv_std, const T* gamma, double rate, T* workspace,
                                      Index pixels, Index C);

}  // namespace attnunet::cpu
