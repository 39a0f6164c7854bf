// Batch norm over the channels of an NHWC tensor (Ioffe and Szegedy 2015, algorithm 1).
//
// Shapes     x, y: [n, C] with n = N*H*W pixels; everything else: [C]. Each channel stands for itself, so the rest of
//            this page is about one of them. All sums run over its n pixels.
// Forward    mean = (1/n) sum x_i        var = (1/n) sum (x_i - mean)^2        (biased)
//            inv_std = (var + eps)^(-1/2)
//            xhat_i = (x_i - mean) inv_std        y_i = gamma xhat_i + beta
// Running    running_mean <- 0.9 running_mean + 0.1 mean
//            running_var  <- 0.9 running_var  + 0.1 var n/(n-1)   (unbiased; n = 1, where that is 0/0, takes var = 0)
// Saved      x, mean, inv_std. (xhat follows from them and would cost a tensor.)
//
// Backward, with g_i = dL/dy_i:
//   beta     dy_i/dbeta = 1                 =>  dbeta  = sum g_i
//   gamma    dy_i/dgamma = xhat_i           =>  dgamma = sum g_i xhat_i
//   xhat     dL/dxhat_i = gamma g_i
//   x        x_i reaches L on three ways: through xhat_i itself, through var and through mean.
//     var:   dxhat_i/dvar = (x_i - mean) (-1/2) (var + eps)^(-3/2) = -1/2 xhat_i inv_std^2
//            dL/dvar  = sum_i gamma g_i (-1/2 xhat_i inv_std^2) = -1/2 gamma inv_std^2 dgamma
//     mean:  dxhat_i/dmean = -inv_std, and dvar/dmean = -(2/n) sum (x_i - mean) = 0
//            dL/dmean = sum_i gamma g_i (-inv_std) = -gamma inv_std dbeta
//     together, with dvar/dx_i = (2/n) (x_i - mean) = (2/n) xhat_i / inv_std (its part through mean is 0, as above)
//     and dmean/dx_i = 1/n:
//            dx_i = gamma g_i inv_std                                     through xhat_i
//                 + (-1/2 gamma inv_std^2 dgamma) (2/n) xhat_i / inv_std  through var
//                 + (-gamma inv_std dbeta) / n                            through mean
//                 = gamma inv_std (g_i - dbeta / n - xhat_i dgamma / n)
//   The second and third term take from g its mean and its component along xhat, the two directions in which x can
//   move without moving y. Hence sum dx_i = 0 exactly, and sum dx_i xhat_i = 0 up to eps.
//
// NaN        or infinity in x makes the statistics, and with them all of its channel, not finite; no other channel.
//
// Inference  mean and var are the running ones, constants: only the first way remains, dx_i = gamma inv_std g_i.
//
// Accuracy   sum x^2 - (sum x)^2 / n would lose every digit where the mean is large against the deviation. The tensor
//            is read once, in blocks that stay in the L1 cache, and each block twice: its mean, then the squares about
//            it with the correction for that mean's rounding; blocks are merged in double (both after Chan, Golub and
//            LeVeque 1983).
// Loops      batch_norm_reference.cpp: these formulas as plain loops. Read it first.
// Proof      tests/batch_norm_test.cpp
#pragma once

#include "common/core/batch_norm_constants.h"
#include "common/core/batch_norm_views.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// All tensors are dense, [n, C].

/// Elements that forward and backward need as workspace, of either T. Doubles lie in it: aligned as a Buffer is.
Index batch_norm_workspace(const Device& device, Index pixels, Index C);

/// The statistics alone: mean and inv_std of the batch x, and the running ones updated.
template <class T>
void batch_norm_statistics(Device& device, BatchStatistics<T> batch, RunningStatistics<T> running, Const<Values<T>> x,
                           T* workspace);

/// Training. `batch` is kept for backward, `running` is updated. y may be x if nobody runs backward.
template <class T>
void batch_norm_forward(Device& device, Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                        Const<Values<T>> x, Const<BatchNormParameters<T>> parameters, T* workspace);

/// Backward of batch_norm_forward: dx, dgamma and dbeta from dy. dx may be dy.
template <class T>
void batch_norm_backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters, Const<Gradients<T>> dy,
                         const BatchNormSaved<T>& saved, T* workspace);

/// The derivative of a ReLU and a dropout behind the batch norm: element i has the factor `scale`, or 0 if y_i <= 0.
/// (batch_norm_relu_dropout.h says what becomes of a dy that is not finite.)
template <class T>
struct ReluDropoutMask {
  Values<const T> y;
  T scale;
};

/// Backward of batch_norm_forward for the upstream gradient mask_i dy_i. The mask is applied where dy is read first, so
/// it costs no pass of its own.
template <class T>
void batch_norm_masked_backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                Const<Gradients<T>> dy, const ReluDropoutMask<T>& mask, const BatchNormSaved<T>& saved,
                                T* workspace);

/// Inference: the statistics are given. y may be x.
template <class T>
void batch_norm_inference_forward(Device& device, Values<T> y, Const<Values<T>> x,
                                  Const<BatchNormParameters<T>> parameters, Const<RunningStatistics<T>> running);

/// Backward of batch_norm_inference_forward. dx may be dy.
template <class T>
void batch_norm_inference_backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                   Const<Gradients<T>> dy, Const<Values<T>> x, Const<BatchNormParameters<T>> parameters,
                                   Const<RunningStatistics<T>> running, T* workspace);

}  // namespace attnunet::cpu
