// Batch norm, ReLU and dropout in one operation on the GPU; the math is in src/cpu/batch_norm_relu_dropout.h.
//
// Mapping     chunk_share.h. Plain: a thread keeps one channel. Tuned, for float where C % 4 == 0 and the tensors lie
// on
//             16-byte boundaries: a thread keeps four channels, reads and writes 16 bytes at a time, and draws
//             dropout's four words (those of elements i .. i + 3, i % 4 == 0) once instead of once an element. The
//             arithmetic of an element is the same, so is y to the bit; only the sums of backward add in another order.
// Bytes       of n = pixels C elements of T: forward 2 n (x, y), either kind. Backward 7 n in two passes: sums of g and
//             g (x - mean) read dy, y, x; then dx is written from the same three. (Storing g between the passes would
//             make it 8 n.) The plain layers in turn: 6 n and 11 n, without counting the statistics.
// Order       as batch_norm.h has it: a thread adds its pixels in order, in T; then double.
#pragma once

#include "common/core/batch_norm_views.h"
#include "common/core/dropout_key.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// Elements that backward needs as workspace, of either T. Doubles lie in it: aligned as a Buffer is.
template <class M>
Index batch_norm_relu_dropout_workspace(const Device<M>& device, Index pixels, Index C);

template <class M, class T>
void batch_norm_relu_dropout_forward(Device<M>& device, Values<T> y, Const<Values<T>> x,
                                     Const<BatchStatistics<T>> batch, Const<BatchNormParameters<T>> parameters,
                                     const Dropout& dropout);

template <class M, class T>
void batch_norm_relu_dropout_backward(Device<M>& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                      Const<Gradients<T>> dy, Const<Values<T>> y, const BatchNormSaved<T>& saved,
                                      double rate, T* workspace);

}  // namespace attnunet::cuda
