// attnunet audit: Table I of Laghmati et al. 2023 beside what predicting nothing scores under its protocol.
//
// The protocol, as far as the paper tells it: training is the first 80 % of the case order and validation the rest
// (Keras' validation_split of the folder), which is 23 malignant and 133 normal images of BUSI; IoU is
// tf.keras.metrics.MeanIoU(2) on probabilities that it truncates to integers (metrics.h, keras_mean_iou). Predicting
// nothing has no true and no false positives: all lesion pixels are missed, all others right.
// Honest beside it: lesion IoU and Dice, means over the images that have a lesion, and pooled over all pixels.
// Proof: tests/audit_test.cpp
#pragma once

namespace attnunet::app {

class Command;

/// Sets exit_code to 130 if it was interrupted.
void add_audit_command(Command& app, int& exit_code);

}  // namespace attnunet::app
