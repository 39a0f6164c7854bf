// Counts of true and false, positive and negative pixels of each image: the raw material of every metric
// (src/common/scores/metrics.h). Has no backward: metrics are not trained on.
//
// Shapes     logits, target: N images of P pixels; counts [N].
// Rule       predicted lesion where logit > 0 (probability above 1/2), lesion in truth where target > 0.5. A NaN logit
//            counts as not lesion.
// Proof      tests/segmentation_counts_test.cpp
#pragma once

#include "common/core/pixel_counts.h"
#include "cpu/device.h"

namespace attnunet::cpu {

template <class T>
void segmentation_counts(Device& device, PixelCounts* counts, const T* logits, const T* target, Index N, Index P);

}  // namespace attnunet::cpu
