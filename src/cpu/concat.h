// Concatenation along the channels: [gated skip | upsampled] before the decoder's convolutions.
//
// Shapes     a [pixels, Ca], b [pixels, Cb] -> y [pixels, Ca + Cb].
// Forward    y_{p,c} = a_{p,c} for c < Ca,  b_{p, c-Ca} otherwise.
// Backward   each input element is copied to one place, with derivative 1: da_{p,c} = dy_{p,c}, db_{p,c} = dy_{p,Ca+c}.
// In the networks nobody copies: the two producers write into y's columns themselves and read their gradients there
// (Conv2dGeometry::x_stride, ConvTranspose2dGeometry::y_stride, attention_multiply's y_stride), which amounts to this.
// Proof      tests/concat_test.cpp
#pragma once

#include "cpu/device.h"

namespace attnunet::cpu {

/// y [pixels, Ca + Cb] from a and b.
template <class T>
void concat_forward(Device& device, T* y, const T* a, const T* b, Index pixels, Index Ca, Index Cb);

/// da [pixels, Ca] and db [pixels, Cb] from dy.
template <class T>
void concat_backward(Device& device, T* da, T* db, const T* dy, Index pixels, Index Ca, Index Cb);

}  // namespace attnunet::cpu
