#include "cpu/conv_transpose2d.h"

#include <omp.h>

#include <algorithm>

#include "cpu/copy_pixels.h"
#include "cpu/matrix_product.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

// Tiles of input rows. Pixels need no neighbours, so the images of the batch follow each other as N*H rows.
struct Tiling {
  explicit Tiling(const ConvTranspose2dGeometry& g)
      : rows(g.N * g.H),
        tiles((rows + tile_rows(g.W, rows) - 1) / tile_rows(g.W, rows)),
        scratch((tile_rows(g.W, rows) * g.W * 2 * g.K + 15) / 16 * 16) {}

  Part tile(Index index) const { return {index, tiles, rows}; }

  Index rows, tiles;
  Index scratch;  // elements, for one row of the kernel: two output pixels for each input pixel of a tile
};

// Y_i of the tile: rows 2h + i of dy, one after the other.
template <class T>
Matrix<const T> load_rows(T* scratch, const T* dy, Part tile, Index i, const ConvTranspose2dGeometry& g) {
  const Index width = 2 * g.W;
  for (Index h = tile.begin; h < tile.end; ++h)
    copy_pixels(scratch + (h - tile.begin) * width * g.K, g.K, dy + (2 * h + i) * width * g.y_pixel(), g.y_pixel(),
                width, g.K);
  return {scratch, 2 * g.K, tile.size() * g.W, 2 * g.K};
}

}  // namespace

template <class T>
void conv_transpose2d_forward(Device& device, T* y, const T* x, const T* w, const T* bias, T* workspace,
                              const ConvTranspose2dGeometry& g) {
  const Tiling tiling(g);
  const Index C = g.C, K = g.K;
#pragma omp parallel num_threads(device.threads())
  {
    T* output = workspace + omp_get_thread_num() * tiling.scratch;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < 2 * tiling.tiles; ++task) {
      const Part tile = tiling.tile(task / 2);
      const Index i = task % 2, columns = tile.size() * g.W, width = 2 * g.W;
      for (Index p = 0; p < 2 * columns; ++p)
        for (Index k = 0; k < K; ++k) output[p * K + k] = bias ? bias[k] : T(0);
      add_product_left_transposed(Matrix<T>{output, 2 * K, columns, 2 * K},
                                  Matrix<const T>{w + i * 2 * K * C, C, 2 * K, C},
                                  Matrix<const T>{x + tile.begin * g.W * C, C, columns, C});
      for (Index h = tile.begin; h < tile.end; ++h)
        copy_pixels(y + (2 * h + i) * width * g.y_pixel(), g.y_pixel(), output + (h - tile.begin) * width * K, K, width,
                    K);
    }
  }
}

template <class T>
void conv_transpose2d_backward_data(Device& device, T* dx, const T* dy, const T* w, T* workspace,
                                    const ConvTranspose2dGeometry& g, Write write) {
  const Tiling tiling(g);
  const Index C = g.C, K = g.K, slices = channel_slices(tiling.tiles, C);
#pragma omp parallel num_threads(device.threads())
  {
    T* scratch = workspace + omp_get_thread_num() * tiling.scratch;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiling.tiles * slices; ++task) {
      const Part tile = tiling.tile(task / slices), channels(task % slices, slices, C);
      const Index columns = tile.size() * g.W;
      T* output = dx + tile.begin * g.W * C + channels.begin;
      if (write == Write::set)
        for (Index p = 0; p < columns; ++p) std::fill_n(output + p * C, channels.size(), T(0));
      for (Index i = 0; i < 2; ++i)
        add_product(Matrix<T>{output, channels.size(), columns, C},
                    Matrix<const T>{w + i * 2 * K * C + channels.begin, channels.size(), 2 * K, C},
                    load_rows(scratch, dy, tile, i, g));
    }
  }
}

template <class T>
void conv_transpose2d_backward_weights(Device& device, T* dw, T* db, const T* dy, const T* x, T* workspace,
                                       const ConvTranspose2dGeometry& g) {
  const Tiling tiling(g);
  const Index C = g.C, K = g.K, chunks = weight_gradient_chunks(tiling.tiles, g.weights());
  if (db != nullptr) bias_gradient(device, db, dy, workspace, 4 * g.input_pixels(), K, g.y_pixel());
  T* partials = chunks == 1 ? dw : workspace;
#pragma omp parallel num_threads(device.threads())
  {
    T* scratch = workspace + weight_gradient_workspace(chunks, g.weights()) + omp_get_thread_num() * tiling.scratch;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < 2 * chunks; ++task) {
      const Part chunk(task / 2, chunks, tiling.tiles);
      const Index i = task % 2;
      T* sum = partials + task / 2 * g.weights() + i * 2 * K * C;
      std::fill_n(sum, 2 * K * C, T(0));
      for (Index index = chunk.begin; index < chunk.end; ++index) {
        const Part tile = tiling.tile(index);
        add_product_right_transposed(Matrix<T>{sum, C, 2 * K, C},
                                     Matrix<const T>{x + tile.begin * g.W * C, C, tile.size() * g.W, C},
                                     load_rows(scratch, dy, tile, i, g));
      }
    }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

Index conv_transpose2d_workspace(const Device& device, const ConvTranspose2dGeometry& g) {
  const Tiling tiling(g);
  const Index chunks = weight_gradient_chunks(tiling.tiles, g.weights());
  return std::max(weight_gradient_workspace(chunks, g.weights()) + device.threads() * tiling.scratch,
                  bias_gradient_workspace(4 * g.input_pixels(), g.K));
}

template void conv_transpose2d_forward(Device&, float*, const float*, const float*, const float*, float*,
                                       const ConvTranspose2dGeometry&);
template void conv_transpose2d_forward(Device&, double*, const double*, const double*, const double*, double*,
                                       const ConvTranspose2dGeometry&);
template void conv_transpose2d_backward_data(Device&, float*, const float*, const float*, float*,
                                             const ConvTranspose2dGeometry&, Write);
template void conv_transpose2d_backward_data(Device&, double*, const double*, const double*, double*,
                                             const ConvTranspose2dGeometry&, Write);
template void conv_transpose2d_backward_weights(Device&, float*, float*, const float*, const float*, float*,
                                                const ConvTranspose2dGeometry&);
template void conv_transpose2d_backward_weights(Device&, double*, double*, const double*, const double*, double*,
                                                const ConvTranspose2dGeometry&);

}  // namespace attnunet::cpu
