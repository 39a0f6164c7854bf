// Batch norm on the GPU; the math is in src/cpu/batch_norm.h.
//
// Mapping     lanes.h: a thread keeps one channel and walks over pixels of its block's chunk, neighbouring threads on
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
#include "cuda/device.h"

namespace attnunet::cuda {

/// Batch statistics from those of chunks of pixels, for whoever has summed them already: chunk_means and chunk_m2
/// [chunks, C] are the mean and the sum of squares about it of pixels i chunk_pixels ... min(pixels, (i + 1)
/// chunk_pixels) - 1 in row i. Writes mean and inv_std [C] and updates the running ones as batch_norm_statistics does.
/// The chunks' means are rounded to T, which moves the variance by no more than 2 u |mean| deviation (u: T's roundoff):
/// each mean by u |mean|, times twice its distance from the batch's, which is a deviation in the mean square or less.
template <class M, class T>
void combine_channel_statistics(Device<M>& device, T* mean, T* inv_std, T* running_mean, T* running_var,
                                const T* chunk_means, const T* chunk_m2, Index chunk_pixels, Index pixels, Index C);

/// Elements that forward and backward need as workspace, of either T. Doubles lie in it: aligned as a Buffer is.
template <class M>
Index batch_norm_workspace(const Device<M>& device, Index pixels, Index C);

template <class M, class T>
void batch_norm_statistics(Device<M>& device, T* mean, T* inv_std, T* running_mean, T* running_var, const T* x,
                           T* workspace, Index pixels, Index C);

template <class M, class T>
void batch_norm_forward(Device<M>& device, T* y, T* mean, T* inv_std, T* running_mean, T* running_var, const T* x,
                        const T* gamma, const T* beta, T* workspace, Index pixels, Index C);

template <class M, class T>
void batch_norm_backward(Device<M>& device, T* dx, T* dgamma, T* dbeta, const T* dy, const T* x, const T* mean,
                         const T* inv_std, const T* gamma, T* workspace, Index pixels, Index C);

/// What batch norm's backward makes of the sums of its chunks, partial [2, chunks, C]: sum dy and sum dy (x - mean).
/// Besides the gradients the two coefficients of
///   dx = gamma inv_std (dy - dy_mean - (x - mean) slope),    dy_mean = dbeta / n, slope = inv_std dgamma / n.
template <class M, class T>
void combine_gradient_sums(Device<M>& device, T* dgamma, T* dbeta, T* dy_mean, T* slope, const double* partial,
                           const T* inv_std, Index chunks, Index pixels, Index C);

template <class M, class T>
void batch_norm_inference_forward(Device<M>& device, T* y, const T* x, const T* gamma, const T* beta,
                                  const T* running_mean, const T* running_var, Index pixels, Index C);

template <class M, class T>
void batch_norm_inference_backward(Device<M>& device, T* dx, T* dgamma, T* dbeta, const T* dy, const T* x,
                                   const T* running_mean, const T* running_var, const T* gamma, T* workspace,
                                   Index pixels, Index C);

}  // namespace attnunet::cuda
