// Counts of true and false, positive and negative pixels of each image: the raw material of every metric
// (src/common/scores/metrics.h). Has no backward: metrics are not trained on.
//
// Shapes     logits, target: N images of P pixels; counts [N].
// Rule       predicted lesion where logit > 0 (probability above 1/2), lesion in truth where target > 0.5. A NaN logit
//            counts as not lesion.
// Proof      tests/segmentation_counts_test.cpp
#pragma once

#include "common/core/pixel_counts.h"
#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// logits: dense, N images of P pixels. target [N, P].
template <class T>
void segmentation_counts(Device& device, PixelCounts* counts, Const<Values<T>> logits, const T* target, Index N);

}  // namespace attnunet::cpu
