// What the weight gradients of all convolutions share: how a long sum over pixels is cut into partial sums.
//
// The cut depends on the shape only and the partial sums are added in order, so the bits do not depend on the number of
// threads; and no float32 chain gets long enough to lose digits (a chain of L roundings costs about sqrt(L) 2^-24).
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// Pixels (columns) that one matrix product works on, about: enough to pay for packing the weights, few enough that
/// the tile stays in the L2 cache.
constexpr Index tile_columns = 512;

/// Image rows in a tile of about tile_columns columns where a row has `columns`; the rows are shared out evenly.
inline Index tile_rows(Index columns, Index rows) {
  const Index wanted = (tile_columns + columns / 2) / columns;
  const Index tiles = (rows + (wanted > 0 ? wanted : 1) - 1) / (wanted > 0 ? wanted : 1);
  return (rows + tiles - 1) / tiles;
}

/// Part `index` of `size` things shared out to `parts`.
struct Part {
  Part(Index index, Index parts, Index size) : begin(size * index / parts), end(size * (index + 1) / parts) {}
  Index size() const { return end - begin; }
  Index begin, end;
};

/// Slices of the output channels: where there are few tiles or chunks, threads share out the channels as well.
inline Index channel_slices(Index tiles, Index channels) {
  return tiles >= 16 ? 1 : (channels + 127) / 128;
}

/// Number of partial sums for `weights` weights over `tiles` tiles: 64, fewer where the copies would take much memory.
Index weight_gradient_chunks(Index tiles, Index weights);
/// Elements for the partial sums; none where one chunk goes straight to dw.
Index weight_gradient_workspace(Index chunks, Index weights);
/// dw[i] = partials[0][i] + partials[1][i] + ..., partials [chunks, weights]. Nothing to do for one chunk.
template <class T>
void add_weight_gradients(Device& device, T* dw, const T* partials, Index chunks, Index weights);

Index bias_gradient_workspace(Index pixels, Index channels);
/// db[k] = sum over p of dy[p, k].
template <class T>
void bias_gradient(Device& device, T* db, Const<Gradients<T>> dy, T* workspace);

}  // namespace attnunet::cpu
