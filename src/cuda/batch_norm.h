// Batch norm on the GPU; the math is in src/cpu/batch_norm.h.
//
// Mapping     chunk_share.h: a thread keeps one channel and walks over pixels of its block's chunk, neighbouring
// threads on
//             neighbouring elements for any C. All kernels here are plain; the network runs the fused operations
//             (conv2d_statistics.h, batch_norm_relu_dropout.h).
// Statistics  two stages. A block a chunk reads the chunk twice, from memory and from the cache: first its mean, then
//             the squares about it, corrected for that mean's rounding. Then combine_channel_statistics's kernel
//             merges the chunks (means and M2 = sum (x - chunk mean)^2, in double): with n_i pixels in chunk i
//               mean = sum n_i mean_i / n        M2 = sum (M2_i + n_i (mean_i - mean)^2)
// Order       a thread adds its pixels in order, in T (a 1024th of the pixels over the pixels side by side in a block,
//             128 for 33 million elements); the threads of a channel are folded by halves in double; chunks are added
//             by the threads of one block, in order, and folded by halves.
// Bytes       of n = pixels C elements of T. Statistics: n once from memory. Forward: 3 n (x twice, y). Backward: 5 n
//             (dy and x twice, dx). Inference: 2 n forward, 4 n backward.
#pragma once

#include "common/core/batch_norm_constants.h"
#include "common/core/batch_norm_views.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// The mean of each chunk of pixels and the sum of squares about it, both [chunks, C]. Row i is about pixels
/// i chunk_pixels ... min(pixels, (i + 1) chunk_pixels) - 1. P is what they are kept in.
template <class P>
struct ChunkStatistics {
  const P *means, *m2;
  Index chunk_pixels, pixels;
};

/// Batch statistics from those of chunks, for whoever has summed them already. Writes the batch's mean and inv_std [C]
/// and updates the running ones as batch_norm_statistics does.
/// The chunks' means are rounded to T, which moves the variance by no more than 2 u |mean| deviation (u: T's roundoff):
/// each mean by u |mean|, times twice its distance from the batch's, which is a deviation in the mean square or less.
template <class M, class T>
void combine_channel_statistics(Device<M>& device, BatchStatistics<T> batch, RunningStatistics<T> running,
                                const ChunkStatistics<T>& chunks, Index C);

/// Elements that forward and backward need as workspace, of either T. Doubles lie in it: aligned as a Buffer is.
template <class M>
Index batch_norm_workspace(const Device<M>& device, Index pixels, Index C);

template <class M, class T>
void batch_norm_statistics(Device<M>& device, BatchStatistics<T> batch, RunningStatistics<T> running,
                           Const<Values<T>> x, T* workspace);

template <class M, class T>
void batch_norm_forward(Device<M>& device, Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                        Const<Values<T>> x, Const<BatchNormParameters<T>> parameters, T* workspace);

template <class M, class T>
void batch_norm_backward(Device<M>& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                         Const<Gradients<T>> dy, const BatchNormSaved<T>& saved, T* workspace);

/// The two coefficients of each channel in  dx = gamma inv_std (dy - dy_mean - (x - mean) slope):
/// dy_mean = dbeta / n, slope = inv_std dgamma / n.
template <class T>
struct InputGradientCoefficients {
  T *dy_mean, *slope;
};

/// What batch norm's backward makes of the sums of its chunks, partial [2, chunks, C]: sum dy and sum dy (x - mean).
template <class M, class T>
void combine_gradient_sums(Device<M>& device, BatchNormParameters<T> d_parameters,
                           InputGradientCoefficients<T> coefficients, const double* partial, const T* inv_std,
                           Index chunks, Index pixels, Index C);

template <class M, class T>
void batch_norm_inference_forward(Device<M>& device, Values<T> y, Const<Values<T>> x,
                                  Const<BatchNormParameters<T>> parameters, Const<RunningStatistics<T>> running);

template <class M, class T>
void batch_norm_inference_backward(Device<M>& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                   Const<Gradients<T>> dy, Const<Values<T>> x, Const<BatchNormParameters<T>> parameters,
                                   Const<RunningStatistics<T>> running, T* workspace);

}  // namespace attnunet::cuda
