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

/// The channels of panel p of y_p for `pixels` pixels, y_step and x_step elements apart. Tap t of a pixel begins at its
/// x + taps[t] and has `depth` numbers. A panel that is at most half full (one in the attention gates) does half the
/// work.
template <class T, int tap_count>
void multiply_pixels(T* y, Index y_step, const T* x, Index x_step, const Index (&taps)[tap_count], Index depth,
                     const T* packed, const T* bias, Index p, Index channels, Index pixels, Write write,
                     Activation activation) {
  const Index k = p * panel<T>, width = channels - k;
  const T* weights = packed + p * tap_count * depth * panel<T>;
  const auto multiply = [&](auto vector_count) {
    constexpr int vectors = decltype(vector_count)::value;
    Vector<T> b[vectors];
    for (int v = 0; v < vectors; ++v)
      b[v] = bias ? load_first(bias + k + v * lanes<T>, width - v * lanes<T>) : Vector<T>{};
    for_row_blocks(pixels, [&](auto number, Index begin) {
      constexpr int n = decltype(number)::value;
      Vector<T> sums[n][vectors];
      for (int i = 0; i < n; ++i)
        for (int v = 0; v < vectors; ++v) sums[i][v] = b[v];
      for (int t = 0; t < tap_count; ++t)
        add_outer_products<T>(sums, x + taps[t] + begin * x_step, x_step, 1, weights + t * depth * panel<T>, panel<T>,
                              depth);
      T* to = y + begin * y_step + k;
      for (int i = 0; i < n; ++i)
        for (int v = 0; v < vectors; ++v)
          put_first(to + i * y_step + v * lanes<T>, sums[i][v], width - v * lanes<T>, write, activation);
    });
  };
  if (width <= lanes<T>)
    multiply(std::integral_constant<int, 1>());
  else
    multiply(std::integral_constant<int, 2>());
}

/// The channels of panel p of `pixels` pixels of x: where they lie, or, with fewer than a panel has, copied to scratch
/// memory with zeros behind them.
template <class T>
struct PanelOfPixels {
  PanelOfPixels(T* scratch, const T* x, Index x_step, Index pixels, Index p, Index channels)
      : data(x + p * panel<T>), step(x_step) {
    const Index width = channels - p * panel<T>;
    if (width >= panel<T>) return;
    std::fill_n(scratch, pixels * panel<T>, T(0));
    copy_pixels(scratch, panel<T>, data, step, pixels, width);
    data = scratch;
    step = panel<T>;
  }
  const T* data;
  Index step;
};

/// sum [rows][panel]: sum_{r,:} += sum over `pixels` pixels of a_{p,r} b_p, where a pixel of a has its rows side by
/// side and a pixel of b a panel of numbers.
template <class T>
void add_pixel_products(T* sum, Index rows, const T* a, Index a_step, const T* b, Index b_step, Index pixels) {
  for_row_blocks(rows, [&](auto number, Index r) {
    constexpr int n = decltype(number)::value;
    Vector<T> sums[n][2];
    T* place = sum + r * panel<T>;
    for (int i = 0; i < n; ++i)
      for (int v = 0; v < 2; ++v) sums[i][v] = load(place + i * panel<T> + v * lanes<T>);
    add_outer_products<T>(sums, a + r, 1, a_step, b, b_step, pixels);
    for (int i = 0; i < n; ++i)
      for (int v = 0; v < 2; ++v) store(place + i * panel<T> + v * lanes<T>, sums[i][v]);
  });
}

}  // namespace attnunet::cpu
