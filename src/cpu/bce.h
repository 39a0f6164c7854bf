// Binary cross-entropy with logits.
//
// Shapes     logits z, target t in [0, 1]: N images of P pixels; loss [N], the mean over each image's pixels.
// Forward    per pixel  l = -t log p - (1 - t) log(1 - p),  p = sigmoid(z) = 1 / (1 + e^-z).
//            log p = -log(1 + e^-z) and log(1 - p) = -z - log(1 + e^-z), so
//              l = t log(1 + e^-z) + (1 - t) (z + log(1 + e^-z)) = (1 - t) z + log(1 + e^-z).
//            For z << 0 e^-z overflows; log(1 + e^-z) = max(-z, 0) + log1p(e^-|z|) does not, and with
//            z + max(-z, 0) = max(z, 0):
//              l = max(z, 0) - z t + log1p(e^-|z|).
//            (The paper's eq. 5 lacks the minus sign.)
// Saved      logits and target.
// Backward   of the mean over all N P pixels. From l = (1 - t) z + log(1 + e^-z):
//              dl/dz = 1 - t - e^-z / (1 + e^-z) = 1 / (1 + e^-z) - t = p - t,   so dz = (p - t) / (N P).
//            Smooth everywhere: the kinks of max and |z| at 0 cancel.
// Sums are kept in double, a row of fixed length each, added in order: no float32 chain, the same bits for any threads.
// Proof      tests/bce_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// logits and d_logits are dense: N images of P pixels. target [N, P].

/// loss [N] from the logits and targets of N images.
template <class T>
void bce_forward(Device& device, double* loss, Const<Values<T>> logits, const T* target, Index N);

/// Gradient of the mean over all N P pixels.
template <class T>
void bce_backward(Device& device, Gradients<T> d_logits, Const<Values<T>> logits, const T* target, Write write);

}  // namespace attnunet::cpu
