// Products with matrices whose columns are pixels, on the micro-kernel of vector.h: 1x1 and transposed convolutions.
//
// Forward    y_p = b + sum over taps t, d < depth of x_{p,t,d} W_{t,d}: a few neighbouring pixels p and a panel of
//            channels stay in registers while all products are added; x is read where it lies.
// Gradient   of W: the same micro-kernel with the pixels for depth, sum_{r,:} += sum over p of a_{p,r} b_p.
// Weights    are packed beforehand, [panel][tap and d][channels of the panel], so that each step reads the next
//            numbers.
// Proof      tests/conv2d_test.cpp, tests/conv_transpose2d_test.cpp
#pragma once

#include <algorithm>

#include "cpu/copy_pixels.h"
#include "cpu/matrix_product.h"
#include "cpu/vector.h"

namespace attnunet::cpu {

/// Pixels of a tile that stays in the L2 cache while panels of weights go by: about 2^15 numbers.
inline Index tile_pixels(Index channels) {
  return std::clamp<Index>((Index{1} << 15) / channels, 32, 512);
}

/// Elements of packed weights, whatever T: no panel is wider than float's.
inline Index packed_size(Index depth, Index channels) {
  return panels<float>(channels) * panel<float> * depth;
}

/// Panel p of the weights at(d, k), zero for channels beyond the last, at its place in `packed`.
template <class T, class At>
void pack_panel(T* packed, Index p, Index depth, Index channels, const At& at) {
  for (Index d = 0; d < depth; ++d)
    for (Index k = 0; k < panel<T>; ++k) {
      const Index channel = p * panel<T> + k;
      packed[(p * depth + d) * panel<T> + k] = channel < channels ? at(d, channel) : T(0);
    }
}

/// The channels of panel p of y, a column for each pixel. Tap t of a pixel is its column of x moved by taps[t]
/// elements. A panel that is at most half full (one in the attention gates) does half the work.
template <class T, int tap_count>
void multiply_pixels(Matrix<T> y, Matrix<const T> x, const Index (&taps)[tap_count], const T* packed,
                     const Epilogue<T>& epilogue, Index p) {
  const Index k = p * panel<T>, width = y.rows - k, depth = x.rows;
  const T* bias = epilogue.bias;
  const Write write = epilogue.write;
  const Activation activation = epilogue.activation;
  const T* weights = packed + p * tap_count * depth * panel<T>;
  const auto multiply = [&](auto vector_count) {
    constexpr int vectors = decltype(vector_count)::value;
    Vector<T> b[vectors];
    for (int v = 0; v < vectors; ++v)
      b[v] = bias ? load_first(bias + k + v * lanes<T>, width - v * lanes<T>) : Vector<T>{};
    for_row_blocks(y.columns, [&](auto number, Index begin) {
      constexpr int n = decltype(number)::value;
      Vector<T> sums[n][vectors];
      for (int i = 0; i < n; ++i)
        for (int v = 0; v < vectors; ++v) sums[i][v] = b[v];
      for (int t = 0; t < tap_count; ++t)
        add_outer_products<T>(sums, x.data + taps[t] + begin * x.stride, x.stride, 1, weights + t * depth * panel<T>,
                              panel<T>, depth);
      T* to = y.data + begin * y.stride + k;
      for (int i = 0; i < n; ++i)
        for (int v = 0; v < vectors; ++v)
          put_first(to + i * y.stride + v * lanes<T>, sums[i][v], width - v * lanes<T>, write, activation);
    });
  };
  if (width <= lanes<T>)
    multiply(std::integral_constant<int, 1>());
  else
    multiply(std::integral_constant<int, 2>());
}

/// The channels of panel p of the pixels x: where they lie, or, with fewer than a panel has, copied to scratch memory
/// with zeros behind them.
template <class T>
Matrix<const T> panel_of_pixels(T* scratch, Matrix<const T> x, Index p) {
  const T* first = x.data + p * panel<T>;
  const Index width = x.rows - p * panel<T>;
  if (width >= panel<T>) return {first, panel<T>, x.columns, x.stride};
  std::fill_n(scratch, x.columns * panel<T>, T(0));
  copy_pixels(scratch, panel<T>, first, x.stride, x.columns, width);
  return {scratch, panel<T>, x.columns, panel<T>};
}

/// sum [rows of a][panel]: sum_{r,:} += sum over the pixels of a_{p,r} b_p; b is a panel of the same pixels.
template <class T>
void add_pixel_products(T* sum, Matrix<const T> a, Matrix<const T> b) {
  for_row_blocks(a.rows, [&](auto number, Index r) {
    constexpr int n = decltype(number)::value;
    Vector<T> sums[n][2];
    T* place = sum + r * panel<T>;
    for (int i = 0; i < n; ++i)
      for (int v = 0; v < 2; ++v) sums[i][v] = load(place + i * panel<T> + v * lanes<T>);
    add_outer_products<T>(sums, a.data + r, 1, a.stride, b.data, b.stride, a.columns);
    for (int i = 0; i < n; ++i)
      for (int v = 0; v < 2; ++v) store(place + i * panel<T> + v * lanes<T>, sums[i][v]);
  });
}

}  // namespace attnunet::cpu
