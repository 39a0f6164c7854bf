// Counts of true and false, positive and negative pixels on the GPU; the rule is in src/cpu/segmentation_counts.h.
//
// One block an image (B threads, up to 1024: threads_of_sum); thread t counts pixels t, t + B, ..., then block_sum
// (reduce.h). Integers: any order gives the same. Reads logits and target, 2 N P sizeof(T).
#pragma once

#include "common/core/pixel_counts.h"
#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

template <class M, class T>
void segmentation_counts(Device<M>& device, PixelCounts* counts, Const<Values<T>> logits, const T* target, Index N);

}  // namespace attnunet::cuda
