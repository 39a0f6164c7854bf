// Focal loss on the GPU; the math is in src/cpu/focal.h.
//
// Forward    one block per image (B threads, up to 1024: threads_of_sum), which needs no workspace. Reads logits and
//            target, 2 N P sizeof(T). Thread t sums pixels t, t + B, ... in that order, in double; then block_sum's
//            tree (reduce.h). The order depends on P alone.
// Backward   one thread per pixel; reads logits and target, writes dlogits: 3 N P sizeof(T).
// Plain only: it takes one number per pixel, while the layers before it take C.
#pragma once

#include "common/core/focal_options.h"
#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// loss [N] from the logits and targets of N images.
template <class M, class T>
void focal_forward(Device<M>& device, double* loss, Const<Values<T>> logits, const T* target, Index N,
                   const FocalOptions& options);

/// Gradient of the mean over all N P pixels.
template <class M, class T>
void focal_backward(Device<M>& device, Gradients<T> d_logits, Const<Values<T>> logits, const T* target,
                    const FocalOptions& options);

}  // namespace attnunet::cuda
