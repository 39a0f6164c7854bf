// Concatenation along the channels on the GPU; the math is in src/cpu/concat.h.
//
// One kernel for each half, one thread per element of it: neighbours there are neighbours in y or dy as well. Bytes
// moved: each element is read once and written once, 2 pixels (Ca + Cb) sizeof(T), less for a half that already lies in
// its columns. The Attention U-Nets copy nothing; the plain U-Nets copy the skip.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

// y and dy are dense; the others may have a stride. One that is those very columns of y or dy stays as it is.

/// y [pixels, Ca + Cb] from a [pixels, Ca] and b [pixels, Cb].
template <class M, class T>
void concat_forward(Device<M>& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b);

/// da [pixels, Ca] and db [pixels, Cb] from dy [pixels, Ca + Cb].
template <class M, class T>
void concat_backward(Device<M>& device, Gradients<T> da, Gradients<T> db, Const<Gradients<T>> dy);

}  // namespace attnunet::cuda
