// Convolution and, of its output, the batch statistics that the batch norm behind it needs: one operation, so that a
// backend may sum while the output is still at hand instead of reading it from memory once more.
//
// Shapes     x [N,H,W,C], w [K,R,R,C] -> y [N,H,W,K]; mean, inv_std, running_mean, running_var [K].
// Forward    y = conv2d(x, w), without a bias (batch norm subtracts any constant);
//            mean_k, inv_std_k of the N*H*W values y_{..k}, and the running statistics updated, as cpu/batch_norm.h has
//            them.
// Saved      x, y, mean, inv_std.
//
// Backward   needs no function of its own. The statistics are functions of y, and their part of dL/dy,
//              dL/dmean dmean/dy + dL/dvar dvar/dy,
//            is what batch norm's backward contains as its second and third term: batch_norm_relu_dropout_backward
//            gives the whole dL/dy, and from that conv2d_backward_weights and conv2d_backward_data give dw and dx.
//
// Method     Here: the convolution, then the statistics in a pass of their own. (Plain loops: conv2d_reference.cpp,
//            batch_norm_reference.cpp.)
// Proof      tests/conv2d_statistics_test.cpp
#pragma once

#include "common/core/batch_norm_views.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// Elements of T that the function below needs as workspace. Doubles lie in it: aligned as a Buffer is.
Index conv2d_statistics_workspace(const Device& device, const Conv2dGeometry& g);

/// y [N,H,W,K] (dense) from x [N,H,W,C] and w [K,R,R,C], and y's statistics [K]. `running` is updated.
template <class T>
void conv2d_statistics_forward(Device& device, Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                               Const<Values<T>> x, const T* w, T* workspace, const Conv2dGeometry& g);

}  // namespace attnunet::cpu
