// Where training diverges: the first step whose loss is not finite, remembered in device memory, so that nobody has to
// read losses while a device is at work. Has no backward.
//
// Shapes     losses [N], of the images of a batch; first [1], 0 before the first step.
// Rule       first <- step if first is 0 and a loss is NaN or infinite. Steps count from 1.
// Proof      tests/divergence_test.cpp
#pragma once

#include "cpu/device.h"

namespace attnunet::cpu {

/// `first` is updated from the losses [N] of step number `step` >= 1.
void record_divergence(Device& device, Index* first, const double* losses, Index N, Index step);

}  // namespace attnunet::cpu
