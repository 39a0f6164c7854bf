// Folding: a convolution and the batch norm behind it, in inference, are one convolution with a bias.
//
// Shapes     w [K, n] (n = R R C weights of each output channel); gamma, beta, running_mean, running_var [K].
// Inference  a = w * x,  y = gamma (a - mean) / sqrt(var + eps) + beta  with the running statistics, which are
//            constants. The convolution is linear, so a factor of its output may stand at its weights:
//              s_k = gamma_k / sqrt(var_k + eps)
//              y_k = s_k (w_k * x) + (beta_k - s_k mean_k) = (w'_k * x) + b'_k,
//              w'_k = s_k w_k,    b'_k = beta_k - s_k mean_k.
//            A bias of the convolution would be one more constant; convolutions before batch norms have none.
// In place   w becomes w', and beta becomes b'. Both are computed in double and rounded once.
// Backward   none: training needs the batch's statistics, which are functions of a.
// Proof      tests/fold_batch_norm_test.cpp
#pragma once

#include "common/core/batch_norm_views.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// w [K, n] and beta [K] are overwritten.
template <class T>
void fold_batch_norm(Device& device, T* w, BatchNormParameters<T> parameters, Const<RunningStatistics<T>> running,
                     Index K, Index n);

}  // namespace attnunet::cpu
