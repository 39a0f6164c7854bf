// Concatenation along the channels on the GPU; the math is in src/cpu/concat.h.
//
// One thread an element of y, or of dy: neighbours there are neighbours in a or in b as well. Bytes moved: each element
// is read once and written once, 2 pixels (Ca + Cb) sizeof(T). Plain only: in the networks the producers write into
// the concatenated tensor and nothing is copied; this is the readable twin of what their strides do.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// y [pixels, Ca + Cb] from a [pixels, Ca] and b [pixels, Cb].
template <class M, class T>
void concat_forward(Device<M>& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b);

/// da [pixels, Ca] and db [pixels, Cb] from dy [pixels, Ca + Cb].
template <class M, class T>
void concat_backward(Device<M>& device, Gradients<T> da, Gradients<T> db, Const<Gradients<T>> dy);

}  // namespace attnunet::cuda
