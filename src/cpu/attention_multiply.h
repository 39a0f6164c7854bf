// The gate's product: every channel of the skip weighted by the attention map (Oktay et al. 2018, eq. 2).
//
// Shapes     x, y [pixels, C], alpha [pixels]: one weight a pixel, broadcast over the channels.
// Forward    y_{p,c} = x_{p,c} alpha_p.
// Saved      x, alpha.
// Backward   product rule: dx_{p,c} = dy_{p,c} alpha_p. alpha_p enters all C outputs of its pixel, so its gradient is
//            the sum over them: dalpha_p = sum over c of dy_{p,c} x_{p,c}.
// Proof      tests/attention_multiply_test.cpp
#pragma once

#include "cpu/device.h"

namespace attnunet::cpu {

// y_stride is the number of elements from one pixel of y, or of dy, to the next: C where they stand for themselves, 2C
// where they are columns of the decoder's concatenated tensor. The columns beside them are neither read nor written.

/// y [pixels, C] from x and alpha [pixels].
template <class T>
void attention_multiply_forward(Device& device, T* y, const T* x, const T* alpha, Index pixels, Index C,
                                Index y_stride);

/// dx [pixels, C] and dalpha [pixels]. dx may be dy where y_stride is C.
template <class T>
void attention_multiply_backward(Device& device, T* dx, T* dalpha, const T* dy, const T* x, const T* alpha,
                                 Index pixels, Index C, Index y_stride);

}  // namespace attnunet::cpu
