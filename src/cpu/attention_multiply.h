// The gate's product: every channel of the skip weighted by the attention map (Oktay et al. 2018, eq. 2).
//
// Shapes     x, y [pixels, C], alpha [pixels]: one weight a pixel, broadcast over the channels.
// Forward    y_{p,c} = x_{p,c} alpha_p.
// Saved      x, alpha.
// Backward   product rule: dx_{p,c} = dy_{p,c} alpha_p. alpha_p enters all C outputs of its pixel, so its gradient is
//            the sum over them: dalpha_p = sum over c of dy_{p,c} x_{p,c}.
// Proof      tests/attention_multiply_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// x and dx [pixels, C], alpha and dalpha [pixels] are dense. y and dy [pixels, C] may have any stride: in the network
// they are columns of the decoder's concatenated tensor.

template <class T>
void attention_multiply_forward(Device& device, Values<T> y, Const<Values<T>> x, Const<Values<T>> alpha);

/// dx may be dy if that is dense.
template <class T>
void attention_multiply_backward(Device& device, Gradients<T> dx, Gradients<T> dalpha, Const<Gradients<T>> dy,
                                 Const<Values<T>> x, Const<Values<T>> alpha);

}  // namespace attnunet::cpu
