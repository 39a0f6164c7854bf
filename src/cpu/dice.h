// Soft Dice loss on logits (Milletari et al. 2016, with sums instead of squares as in nnU-Net).
//
// Shapes     logits z, target q in [0, 1]: N images of P pixels; p = sigmoid(z); loss [N].
// Forward    per image  I = sum p q,  U = sum p + sum q,  loss = 1 - (2 I + s) / (U + s),  s = 1e-5.
//            s keeps an image without lesion defined: truth and prediction both empty give loss 0.
// Saved      sums [N,3] = sum p q, sum p, sum q in double; logits and target.
// Backward   of the mean over images. Quotient rule, with dI/dp_i = q_i and dU/dp_i = 1:
//              dloss/dp_i = -(2 q_i (U + s) - (2 I + s)) / (U + s)^2
//                         = (2 I + s) / (U + s)^2 - 2 q_i / (U + s),
//              dp_i/dz_i = p_i (1 - p_i)          (src/cpu/sigmoid.h)
//              dz_i = (1/N) dloss/dp_i p_i (1 - p_i).
// Proof      tests/dice_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// logits and d_logits are dense: N images of P pixels. target [N, P].

/// loss [N] and sums [N,3] from the logits and targets of N images.
template <class T>
void dice_forward(Device& device, double* loss, double* sums, Const<Values<T>> logits, const T* target, Index N);

/// Gradient of the mean over the N images.
template <class T>
void dice_backward(Device& device, Gradients<T> d_logits, const double* sums, Const<Values<T>> logits, const T* target,
                   Index N, Write write);

}  // namespace attnunet::cpu
