#include "cpu/conv2d_direct.h"

#include <omp.h>

#include <algorithm>

#include "cpu/bordered_tile.h"
#include "cpu/pixel_product.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

// How images are cut into tiles of rows: about tile_columns pixels, fewer where a tile would not leave room for the
// weights in the L2 cache.
struct DirectTiles {
  explicit DirectTiles(const Conv2dGeometry& g) : H(g.H), row_pixels(g.W + 1) {
    constexpr Index most_elements = 1 << 16;
    rows = std::min(tile_rows(row_pixels, H), std::max<Index>(1, most_elements / (row_pixels * g.C) - 2));
    per_image = (H + rows - 1) / rows;
    count = g.N * per_image;
    input = whole_cache_lines(((rows + 2) * row_pixels + 1) * g.C);
  }
  Index image(Index tile) const { return tile / per_image; }
  Index begin(Index tile) const { return tile % per_image * rows; }
  Index height(Index tile) const { return std::min(rows, H - begin(tile)); }

  Index H, row_pixels, rows, per_image, count;
  Index input;  // elements of a tile with its zeros
};

// All panels of the weights at(d, k) of output channel k, d = tap C + c.
template <class T, class At>
void pack(Device& device, T* packed, Index C, Index K, const At& at) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < panels<T>(K); ++p) pack_panel(packed, p, 9 * C, K, at);
}

// The convolution of x [N,H,W,C] to y [N,H,W,K] with packed weights.
template <class T>
void convolve(Device& device, Matrix<T> y, Matrix<const T> x, const T* packed, const Epilogue<T>& epilogue, T* scratch,
              const Conv2dGeometry& g) {
  const T* bias = epilogue.bias;
  const Write write = epilogue.write;
  const Activation activation = epilogue.activation;
  const DirectTiles tiles(g);
  const Index C = g.C, K = g.K, W = g.W, row_pixels = tiles.row_pixels, slices = channel_slices(tiles.count, K);
#pragma omp parallel num_threads(device.threads())
  {
    T* input = scratch + omp_get_thread_num() * tiles.input;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiles.count * slices; ++task) {
      const Index tile = task / slices, height = tiles.height(tile);
      const Part own(task % slices, slices, panels<T>(K));
      const Index first_row = tiles.image(tile) * g.H + tiles.begin(tile);
      const T* image = x.data + tiles.image(tile) * g.H * W * x.stride;
      load_bordered(input, Matrix<const T>{image, C, g.H * W, x.stride}, g.H, tiles.begin(tile), height);
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
              add_outer_products<T>(sums, input + ((j + r) * row_pixels + w) * C, C, 1, weights + r * 3 * C * panel<T>,
                                    panel<T>, 3 * C);
            T* to = y.data + ((first_row + j) * W + w) * y.stride + k;
            for (int i = 0; i < n; ++i) {
              put_first(to + i * y.stride, sums[i][0], left, write, activation);
              if (right > 0) put_first(to + i * y.stride + lanes<T>, sums[i][1], right, write, activation);
            }
          });
      }
    }
  }
}

Index convolve_workspace(const Device& device, const Conv2dGeometry& g) {
  return packed_size(9 * g.C, g.K) + device.threads() * DirectTiles(g).input;
}

}  // namespace

template <class T>
void conv2d_direct_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                           T* workspace, const Conv2dGeometry& g) {
  const Index C = g.C;
  pack(device, workspace, C, g.K, [&](Index d, Index k) { return w[k * 9 * C + d]; });
  T* scratch = workspace + packed_size(9 * C, g.K);
  convolve<T>(device, matrix(y), matrix(x), workspace, epilogue, scratch, g);
}

template <class T>
void conv2d_direct_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                                 const Conv2dGeometry& g, Write write) {
  const Index C = g.C, K = g.K;
  pack(device, workspace, K, C, [&](Index d, Index c) { return w[(d % K * 9 + 8 - d / K) * C + c]; });
  T* scratch = workspace + packed_size(9 * K, C);
  convolve<T>(device, matrix(dx), matrix(dy), workspace, {nullptr, write}, scratch, g.swapped());
}

namespace {

// Scratch memory of a thread for the weights' gradient: a tile of x, a panel of dy's, and the sums [panel][9C].
struct DirectWeightsScratch {
  DirectWeightsScratch(const Conv2dGeometry& g, const DirectTiles& tiles, Index slices)
      : input(tiles.input),
        gradients(panel<float> * tiles.rows * tiles.row_pixels),
        size(input + gradients + whole_cache_lines(widest(g, slices) * 9 * g.C)) {}
  static Index widest(const Conv2dGeometry& g, Index slices) {
    return ((g.K + slices - 1) / slices + 2 * panel<float>) / panel<float> * panel<float>;
  }
  Index input, gradients, size;
};

}  // namespace

template <class T>
void conv2d_direct_backward_weights(Device& device, T* dw, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                                    const Conv2dGeometry& g) {
  const DirectTiles tiles(g);
  const Index C = g.C, K = g.K, W = g.W, row_pixels = tiles.row_pixels, depth = 9 * C;
  const Index chunks = weight_gradient_chunks(tiles.count, g.weights()), slices = channel_slices(chunks, K);
  const DirectWeightsScratch layout(g, tiles, slices);
  T* partials = chunks == 1 ? dw : workspace;
  T* scratch = workspace + whole_cache_lines(weight_gradient_workspace(chunks, g.weights()));
#pragma omp parallel num_threads(device.threads())
  {
    T* input = scratch + omp_get_thread_num() * layout.size;
    T* gradients = input + layout.input;
    T* sum = gradients + layout.gradients;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < chunks * slices; ++task) {
      const Part chunk(task / slices, chunks, tiles.count), own(task % slices, slices, panels<T>(K));
      std::fill_n(sum, own.size() * depth * panel<T>, T(0));
      for (Index tile = chunk.begin; tile < chunk.end; ++tile) {
        const Index image = tiles.image(tile) * g.H * W, height = tiles.height(tile), columns = height * row_pixels - 1;
        load_bordered(input, Matrix<const T>{x.data + image * x.stride, C, g.H * W, x.stride}, g.H, tiles.begin(tile),
                      height);
        // As conv2d.cpp has it: row by row if 0 times the end of a row would be NaN.
        const bool together = row_ends_are_finite(input, W, C, height);
        for (Index p = own.begin; p < own.end; ++p) {
          // The column between two rows is no pixel: zeros, as are the channels beyond the last.
          const Index k = p * panel<T>, width = std::min(panel<T>, K - k);
          T* to = gradients;
          for (Index j = 0; j < height; ++j) {
            const T* from = dy.data + (image + (tiles.begin(tile) + j) * W) * dy.stride + k;
            for (Index w = 0; w < row_pixels; ++w, from += dy.stride, to += panel<T>) {
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
              for (Index first = 0; first < columns; first += together ? columns : row_pixels)
                add_outer_products<T>(sums, input + (r * row_pixels + first) * C + d, 1, C,
                                      gradients + first * panel<T>, panel<T>, together ? columns : W);
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
  const DirectTiles tiles(g);
  const Index chunks = weight_gradient_chunks(tiles.count, g.weights());
  const DirectWeightsScratch scratch(g, tiles, channel_slices(chunks, g.K));
  return std::max(
      {convolve_workspace(device, g), convolve_workspace(device, g.swapped()),
       whole_cache_lines(weight_gradient_workspace(chunks, g.weights())) + device.threads() * scratch.size});
}

#define ATTNUNET_INSTANTIATE(T)                                                                              \
  template void conv2d_direct_forward(Device&, Values<T>, Values<const T>, const T*, const Epilogue<T>&, T*, \
                                      const Conv2dGeometry&);                                                \
  template void conv2d_direct_backward_data(Device&, Gradients<T>, Gradients<const T>, const T*, T*,         \
                                            const Conv2dGeometry&, Write);                                   \
  template void conv2d_direct_backward_weights(Device&, T*, Gradients<const T>, Values<const T>, T*,         \
                                               const Conv2dGeometry&);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
