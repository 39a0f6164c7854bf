#include "cpu/conv2d.h"

#include <omp.h>

#include <algorithm>

#include "cpu/bordered_tile.h"
#include "cpu/conv2d_direct.h"
#include "cpu/conv2d_pointwise.h"
#include "cpu/conv2d_winograd.h"
#include "cpu/matrix_product.h"
#include "cpu/vector.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

Index whole_cache_lines(Index elements) {
  return (elements + 15) / 16 * 16;
}

// How an image is cut into tiles of rows, and how a tile lies in scratch memory (see Method in the header).
struct Tiling {
  explicit Tiling(const Conv2dGeometry& g)
      : C(g.C),
        x_pixel(g.x_pixel()),
        W(g.W),
        H(g.H),
        patches(g.C < 8),
        pitch(patches ? W : W + 1),
        rows(tile_rows(pitch, H)) {
    per_image = (H + rows - 1) / rows;
    tiles = g.N * per_image;
  }

  Index products() const { return patches ? 1 : 3; }       // matrix products a tile
  Index depth() const { return patches ? 9 * C : 3 * C; }  // rows of the view X_r
  Index stride() const { return patches ? 9 * C : C; }     // from column to column of X_r
  Index columns(Index tile_height) const { return patches ? tile_height * W : tile_height * pitch - 1; }
  Index input_scratch() const { return whole_cache_lines(patches ? rows * W * 9 * C : ((rows + 2) * pitch + 1) * C); }
  Index output_scratch(Index channels) const { return whole_cache_lines(rows * pitch * channels); }

  Index C, x_pixel, W, H;
  bool patches;
  Index pitch;  // columns from one image row to the next
  Index rows;   // image rows in a tile; the last tile of an image may have fewer
  Index per_image = 0, tiles = 0;
};

struct Tile {
  Tile(const Tiling& tiling, Index index)
      : image(index / tiling.per_image),
        begin(index % tiling.per_image * tiling.rows),
        height(std::min(tiling.rows, tiling.H - begin)) {}
  Index first_pixel(const Tiling& tiling, Index row) const { return (image * tiling.H + begin + row) * tiling.W; }

  Index image, begin, height;
};

template <class T>
void zero(T* destination, Index count) {
  std::fill(destination, destination + count, T(0));
}

// The 3 x 3 patch around every pixel of the tile.
template <class T>
void load_patches(T* scratch, const T* x, const Tiling& tiling, const Tile& tile) {
  const Index C = tiling.C, W = tiling.W, x_pixel = tiling.x_pixel;
  for (Index j = 0; j < tile.height; ++j)
    for (Index r = 0; r < 3; ++r) {
      const Index h = tile.begin + j + r - 1;
      const bool inside = h >= 0 && h < tiling.H;
      const T* row = x + (tile.image * tiling.H + h) * W * x_pixel;
      for (Index s = 0; s < 3; ++s) {
        T* tap = scratch + (j * W * 9 + r * 3 + s) * C;
        for (Index w = 0; w < W; ++w)
          for (Index c = 0; c < C; ++c)
            tap[w * 9 * C + c] = inside && w + s >= 1 && w + s <= W ? row[(w + s - 1) * x_pixel + c] : T(0);
      }
    }
}

template <class T>
void load_tile(T* scratch, const T* x, const Tiling& tiling, const Tile& tile) {
  if (tiling.patches)
    load_patches(scratch, x, tiling, tile);
  else
    load_bordered(scratch, x + tile.image * tiling.H * tiling.W * tiling.x_pixel, tiling.x_pixel, tiling.H, tiling.W,
                  tiling.C, tile.begin, tile.height);
}

// X_r of the header.
template <class T>
Matrix<const T> view(const T* scratch, const Tiling& tiling, const Tile& tile, Index r) {
  return {scratch + r * tiling.pitch * tiling.C, tiling.depth(), tiling.columns(tile.height), tiling.stride()};
}

// The 3x3 convolution of x [N,H,W,C] to y [N,H,W,K], whose pixels are y_pixel elements apart: forward, or backward-data
// with C and K swapped.
// add_row(Y, r, channels, X_r) adds the product with row r of the kernel for these output channels.
template <class T, class AddRow>
void convolve(Device& device, T* y, Index y_pixel, const T* x, const T* bias, T* workspace, const Conv2dGeometry& g,
              Write write, Activation activation, const AddRow& add_row) {
  const Tiling tiling(g);
  const Index slices = channel_slices(tiling.tiles, g.K), widest = (g.K + slices - 1) / slices;
  const Index scratch_size = tiling.input_scratch() + tiling.output_scratch(widest);
#pragma omp parallel num_threads(device.threads())
  {
    T* input = workspace + omp_get_thread_num() * scratch_size;
    T* output = input + tiling.input_scratch();
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiling.tiles * slices; ++task) {
      const Tile tile(tiling, task / slices);
      const Part channels(task % slices, slices, g.K);
      const Index width = channels.size(), columns = tiling.columns(tile.height);
      load_tile(input, x, tiling, tile);
      for (Index p = 0; p < columns; ++p)
        for (Index k = 0; k < width; ++k) output[p * width + k] = bias ? bias[channels.begin + k] : T(0);
      for (Index r = 0; r < tiling.products(); ++r)
        add_row(Matrix<T>{output, width, columns, width}, r, channels, view(input, tiling, tile, r));
      for (Index j = 0; j < tile.height; ++j)
        for (Index w = 0; w < g.W; ++w) {
          const T* from = output + (j * tiling.pitch + w) * width;
          T* to = y + (tile.first_pixel(tiling, j) + w) * y_pixel + channels.begin;
          for (Index k = 0; k < width; ++k)
            to[k] = activated(write == Write::add ? to[k] + from[k] : from[k], activation);
        }
    }
  }
}

Index convolve_workspace(const Device& device, const Conv2dGeometry& g) {
  const Tiling tiling(g);
  const Index slices = channel_slices(tiling.tiles, g.K), widest = (g.K + slices - 1) / slices;
  return device.threads() * (tiling.input_scratch() + tiling.output_scratch(widest));
}

Conv2dGeometry swapped(const Conv2dGeometry& g) {
  return {g.N, g.H, g.W, g.K, g.C, g.R};
}

// A 1x1 kernel knows no rows: all pixels of the batch are one line, cut into tiles.
Index pixel_tiles(Index pixels) {
  return (pixels + tile_columns - 1) / tile_columns;
}

// Y = W^T X, or for backward-data dX = W dY, tile by tile: multiply(Y, channels, X) adds the product. y_pixel and
// x_pixel are the elements from one pixel to the next.
template <class T, class Multiply>
void convolve_pixels(Device& device, T* y, Index y_pixel, const T* x, Index x_pixel, const T* bias, Index pixels,
                     Index C, Index K, Write write, Activation activation, const Multiply& multiply) {
  const Index tiles = pixel_tiles(pixels), slices = channel_slices(tiles, K);
#pragma omp parallel for schedule(dynamic) num_threads(device.threads())
  for (Index task = 0; task < tiles * slices; ++task) {
    const Part tile(task / slices, tiles, pixels), channels(task % slices, slices, K);
    T* output = y + tile.begin * y_pixel + channels.begin;
    if (write == Write::set || bias != nullptr)
      for (Index p = 0; p < tile.size(); ++p)
        for (Index k = 0; k < channels.size(); ++k)
          output[p * y_pixel + k] =
              (write == Write::add ? output[p * y_pixel + k] : T(0)) + (bias ? bias[channels.begin + k] : T(0));
    multiply(Matrix<T>{output, channels.size(), tile.size(), y_pixel}, channels,
             Matrix<const T>{x + tile.begin * x_pixel, C, tile.size(), x_pixel});
    if (activation != Activation::none)
      for (Index p = 0; p < tile.size(); ++p)
        for (Index k = 0; k < channels.size(); ++k)
          output[p * y_pixel + k] = activated(output[p * y_pixel + k], activation);
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
void conv2d_forward(Device& device, T* y, const T* x, const T* w, const T* bias, T* workspace, const Conv2dGeometry& g,
                    Write write, Activation activation) {
  const ConvMethod method = conv2d_method(device, g);
  if (method == ConvMethod::winograd)
    return conv2d_winograd_forward(device, y, x, w, bias, workspace, g, write, activation);
  if (method == ConvMethod::direct && g.R == 1)
    return conv2d_pointwise_forward(device, y, x, w, bias, workspace, g, write, activation);
  if (method == ConvMethod::direct)
    return conv2d_direct_forward(device, y, x, w, bias, workspace, g, write, activation);
  if (g.R == 1) {
    convolve_pixels(
        device, y, g.K, x, g.x_pixel(), bias, g.pixels(), g.C, g.K, write, activation,
        [&](Matrix<T> Y, Part channels, Matrix<const T> X) {
          add_product_left_transposed(Y, Matrix<const T>{w + channels.begin * g.C, g.C, channels.size(), g.C}, X);
        });
    return;
  }
  convolve(device, y, g.K, x, bias, workspace, g, write, activation,
           [&](Matrix<T> Y, Index r, Part channels, Matrix<const T> X) {
             const T* row = w + channels.begin * 9 * g.C + r * 3 * g.C;
             add_product_left_transposed(Y, Matrix<const T>{row, X.rows, channels.size(), 9 * g.C}, X);
           });
}

template <class T>
void conv2d_backward_data(Device& device, T* dx, const T* dy, const T* w, T* workspace, const Conv2dGeometry& g,
                          Write write) {
  const ConvMethod method = conv2d_method(device, swapped(g));
  if (method == ConvMethod::winograd) return conv2d_winograd_backward_data(device, dx, dy, w, workspace, g, write);
  if (method == ConvMethod::direct && g.R == 1)
    return conv2d_pointwise_backward_data(device, dx, dy, w, workspace, g, write);
  if (method == ConvMethod::direct) return conv2d_direct_backward_data(device, dx, dy, w, workspace, g, write);
  const Index C = g.C, K = g.K;
  if (g.R == 1) {
    convolve_pixels(device, dx, g.x_pixel(), dy, K, static_cast<const T*>(nullptr), g.pixels(), K, C, write,
                    Activation::none, [&](Matrix<T> dX, Part channels, Matrix<const T> dY) {
                      add_product(dX, Matrix<const T>{w + channels.begin, channels.size(), K, C}, dY);
                    });
    return;
  }
  // w' as [R,S,K,C]: C stays fastest, so the flip moves whole runs of C, and the product takes it untransposed.
  T* flipped = workspace;
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index k = 0; k < K; ++k)
    for (Index tap = 0; tap < 9; ++tap) std::copy_n(w + (k * 9 + 8 - tap) * C, C, flipped + (tap * K + k) * C);
  convolve(device, dx, g.x_pixel(), dy, static_cast<const T*>(nullptr), workspace + whole_cache_lines(g.weights()),
           swapped(g), write, Activation::none, [&](Matrix<T> dX, Index r, Part channels, Matrix<const T> dY) {
             const T* row = flipped + r * 3 * K * C + channels.begin;
             add_product(dX, Matrix<const T>{row, channels.size(), dY.rows, C}, dY);
           });
}

namespace {

// dW of a 1x1 kernel, C x K = sum over tiles of X dY^T.
template <class T>
void pixels_backward_weights(Device& device, T* dw, const T* dy, const T* x, T* workspace, const Conv2dGeometry& g) {
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
          Matrix<const T>{x + tile.begin * g.x_pixel(), C, tile.size(), g.x_pixel()},
          Matrix<const T>{dy + tile.begin * K + channels.begin, channels.size(), tile.size(), K});
    }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

// dW_r, 3C x K = sum over tiles of X_r dY^T.
template <class T>
void rows_backward_weights(Device& device, T* dw, const T* dy, const T* x, T* workspace, const Conv2dGeometry& g) {
  const Tiling tiling(g);
  const Index C = g.C, K = g.K;
  const Index chunks = weight_gradient_chunks(tiling.tiles, g.weights()), slices = channel_slices(chunks, K);
  const Index widest = (K + slices - 1) / slices;
  T* partials = chunks == 1 ? dw : workspace;
  T* scratch = workspace + whole_cache_lines(weight_gradient_workspace(chunks, g.weights()));
#pragma omp parallel num_threads(device.threads())
  {
    T* input = scratch + omp_get_thread_num() * (tiling.input_scratch() + tiling.output_scratch(widest));
    T* output = input + tiling.input_scratch();
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < chunks * slices; ++task) {
      const Part channels(task % slices, slices, K), chunk(task / slices, chunks, tiling.tiles);
      const Index width = channels.size();
      T* sum = partials + task / slices * g.weights() + channels.begin * 9 * C;
      zero(sum, width * 9 * C);
      for (Index index = chunk.begin; index < chunk.end; ++index) {
        const Tile tile(tiling, index);
        load_tile(input, x, tiling, tile);
        zero(output, tile.height * tiling.pitch * width);
        for (Index j = 0; j < tile.height; ++j)
          for (Index w = 0; w < g.W; ++w)
            std::copy_n(dy + (tile.first_pixel(tiling, j) + w) * K + channels.begin, width,
                        output + (j * tiling.pitch + w) * width);
        for (Index r = 0; r < tiling.products(); ++r)
          add_product_right_transposed(Matrix<T>{sum + r * 3 * C, tiling.depth(), width, 9 * C},
                                       view(input, tiling, tile, r),
                                       Matrix<const T>{output, width, tiling.columns(tile.height), width});
      }
    }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

Index backward_weights_workspace(const Device& device, const Conv2dGeometry& g) {
  if (g.R == 1)
    return weight_gradient_workspace(weight_gradient_chunks(pixel_tiles(g.pixels()), g.weights()), g.weights());
  const Tiling tiling(g);
  const Index chunks = weight_gradient_chunks(tiling.tiles, g.weights()), slices = channel_slices(chunks, g.K);
  return whole_cache_lines(weight_gradient_workspace(chunks, g.weights())) +
         device.threads() * (tiling.input_scratch() + tiling.output_scratch((g.K + slices - 1) / slices));
}

}  // namespace

template <class T>
void conv2d_backward_weights(Device& device, T* dw, T* db, const T* dy, const T* x, T* workspace,
                             const Conv2dGeometry& g) {
  if (db != nullptr) bias_gradient(device, db, dy, workspace, g.pixels(), g.K, g.K);
  const ConvMethod method = conv2d_method(device, g);
  if (method == ConvMethod::winograd)
    conv2d_winograd_backward_weights(device, dw, dy, x, workspace, g);
  else if (method == ConvMethod::direct && g.R == 1)
    conv2d_pointwise_backward_weights(device, dw, dy, x, workspace, g);
  else if (method == ConvMethod::direct)
    conv2d_direct_backward_weights(device, dw, dy, x, workspace, g);
  else if (g.R == 1)
    pixels_backward_weights(device, dw, dy, x, workspace, g);
  else
    rows_backward_weights(device, dw, dy, x, workspace, g);
}

Index conv2d_workspace(const Device& device, const Conv2dGeometry& g) {
  Index most = bias_gradient_workspace(g.pixels(), g.K);
  for (const ConvMethod method : {conv2d_method(device, g), conv2d_method(device, swapped(g))}) {
    if (method == ConvMethod::winograd) most = std::max(most, conv2d_winograd_workspace(device, g));
    if (method == ConvMethod::direct)
      most = std::max(most, g.R == 1 ? conv2d_pointwise_workspace(device, g) : conv2d_direct_workspace(device, g));
    if (method == ConvMethod::gemm) most = std::max(most, backward_weights_workspace(device, g));
    if (method == ConvMethod::gemm && g.R == 3)
      most = std::max({most, convolve_workspace(device, g),
                       whole_cache_lines(g.weights()) + convolve_workspace(device, swapped(g))});
  }
  return most;
}

template void conv2d_forward(Device&, float*, const float*, const float*, const float*, float*, const Conv2dGeometry&,
                             Write, Activation);
template void conv2d_forward(Device&, double*, const double*, const double*, const double*, double*,
                             const Conv2dGeometry&, Write, Activation);
template void conv2d_backward_data(Device&, float*, const float*, const float*, float*, const Conv2dGeometry&, Write);
template void conv2d_backward_data(Device&, double*, const double*, const double*, double*, const Conv2dGeometry&,
                                   Write);
template void conv2d_backward_weights(Device&, float*, float*, const float*, const float*, float*,
                                      const Conv2dGeometry&);
template void conv2d_backward_weights(Device&, double*, double*, const double*, const double*, double*,
                                      const Conv2dGeometry&);

}  // namespace attnunet::cpu
