// What the weight gradients of all convolutions share on the GPU: how a long sum over pixels is cut into partial sums.
// The twin of src/cpu/weight_gradient.h.
//
// The cut depends on the shape only and the partial sums are added in order: the same bits in every run. And no float32
// chain gets long enough to lose digits.
#pragma once

#include <algorithm>

#include "common/core/tensor_view.h"
#include "cuda/chunks.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// Partial sums of the plain kernels for `weights` weights over `pixels` pixels: one for every 256 pixels, at most 64,
/// fewer where the copies would take much memory.
inline Index weight_gradient_chunks(Index pixels, Index weights) {
  constexpr Index chunk_pixels = 256, most_chunks = 64, most_elements = Index{1} << 21;
  return std::max<Index>(1,
                         std::min({(pixels + chunk_pixels - 1) / chunk_pixels, most_chunks, most_elements / weights}));
}

/// Elements for the partial sums; none where one chunk goes straight to dw.
inline Index weight_gradient_workspace(Index chunks, Index weights) {
  return chunks == 1 ? 0 : chunks * weights;
}

/// dw[i] = partials[0][i] + partials[1][i] + ..., partials [chunks, weights]. Nothing to do for one chunk.
/// Up to 32 threads a weight, a power of two that depends on chunks alone: lane l adds chunks l, l + lanes, ... in
/// order, then the first adds the lanes' sums. (One thread after a thousand chunks would wait for memory all along.)
/// Bytes moved: (chunks + 1) weights sizeof(T).
template <class M, class T>
void add_weight_gradients(Device<M>& device, T* dw, const T* partials, Index chunks, Index weights);

inline Index bias_gradient_workspace(Index pixels, Index channels) {
  return chunks_of(pixels, channels).count * channels;
}

/// db[k] = sum over p of dy[p, k].
/// A block sums a chunk of pixels (chunk_share.h): its threads in order, then those of a channel by halves in double.
/// Then a warp a channel adds these sums in double: lane l those of chunks l, l + 32, ... in order, and the lanes in
/// the tree of block_sum. Bytes moved: pixels channels sizeof(T).
template <class M, class T>
void bias_gradient(Device<M>& device, T* db, Const<Gradients<T>> dy, T* workspace);

}  // namespace attnunet::cuda
