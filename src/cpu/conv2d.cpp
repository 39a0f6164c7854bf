#include "cpu/conv2d.h"

#include <omp.h>

#include <algorithm>

#include "cpu/bordered_tile.h"
#include "cpu/conv2d_direct.h"
#include "cpu/conv2d_pointwise.h"
#include "cpu/conv2d_reference.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/matrix_product.h"
#include "cpu/vector.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

// How an image is cut into tiles of rows, and how a tile lies in scratch memory (see Method in the header).
struct ProductTiles {
  explicit ProductTiles(const Conv2dGeometry& g)
      : C(g.C), W(g.W), H(g.H), patches(g.C < 8), row_pixels(patches ? W : W + 1), rows(tile_rows(row_pixels, H)) {
    per_image = (H + rows - 1) / rows;
    count = g.N * per_image;
  }

  Index products() const { return patches ? 1 : 3; }       // matrix products a tile
  Index depth() const { return patches ? 9 * C : 3 * C; }  // rows of the view X_r
  Index stride() const { return patches ? 9 * C : C; }     // from column to column of X_r
  Index columns(Index tile_height) const { return patches ? tile_height * W : tile_height * row_pixels - 1; }
  Index input_scratch() const {
    return whole_cache_lines(patches ? rows * W * 9 * C : ((rows + 2) * row_pixels + 1) * C);
  }
  Index output_scratch(Index channels) const { return whole_cache_lines(rows * row_pixels * channels); }

  Index C, W, H;
  bool patches;
  Index row_pixels;  // columns of X_r from one image row to the next
  Index rows;        // image rows in a tile; the last tile of an image may have fewer
  Index per_image = 0, count = 0;
};

struct ProductTile {
  ProductTile(const ProductTiles& tiles, Index index)
      : image(index / tiles.per_image),
        begin(index % tiles.per_image * tiles.rows),
        height(std::min(tiles.rows, tiles.H - begin)) {}
  Index first_pixel(const ProductTiles& tiles, Index row) const { return (image * tiles.H + begin + row) * tiles.W; }

  Index image, begin, height;
};

template <class T>
void zero(T* destination, Index count) {
  std::fill(destination, destination + count, T(0));
}

// The 3 x 3 patch around every pixel of the tile.
template <class T>
void load_patches(T* scratch, Matrix<const T> x, const ProductTiles& tiles, const ProductTile& tile) {
  const Index C = tiles.C, W = tiles.W, stride = x.stride;
  for (Index j = 0; j < tile.height; ++j)
    for (Index r = 0; r < 3; ++r) {
      const Index h = tile.begin + j + r - 1;
      const bool inside = h >= 0 && h < tiles.H;
      const T* row = x.data + (tile.image * tiles.H + h) * W * stride;
      for (Index s = 0; s < 3; ++s) {
        T* tap = scratch + (j * W * 9 + r * 3 + s) * C;
        for (Index w = 0; w < W; ++w)
          for (Index c = 0; c < C; ++c)
            tap[w * 9 * C + c] = inside && w + s >= 1 && w + s <= W ? row[(w + s - 1) * stride + c] : T(0);
      }
    }
}

template <class T>
void load_tile(T* scratch, Matrix<const T> x, const ProductTiles& tiles, const ProductTile& tile) {
  const Index image_pixels = tiles.H * tiles.W;
  if (tiles.patches)
    load_patches(scratch, x, tiles, tile);
  else
    load_bordered(scratch,
                  Matrix<const T>{x.data + tile.image * image_pixels * x.stride, tiles.C, image_pixels, x.stride},
                  tiles.H, tile.begin, tile.height);
}

// X_r of the header.
template <class T>
Matrix<const T> view(const T* scratch, const ProductTiles& tiles, const ProductTile& tile, Index r) {
  return {scratch + r * tiles.row_pixels * tiles.C, tiles.depth(), tiles.columns(tile.height), tiles.stride()};
}

// The 3x3 convolution of x [N,H,W,C] to y [N,H,W,K]: forward, or backward-data with C and K swapped.
// add_row(Y, r, channels, X_r) adds the product with row r of the kernel for these output channels.
template <class T, class AddRow>
void convolve(Device& device, Matrix<T> y, Matrix<const T> x, const Epilogue<T>& epilogue, T* workspace,
              const Conv2dGeometry& g, const AddRow& add_row) {
  const T* bias = epilogue.bias;
  const Write write = epilogue.write;
  const Activation activation = epilogue.activation;
  const ProductTiles tiles(g);
  const Index slices = channel_slices(tiles.count, g.K), widest = (g.K + slices - 1) / slices;
  const Index scratch_size = tiles.input_scratch() + tiles.output_scratch(widest);
#pragma omp parallel num_threads(device.threads())
  {
    T* input = workspace + omp_get_thread_num() * scratch_size;
    T* output = input + tiles.input_scratch();
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiles.count * slices; ++task) {
      const ProductTile tile(tiles, task / slices);
      const Part channels(task % slices, slices, g.K);
      const Index width = channels.size(), columns = tiles.columns(tile.height);
      load_tile(input, x, tiles, tile);
      for (Index p = 0; p < columns; ++p)
        for (Index k = 0; k < width; ++k) output[p * width + k] = bias ? bias[channels.begin + k] : T(0);
      for (Index r = 0; r < tiles.products(); ++r)
        add_row(Matrix<T>{output, width, columns, width}, r, channels, view(input, tiles, tile, r));
      for (Index j = 0; j < tile.height; ++j)
        for (Index w = 0; w < g.W; ++w) {
          const T* from = output + (j * tiles.row_pixels + w) * width;
          T* to = y.data + (tile.first_pixel(tiles, j) + w) * y.stride + channels.begin;
          for (Index k = 0; k < width; ++k)
            to[k] = activated(write == Write::add ? to[k] + from[k] : from[k], activation);
        }
    }
  }
}

Index convolve_workspace(const Device& device, const Conv2dGeometry& g) {
  const ProductTiles tiles(g);
  const Index slices = channel_slices(tiles.count, g.K), widest = (g.K + slices - 1) / slices;
  return device.threads() * (tiles.input_scratch() + tiles.output_scratch(widest));
}

// A 1x1 kernel knows no rows: all pixels of the batch are one line, cut into tiles.
Index pixel_tiles(Index pixels) {
  return (pixels + tile_columns - 1) / tile_columns;
}

// Y = W^T X, or for backward-data dX = W dY, tile by tile: multiply(Y, channels, X) adds the product.
template <class T, class Multiply>
void convolve_pixels(Device& device, Matrix<T> y, Matrix<const T> x, const Epilogue<T>& epilogue,
                     const Multiply& multiply) {
  const T* bias = epilogue.bias;
  const Write write = epilogue.write;
  const Activation activation = epilogue.activation;
  const Index pixels = y.columns, K = y.rows, stride = y.stride;
  const Index tiles = pixel_tiles(pixels), slices = channel_slices(tiles, K);
#pragma omp parallel for schedule(dynamic) num_threads(device.threads())
  for (Index task = 0; task < tiles * slices; ++task) {
    const Part tile(task / slices, tiles, pixels), channels(task % slices, slices, K);
    T* output = y.data + tile.begin * stride + channels.begin;
    if (write == Write::set || bias != nullptr)
      for (Index p = 0; p < tile.size(); ++p)
        for (Index k = 0; k < channels.size(); ++k)
          output[p * stride + k] =
              (write == Write::add ? output[p * stride + k] : T(0)) + (bias ? bias[channels.begin + k] : T(0));
    multiply(Matrix<T>{output, channels.size(), tile.size(), stride}, channels,
             Matrix<const T>{x.data + tile.begin * x.stride, x.rows, tile.size(), x.stride});
    if (activation != Activation::none)
      for (Index p = 0; p < tile.size(); ++p)
        for (Index k = 0; k < channels.size(); ++k)
          output[p * stride + k] = activated(output[p * stride + k], activation);
  }
}

}  // namespace

ConvMethod conv2d_method(const Device& device, const Conv2dGeometry& g) {
  const bool automatic = device.conv() == ConvMethod::automatic;
  if (!automatic && (g.R == 3 || device.conv() != ConvMethod::winograd)) return device.conv();
  if (g.R == 3 && g.C >= 16 && g.K >= 16) return ConvMethod::winograd;
  return g.K >= 4 ? ConvMethod::direct : ConvMethod::gemm;
}

template <class T>
void conv2d_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                    T* workspace, const Conv2dGeometry& g) {
  require_shape(x, g.pixels(), g.C);
  require_shape(y, g.pixels(), g.K);
  if (device.plain_loops()) return conv2d_reference_forward(y, x, w, epilogue, g);
  const ConvMethod method = conv2d_method(device, g);
  if (method == ConvMethod::winograd) return conv2d_winograd_forward(device, y, x, w, epilogue, workspace, g);
  if (method == ConvMethod::direct && g.R == 1)
    return conv2d_pointwise_forward(device, y, x, w, epilogue, workspace, g);
  if (method == ConvMethod::direct) return conv2d_direct_forward(device, y, x, w, epilogue, workspace, g);
  if (g.R == 1) {
    convolve_pixels(device, matrix(y), matrix(x), epilogue, [&](Matrix<T> Y, Part channels, Matrix<const T> X) {
      add_product_left_transposed(Y, Matrix<const T>{w + channels.begin * g.C, g.C, channels.size(), g.C}, X);
    });
    return;
  }
  convolve(device, matrix(y), matrix(x), epilogue, workspace, g,
           [&](Matrix<T> Y, Index r, Part channels, Matrix<const T> X) {
             const T* row = w + channels.begin * 9 * g.C + r * 3 * g.C;
             add_product_left_transposed(Y, Matrix<const T>{row, X.rows, channels.size(), 9 * g.C}, X);
           });
}

template <class T>
void conv2d_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                          const Conv2dGeometry& g, Write write) {
  require_shape(dx, g.pixels(), g.C);
  require_shape(dy, g.pixels(), g.K);
  // All methods put zeros around dy, and 0 times a weight that is not finite would be NaN: the plain loops do not.
  const bool needs_loops = g.R == 3 && !all_finite(w, g.weights());
  if (device.plain_loops() || needs_loops) return conv2d_reference_backward_data(dx, dy, w, g, write);
  const ConvMethod method = conv2d_method(device, g.swapped());
  if (method == ConvMethod::winograd) return conv2d_winograd_backward_data(device, dx, dy, w, workspace, g, write);
  if (method == ConvMethod::direct && g.R == 1)
    return conv2d_pointwise_backward_data(device, dx, dy, w, workspace, g, write);
  if (method == ConvMethod::direct) return conv2d_direct_backward_data(device, dx, dy, w, workspace, g, write);
  const Index C = g.C, K = g.K;
  const Epilogue<T> epilogue{nullptr, write};
  if (g.R == 1) {
    convolve_pixels(device, matrix(dx), matrix(dy), epilogue, [&](Matrix<T> dX, Part channels, Matrix<const T> dY) {
      add_product(dX, Matrix<const T>{w + channels.begin, channels.size(), K, C}, dY);
    });
    return;
  }
  // w' as [R,S,K,C]: C stays fastest, so the flip moves whole runs of C, and the product takes it untransposed.
  T* flipped = workspace;
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index k = 0; k < K; ++k)
    for (Index tap = 0; tap < 9; ++tap) std::copy_n(w + (k * 9 + 8 - tap) * C, C, flipped + (tap * K + k) * C);
  convolve(device, matrix(dx), matrix(dy), epilogue, workspace + whole_cache_lines(g.weights()), g.swapped(),
           [&](Matrix<T> dX, Index r, Part channels, Matrix<const T> dY) {
             const T* row = flipped + r * 3 * K * C + channels.begin;
             add_product(dX, Matrix<const T>{row, channels.size(), dY.rows, C}, dY);
           });
}

namespace {

// dW of a 1x1 kernel, C x K = sum over tiles of X dY^T.
template <class T>
void pixels_backward_weights(Device& device, T* dw, Matrix<const T> dy, Matrix<const T> x, T* workspace,
                             const Conv2dGeometry& g) {
  const Index C = g.C, K = g.K, pixels = g.pixels(), tiles = pixel_tiles(pixels);
  const Index chunks = weight_gradient_chunks(tiles, g.weights()), slices = channel_slices(chunks, K);
  T* partials = chunks == 1 ? dw : workspace;
#pragma omp parallel for schedule(dynamic) num_threads(device.threads())
  for (Index task = 0; task < chunks * slices; ++task) {
    const Part channels(task % slices, slices, K), chunk(task / slices, chunks, tiles);
    T* sum = partials + task / slices * g.weights() + channels.begin * C;
    zero(sum, channels.size() * C);
    for (Index index = chunk.begin; index < chunk.end; ++index) {
      const Part tile(index, tiles, pixels);
      add_product_right_transposed(
          Matrix<T>{sum, C, channels.size(), C},
          Matrix<const T>{x.data + tile.begin * x.stride, C, tile.size(), x.stride},
          Matrix<const T>{dy.data + tile.begin * dy.stride + channels.begin, channels.size(), tile.size(), dy.stride});
    }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

// dW_r, 3C x K = sum over tiles of X_r dY^T.
template <class T>
void rows_backward_weights(Device& device, T* dw, Matrix<const T> dy, Matrix<const T> x, T* workspace,
                           const Conv2dGeometry& g) {
  const ProductTiles tiles(g);
  const Index C = g.C, K = g.K;
  const Index chunks = weight_gradient_chunks(tiles.count, g.weights()), slices = channel_slices(chunks, K);
  const Index widest = (K + slices - 1) / slices;
  T* partials = chunks == 1 ? dw : workspace;
  T* scratch = workspace + whole_cache_lines(weight_gradient_workspace(chunks, g.weights()));
#pragma omp parallel num_threads(device.threads())
  {
    T* input = scratch + omp_get_thread_num() * (tiles.input_scratch() + tiles.output_scratch(widest));
    T* output = input + tiles.input_scratch();
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < chunks * slices; ++task) {
      const Part channels(task % slices, slices, K), chunk(task / slices, chunks, tiles.count);
      const Index width = channels.size();
      T* sum = partials + task / slices * g.weights() + channels.begin * 9 * C;
      zero(sum, width * 9 * C);
      for (Index index = chunk.begin; index < chunk.end; ++index) {
        const ProductTile tile(tiles, index);
        load_tile(input, x, tiles, tile);
        zero(output, tile.height * tiles.row_pixels * width);
        for (Index j = 0; j < tile.height; ++j)
          for (Index w = 0; w < g.W; ++w)
            std::copy_n(dy.data + (tile.first_pixel(tiles, j) + w) * dy.stride + channels.begin, width,
                        output + (j * tiles.row_pixels + w) * width);
        // The zeros between the rows of dY meet the ends of rows of x: row by row if those are not finite, for 0 times
        // that would be NaN.
        const bool together = tiles.patches || row_ends_are_finite(input, g.W, C, tile.height);
        const Index columns = together ? tiles.columns(tile.height) : g.W;
        for (Index first = 0; first < tiles.columns(tile.height); first += together ? columns : tiles.row_pixels)
          for (Index r = 0; r < tiles.products(); ++r) {
            Matrix<const T> X = view(input, tiles, tile, r);
            X.data += first * X.stride;
            X.columns = columns;
            add_product_right_transposed(Matrix<T>{sum + r * 3 * C, tiles.depth(), width, 9 * C}, X,
                                         Matrix<const T>{output + first * width, width, columns, width});
          }
      }
    }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

Index backward_weights_workspace(const Device& device, const Conv2dGeometry& g) {
  if (g.R == 1)
    return weight_gradient_workspace(weight_gradient_chunks(pixel_tiles(g.pixels()), g.weights()), g.weights());
  const ProductTiles tiles(g);
  const Index chunks = weight_gradient_chunks(tiles.count, g.weights()), slices = channel_slices(chunks, g.K);
  return whole_cache_lines(weight_gradient_workspace(chunks, g.weights())) +
         device.threads() * (tiles.input_scratch() + tiles.output_scratch((g.K + slices - 1) / slices));
}

}  // namespace

template <class T>
void conv2d_backward_weights(Device& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                             const Conv2dGeometry& g) {
  require_shape(dy, g.pixels(), g.K);
  require_shape(x, g.pixels(), g.C);
  if (device.plain_loops()) return conv2d_reference_backward_weights(dw, db, dy, x, g);
  if (db != nullptr) bias_gradient(device, db, dy, workspace);
  const ConvMethod method = conv2d_method(device, g);
  if (method == ConvMethod::winograd)
    conv2d_winograd_backward_weights(device, dw, dy, x, workspace, g);
  else if (method == ConvMethod::direct && g.R == 1)
    conv2d_pointwise_backward_weights(device, dw, dy, x, workspace, g);
  else if (method == ConvMethod::direct)
    conv2d_direct_backward_weights(device, dw, dy, x, workspace, g);
  else if (g.R == 1)
    pixels_backward_weights(device, dw, matrix(dy), matrix(x), workspace, g);
  else
    rows_backward_weights(device, dw, matrix(dy), matrix(x), workspace, g);
}

Index conv2d_workspace(const Device& device, const Conv2dGeometry& g) {
  if (device.plain_loops()) return 0;
  Index most = bias_gradient_workspace(g.pixels(), g.K);
  for (const ConvMethod method : {conv2d_method(device, g), conv2d_method(device, g.swapped())}) {
    if (method == ConvMethod::winograd) most = std::max(most, conv2d_winograd_workspace(device, g));
    if (method == ConvMethod::direct)
      most = std::max(most, g.R == 1 ? conv2d_pointwise_workspace(device, g) : conv2d_direct_workspace(device, g));
    if (method == ConvMethod::gemm) most = std::max(most, backward_weights_workspace(device, g));
    if (method == ConvMethod::gemm && g.R == 3)
      most = std::max({most, convolve_workspace(device, g),
                       whole_cache_lines(g.weights()) + convolve_workspace(device, g.swapped())});
  }
  return most;
}

#define ATTNUNET_INSTANTIATE(T)                                                                                      \
  template void conv2d_forward(Device&, Values<T>, Values<const T>, const T*, const Epilogue<T>&, T*,                \
                               const Conv2dGeometry&);                                                               \
  template void conv2d_backward_data(Device&, Gradients<T>, Gradients<const T>, const T*, T*, const Conv2dGeometry&, \
                                     Write);                                                                         \
  template void conv2d_backward_weights(Device&, T*, T*, Gradients<const T>, Values<const T>, T*,                    \
                                        const Conv2dGeometry&);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
