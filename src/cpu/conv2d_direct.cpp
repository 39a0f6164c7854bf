#include "cpu/conv2d_direct.h"

#include <omp.h>

#include <algorithm>

#include "cpu/bordered_tile.h"
#include "cpu/pixel_product.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

Index whole_cache_lines(Index elements) {
  return (elements + 15) / 16 * 16;
}

// How images are cut into tiles of rows: about tile_columns pixels, fewer where a tile would not leave room for the
// weights in the L2 cache.
struct Tiling {
  explicit Tiling(const Conv2dGeometry& g) : H(g.H), pitch(g.W + 1) {
    constexpr Index most_elements = 1 << 16;
    rows = std::min(tile_rows(pitch, H), std::max<Index>(1, most_elements / (pitch * g.C) - 2));
    per_image = (H + rows - 1) / rows;
    tiles = g.N * per_image;
    input = whole_cache_lines(((rows + 2) * pitch + 1) * g.C);
  }
  Index image(Index tile) const { return tile / per_image; }
  Index begin(Index tile) const { return tile % per_image * rows; }
  Index height(Index tile) const { return std::min(rows, H - begin(tile)); }

  Index H, pitch, rows, per_image, tiles;
  Index input;  // elements of a tile with its zeros
};

// All panels of the weights at(d, k) of output channel k, d = tap C + c.
template <class T, class At>
void pack(Device& device, T* packed, Index C, Index K, const At& at) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < panels<T>(K); ++p) pack_panel(packed, p, 9 * C, K, at);
}

// The convolution of x [N,H,W,C] to y [N,H,W,K] with packed weights; pixels are x_pixel and y_pixel elements apart.
template <class T>
void convolve(Device& device, T* y, Index y_pixel, const T* x, Index x_pixel, const T* packed, const T* bias,
              T* scratch, const Conv2dGeometry& g, Write write, Activation activation) {
  const Tiling tiling(g);
  const Index C = g.C, K = g.K, W = g.W, pitch = tiling.pitch, slices = channel_slices(tiling.tiles, K);
#pragma omp parallel num_threads(device.threads())
  {
    T* input = scratch + omp_get_thread_num() * tiling.input;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiling.tiles * slices; ++task) {
      const Index tile = task / slices, height = tiling.height(tile);
      const Part own(task % slices, slices, panels<T>(K));
      const Index first_row = tiling.image(tile) * g.H + tiling.begin(tile);
      load_bordered(input, x + tiling.image(tile) * g.H * W * x_pixel, x_pixel, g.H, W, C, tiling.begin(tile), height);
      for (Index p = own.begin; p < own.end; ++p) {
        const Index k = p * panel<T>, left = K - k, right = left - lanes<T>;
        const T* weights = packed + p * 9 * C * panel<T>;
        const Vector<T> b0 = bias ? load_first(bias + k, left) : Vector<T>{};
        const Vector<T> b1 = bias && right > 0 ? load_first(bias + k + lanes<T>, right) : Vector<T>{};
        for (Index j = 0; j < height; ++j)
          for_row_blocks(W, [&](auto number, Index w) {
            constexpr int n = decltype(number)::value;
            Vector<T> sums[n][2];
            for (int i = 0; i < n; ++i) {
              sums[i][0] = b0;
              sums[i][1] = b1;
            }
            for (Index r = 0; r < 3; ++r)
              add_outer_products<T>(sums, input + ((j + r) * pitch + w) * C, C, 1, weights + r * 3 * C * panel<T>,
                                    panel<T>, 3 * C);
            T* to = y + ((first_row + j) * W + w) * y_pixel + k;
            for (int i = 0; i < n; ++i) {
              put_first(to + i * y_pixel, sums[i][0], left, write, activation);
              if (right > 0) put_first(to + i * y_pixel + lanes<T>, sums[i][1], right, write, activation);
            }
          });
      }
    }
  }
}

Index convolve_workspace(const Device& device, const Conv2dGeometry& g) {
  return packed_size(9 * g.C, g.K) + device.threads() * Tiling(g).input;
}

Conv2dGeometry swapped(const Conv2dGeometry& g) {
  return {g.N, g.H, g.W, g.K, g.C, g.R};
}

}  // namespace

template <class T>
void conv2d_direct_forward(Device& device, T* y, const T* x, const T* w, const T* bias, T* workspace,
                           const Conv2dGeometry& g, Write write, Activation activation) {
  const Index C = g.C;
  pack(device, workspace, C, g.K, [&](Index d, Index k) { return w[k * 9 * C + d]; });
  convolve(device, y, g.K, x, g.x_pixel(), workspace, bias, workspace + packed_size(9 * C, g.K), g, write, activation);
}

template <class T>
void conv2d_direct_backward_data(Device& device, T* dx, const T* dy, const T* w, T* workspace, const Conv2dGeometry& g,
                                 Write write) {
  const Index C = g.C, K = g.K;
  pack(device, workspace, K, C, [&](Index d, Index c) { return w[(d % K * 9 + 8 - d / K) * C + c]; });
  convolve(device, dx, g.x_pixel(), dy, K, workspace, static_cast<const T*>(nullptr), workspace + packed_size(9 * K, C),
           swapped(g), write, Activation::none);
}

namespace {

// Scratch memory of a thread for the weights' gradient: a tile of x, a panel of dy's, and the sums [panel][9C].
struct WeightsScratch {
  WeightsScratch(const Conv2dGeometry& g, const Tiling& tiling, Index slices)
      : input(tiling.input),
        gradients(panel<float> * tiling.rows * tiling.pitch),
        size(input + gradients + whole_cache_lines(widest(g, slices) * 9 * g.C)) {}
  static Index widest(const Conv2dGeometry& g, Index slices) {
    return ((g.K + slices - 1) / slices + 2 * panel<float>) / panel<float> * panel<float>;
  }
  Index input, gradients, size;
};

}  // namespace

template <class T>
void conv2d_direct_backward_weights(Device& device, T* dw, const T* dy, const T* x, T* workspace,
                                    const Conv2dGeometry& g) {
  const Tiling tiling(g);
  const Index C = g.C, K = g.K, W = g.W, pitch = tiling.pitch, depth = 9 * C;
  const Index chunks = weight_gradient_chunks(tiling.tiles, g.weights()), slices = channel_slices(chunks, K);
  const WeightsScratch layout(g, tiling, slices);
  T* partials = chunks == 1 ? dw : workspace;
  T* scratch = workspace + whole_cache_lines(weight_gradient_workspace(chunks, g.weights()));
#pragma omp parallel num_threads(device.threads())
  {
    T* input = scratch + omp_get_thread_num() * layout.size;
    T* gradients = input + layout.input;
    T* sum = gradients + layout.gradients;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < chunks * slices; ++task) {
      const Part chunk(task / slices, chunks, tiling.tiles), own(task % slices, slices, panels<T>(K));
      std::fill_n(sum, own.size() * depth * panel<T>, T(0));
      for (Index tile = chunk.begin; tile < chunk.end; ++tile) {
        const Index image = tiling.image(tile) * g.H * W, height = tiling.height(tile), columns = height * pitch - 1;
        load_bordered(input, x + image * g.x_pixel(), g.x_pixel(), g.H, W, C, tiling.begin(tile), height);
        for (Index p = own.begin; p < own.end; ++p) {
          // The column between two rows is no pixel: zeros, as are the channels beyond the last.
          const Index k = p * panel<T>, width = std::min(panel<T>, K - k);
          T* to = gradients;
          for (Index j = 0; j < height; ++j) {
            const T* from = dy + (image + (tiling.begin(tile) + j) * W) * K + k;
            for (Index w = 0; w < pitch; ++w, from += K, to += panel<T>) {
              const Index real = w < W ? width : 0;
              std::copy_n(from, real, to);
              std::fill_n(to + real, panel<T> - real, T(0));
            }
          }
          for (Index r = 0; r < 3; ++r)
            for_row_blocks(3 * C, [&](auto number, Index d) {
              constexpr int n = decltype(number)::value;
              Vector<T> sums[n][2];
              T* place = sum + ((p - own.begin) * depth + r * 3 * C + d) * panel<T>;
              for (int i = 0; i < n; ++i)
                for (int v = 0; v < 2; ++v) sums[i][v] = load(place + i * panel<T> + v * lanes<T>);
              add_outer_products<T>(sums, input + r * pitch * C + d, 1, C, gradients, panel<T>, columns);
              for (int i = 0; i < n; ++i)
                for (int v = 0; v < 2; ++v) store(place + i * panel<T> + v * lanes<T>, sums[i][v]);
            });
        }
      }
      for (Index p = own.begin; p < own.end; ++p)
        for (Index k = p * panel<T>; k < std::min(K, (p + 1) * panel<T>); ++k)
          for (Index d = 0; d < depth; ++d)
            partials[(task / slices * K + k) * depth + d] =
                sum[((p - own.begin) * depth + d) * panel<T> + k % panel<T>];
    }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

Index conv2d_direct_workspace(const Device& device, const Conv2dGeometry& g) {
  const Tiling tiling(g);
  const Index chunks = weight_gradient_chunks(tiling.tiles, g.weights());
  const WeightsScratch scratch(g, tiling, channel_slices(chunks, g.K));
  return std::max(
      {convolve_workspace(device, g), convolve_workspace(device, swapped(g)),
       whole_cache_lines(weight_gradient_workspace(chunks, g.weights())) + device.threads() * scratch.size});
}

template void conv2d_direct_forward(Device&, float*, const float*, const float*, const float*, float*,
                                    const Conv2dGeometry&, Write, Activation);
template void conv2d_direct_forward(Device&, double*, const double*, const double*, const double*, double*,
                                    const Conv2dGeometry&, Write, Activation);
template void conv2d_direct_backward_data(Device&, float*, const float*, const float*, float*, const Conv2dGeometry&,
                                          Write);
template void conv2d_direct_backward_data(Device&, double*, const double*, const double*, double*,
                                          const Conv2dGeometry&, Write);
template void conv2d_direct_backward_weights(Device&, float*, const float*, const float*, float*,
                                             const Conv2dGeometry&);
template void conv2d_direct_backward_weights(Device&, double*, const double*, const double*, double*,
                                             const Conv2dGeometry&);

}  // namespace attnunet::cpu
