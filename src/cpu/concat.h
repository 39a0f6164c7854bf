// Concatenation along the channels: [skip | upsampled] before the decoder's convolutions.
//
// Shapes     a [pixels, Ca], b [pixels, Cb] -> y [pixels, Ca + Cb].
// Forward    y_{p,c} = a_{p,c} for c < Ca,  b_{p, c-Ca} otherwise.
// Backward   each input element is copied to one place, with derivative 1: da_{p,c} = dy_{p,c}, db_{p,c} = dy_{p,Ca+c}.
// In the Attention U-Nets nobody copies: the two producers write into y's columns themselves and read their gradients
// there, through views with y's stride, which amounts to this. In the plain U-Nets the second half gets there that way;
// the skip is copied, for max pool takes it as well.
// Proof      tests/concat_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// y and dy are dense; the others may have a stride. One that is those very columns of y or dy stays as it is.

/// y [pixels, Ca + Cb] from a [pixels, Ca] and b [pixels, Cb].
template <class T>
void concat_forward(Device& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b);

/// da [pixels, Ca] and db [pixels, Cb] from dy [pixels, Ca + Cb].
template <class T>
void concat_backward(Device& device, Gradients<T> da, Gradients<T> db, Const<Gradients<T>> dy);

}  // namespace attnunet::cpu
