// Focal Tversky loss on the GPU; the math is in src/cpu/tversky.h.
//
// Forward    one block per image (B threads, up to 1024: threads_of_sum), which needs no workspace. Reads logits and
//            target, 2 N P sizeof(T). Thread t sums pixels t, t + B, ... in that order, in double; then block_sum's
//            tree (reduce.h), for each of the three sums. The order depends on P alone.
// Backward   an image is a row (rows.h), one thread per pixel; reads logits and target, writes dlogits: 3 N P
// sizeof(T). Plain only: it takes one number per pixel, while the layers before it take C.
#pragma once

#include "common/core/tensor_view.h"
#include "common/core/tversky_options.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// loss [N] and sums [N,3] from the logits and targets of N images.
template <class M, class T>
void tversky_forward(Device<M>& device, double* loss, double* sums, Const<Values<T>> logits, const T* target, Index N,
                     const TverskyOptions& options);

/// Gradient of the mean over the N images.
template <class M, class T>
void tversky_backward(Device<M>& device, Gradients<T> d_logits, const double* sums, Const<Values<T>> logits,
                      const T* target, Index N, const TverskyOptions& options);

}  // namespace attnunet::cuda
