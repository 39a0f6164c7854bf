#include "cpu/conv2d_winograd.h"

#include <omp.h>

#include <algorithm>

#include "cpu/matrix_product.h"
#include "cpu/vector.h"
#include "cpu/weight_gradient.h"

namespace attnunet::cpu {
namespace {

constexpr Index points = 36;
constexpr Index weights_depth = 16;  // channels whose weights are transformed together: a cache line of w

// What from one of 36 matrices to the next is at least so many elements: vectors of all 36 are written together, and a
// cache line more keeps them from falling into the same few places of a cache, powers of two apart.
constexpr Index apart(Index elements) {
  return elements + 16;
}

// The 4 x 4 outputs of all images, numbered through, in blocks: few enough tiles for the caches, and all of them where
// that makes one block, for which the weights need not be kept.
struct WinogradTiles {
  explicit WinogradTiles(const Conv2dGeometry& g)
      : H(g.H),
        W(g.W),
        across((g.W + 3) / 4),
        per_image((g.H + 3) / 4 * across),
        count(g.N * per_image),
        block_tiles(count <= 64 ? count : 32),
        blocks((count + block_tiles - 1) / block_tiles) {}
  Part block(Index index) const { return {index, blocks, count}; }

  // From one of the 36 matrices of a block to the next; from tile to tile in one it is `stride`.
  Index matrix_size(Index stride) const { return apart(block_tiles * stride); }

  Index H, W, across, per_image, count, block_tiles, blocks;
};

struct WinogradTile {
  WinogradTile(const WinogradTiles& tiles, Index index)
      : image(index / tiles.per_image), h(index % tiles.per_image / tiles.across * 4), w(index % tiles.across * 4) {}
  Index image, h, w;  // its first output
};

// Channels of a tensor in scratch memory: whole panels, whatever T.
Index padded(Index channels) {
  return panels<float>(channels) * panel<float>;
}

// The transforms in one dimension, of `from` numbers to `to` numbers.
struct InputTransform {  // B^T
  static constexpr int from = 6, to = 6;
  template <class V>
  [[gnu::always_inline]] static void apply(V* e, const V* d) {
    const V d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5];
    const V a = d4 - 4 * d2, b = d3 - 4 * d1, p = d4 - d2, q = 2 * (d3 - d1);
    e[0] = 4 * d0 - 5 * d2 + d4;
    e[1] = a + b;
    e[2] = a - b;
    e[3] = p + q;
    e[4] = p - q;
    e[5] = 4 * d1 - 5 * d3 + d5;
  }
};

struct OutputTransform {  // A^T
  static constexpr int from = 6, to = 4;
  template <class V>
  [[gnu::always_inline]] static void apply(V* y, const V* m) {
    const V m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3], m4 = m[4], m5 = m[5];
    const V a = m1 + m2, b = m1 - m2, p = m3 + m4, q = m3 - m4;
    y[0] = m0 + a + p;
    y[1] = b + 2 * q;
    y[2] = a + 4 * p;
    y[3] = b + 8 * q + m5;
  }
};

struct OutputGradientTransform {  // A
  static constexpr int from = 4, to = 6;
  template <class V>
  [[gnu::always_inline]] static void apply(V* m, const V* y) {
    const V y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3];
    const V a = y0 + y2, b = y1 + y3, p = y0 + 4 * y2, q = 2 * y1 + 8 * y3;
    m[0] = y0;
    m[1] = a + b;
    m[2] = a - b;
    m[3] = p + q;
    m[4] = p - q;
    m[5] = y3;
  }
};

template <class V>
using Number = std::remove_reference_t<decltype(std::declval<V>()[0])>;

struct KernelTransform {  // G
  static constexpr int from = 3, to = 6;
  template <class V>
  [[gnu::always_inline]] static void apply(V* u, const V* g) {
    using T = std::remove_cv_t<Number<V>>;
    const V g0 = g[0], g1 = g[1], g2 = g[2];
    const V a = T(-1.0 / 6) * (g0 + g2), b = T(1.0 / 6) * g1;
    const V p = T(1.0 / 24) * g0 + T(1.0 / 6) * g2, q = T(1.0 / 12) * g1;
    u[0] = T(0.25) * g0;
    u[1] = a - b;
    u[2] = a + b;
    u[3] = p + q;
    u[4] = p - q;
    u[5] = g2;
  }
};

struct KernelGradientTransform {  // G^T
  static constexpr int from = 6, to = 3;
  template <class V>
  [[gnu::always_inline]] static void apply(V* g, const V* u) {
    using T = std::remove_cv_t<Number<V>>;
    const V u0 = u[0], u1 = u[1], u2 = u[2], u3 = u[3], u4 = u[4], u5 = u[5];
    const V a = T(1.0 / 6) * (u1 + u2), p = u3 + u4;
    g[0] = T(0.25) * u0 - a + T(1.0 / 24) * p;
    g[1] = T(1.0 / 6) * (u2 - u1) + T(1.0 / 12) * (u3 - u4);
    g[2] = T(1.0 / 6) * p - a + u5;
  }
};

// Columns, then rows: from(i, j) gives the numbers of a square, to(i, j, number) takes those of the transformed one.
// The loops stay loops: unrolled, the compiler keeps an address in memory for each of the 36 places.
template <class Transform, class V, class From, class To>
[[gnu::always_inline]] inline void transform(const From& from, const To& to) {
  V columns[Transform::from][6], line[6];
#pragma GCC unroll 1
  for (int j = 0; j < Transform::from; ++j) {
    for (int i = 0; i < Transform::from; ++i) line[i] = from(i, j);
    Transform::apply(columns[j], line);
  }
#pragma GCC unroll 1
  for (int i = 0; i < Transform::to; ++i) {
    V result[6];
    for (int j = 0; j < Transform::from; ++j) line[j] = columns[j][i];
    Transform::apply(result, line);
    for (int j = 0; j < Transform::to; ++j) to(i, j, result[j]);
  }
}

// The tiles of a block of x [N,H,W,channels], transformed, as 36 matrices [tile][to_stride]: patches with the `border`
// pixels around the tile's own. Zero outside of the image and beyond the channels.
template <class Transform, class T>
void transform_tiles(T* to, Index to_stride, Matrix<const T> x, const WinogradTiles& tiles, const Part& block,
                     Index border) {
  constexpr int size = Transform::from;
  const Index channels = x.rows, pixel = x.stride;
  const Index H = tiles.H, W = tiles.W, row = W * pixel, matrix = tiles.matrix_size(to_stride);
  for (Index t = 0; t < block.size(); ++t) {
    const WinogradTile tile(tiles, block.begin + t);
    const Index top = tile.h - border, left = tile.w - border;
    const bool inside = top >= 0 && left >= 0 && top + size <= H && left + size <= W;
    const Index corner = ((tile.image * H + top) * W + left) * pixel;
    for (Index c = 0; c < to_stride; c += lanes<T>) {
      T* place = to + t * to_stride + c;
      const auto put = [&](int i, int j, const Vector<T>& v) { store(place + (6 * i + j) * matrix, v); };
      const T* from = x.data + corner + c;
      if (inside && c + lanes<T> <= channels) {
        transform<Transform, Vector<T>>([&](int i, int j) { return load(from + i * row + j * pixel); }, put);
      } else {
        transform<Transform, Vector<T>>(
            [&](int i, int j) {
              const bool real = top + i >= 0 && top + i < H && left + j >= 0 && left + j < W;
              return real ? load_first(from + i * row + j * pixel, channels - c) : Vector<T>{};
            },
            put);
      }
    }
  }
}

// U, 36 matrices [C][panel's channels], of panel p of the weights at(k, c, tap), for `depth` channels from c on; zero
// for channels k beyond the last.
template <class T, class At>
void transform_weights(T* U, Index p, Index c, Index depth, Index C, Index K, const At& at) {
  T taps[9][weights_depth][panel<T>] = {};
  const Index first = p * panel<T>, width = std::min(panel<T>, K - first), matrix = apart(C * panel<T>);
  for (Index tap = 0; tap < 9; ++tap)
    for (Index k = 0; k < width; ++k)
      for (Index d = 0; d < depth; ++d) taps[tap][d][k] = at(first + k, c + d, tap);
  for (Index d = 0; d < depth; ++d)
    for (Index v = 0; v < panel<T>; v += lanes<T>) {
      T* place = U + (c + d) * panel<T> + v;
      transform<KernelTransform, Vector<T>>(
          [&](int i, int j) { return load(taps[3 * i + j][d] + v); },
          [&](int i, int j, const Vector<T>& u) { store(place + (6 * i + j) * matrix, u); });
    }
}

// Y = A^T M A + b, activated, of a block's tiles for the channels of a panel from k on; M: 36 matrices [tile][panel].
template <class T>
void transform_back(Matrix<T> y, const T* M, const Epilogue<T>& epilogue, Index k, const WinogradTiles& tiles,
                    const Part& block) {
  const T* bias = epilogue.bias;
  const Write write = epilogue.write;
  const Activation activation = epilogue.activation;
  const Index K = y.rows, stride = y.stride, row = tiles.W * stride, matrix = tiles.matrix_size(panel<T>);
  for (Index t = 0; t < block.size(); ++t) {
    const WinogradTile tile(tiles, block.begin + t);
    const Index rows = std::min<Index>(4, tiles.H - tile.h), columns = std::min<Index>(4, tiles.W - tile.w);
    T* corner = y.data + ((tile.image * tiles.H + tile.h) * tiles.W + tile.w) * stride + k;
    for (Index v = 0; v < panel<T> && k + v < K; v += lanes<T>) {
      const T* from = M + t * panel<T> + v;
      const auto get = [&](int i, int j) { return load(from + (6 * i + j) * matrix); };
      const Vector<T> b = bias ? load_first(bias + k + v, K - k - v) : Vector<T>{};
      T* place = corner + v;
      if (rows == 4 && columns == 4 && k + v + lanes<T> <= K && write == Write::set)
        transform<OutputTransform, Vector<T>>(get, [&](int i, int j, const Vector<T>& sum) {
          store(place + i * row + j * stride, activated<Vector<T>>(sum + b, activation));
        });
      else
        transform<OutputTransform, Vector<T>>(get, [&](int i, int j, const Vector<T>& sum) {
          if (i < rows && j < columns) put_first(place + i * row + j * stride, sum + b, K - k - v, write, activation);
        });
    }
  }
}

// Scratch memory: the weights U, 36 matrices [C][panel's channels], of all panels, or of one panel for each thread
// where there is one block of tiles only; V and M of a block for each thread.
struct WinogradScratch {
  WinogradScratch(const Conv2dGeometry& g, const WinogradTiles& tiles)
      : shared_weights(tiles.blocks > 1 ? points * padded(g.K) * apart(g.C) : 0),
        own_weights(tiles.blocks > 1 ? 0 : points * apart(g.C * panel<float>)),
        inputs(points * tiles.matrix_size(padded(g.C))),
        thread(own_weights + inputs + points * tiles.matrix_size(panel<float>)) {}
  Index shared_weights, own_weights, inputs, thread;
};

// The convolution of x [N,H,W,C] to y [N,H,W,K] with the weights at(k, c, tap).
template <class T, class At>
void convolve(Device& device, Matrix<T> y, Matrix<const T> x, const At& at, const Epilogue<T>& epilogue, T* workspace,
              const Conv2dGeometry& g) {
  const WinogradTiles tiles(g);
  const WinogradScratch layout(g, tiles);
  const Index C = g.C, K = g.K, stride = padded(C), slices = channel_slices(tiles.blocks, K);
  const auto transform_panel = [&](T* U, Index p, Index c) {
    transform_weights(U, p, c, std::min(weights_depth, C - c), C, K, at);
  };
#pragma omp parallel num_threads(device.threads())
  {
    T* own_U = workspace + layout.shared_weights + omp_get_thread_num() * layout.thread;
    T* V = own_U + layout.own_weights;
    T* M = V + layout.inputs;
    if (tiles.blocks > 1) {
#pragma omp for collapse(2) schedule(static)
      for (Index p = 0; p < panels<T>(K); ++p)
        for (Index c = 0; c < C; c += weights_depth)
          transform_panel(workspace + p * points * apart(C * panel<T>), p, c);
    }
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < tiles.blocks * slices; ++task) {
      const Part block = tiles.block(task / slices), own(task % slices, slices, panels<T>(K));
      transform_tiles<InputTransform>(V, stride, x, tiles, block, 1);
      for (Index p = own.begin; p < own.end; ++p) {
        const T* U = tiles.blocks > 1 ? workspace + p * points * apart(C * panel<T>) : own_U;
        if (tiles.blocks == 1)
          for (Index c = 0; c < C; c += weights_depth) transform_panel(own_U, p, c);
        for (Index xi = 0; xi < points; ++xi)
          for_row_blocks(block.size(), [&](auto number, Index t) {
            constexpr int n = decltype(number)::value;
            Vector<T> sums[n][2] = {};
            add_outer_products<T>(sums, V + xi * tiles.matrix_size(stride) + t * stride, stride, 1,
                                  U + xi * apart(C * panel<T>), panel<T>, C);
            T* to = M + xi * tiles.matrix_size(panel<T>) + t * panel<T>;
            for (int i = 0; i < n; ++i)
              for (int v = 0; v < 2; ++v) store(to + i * panel<T> + v * lanes<T>, sums[i][v]);
          });
        transform_back(y, M, epilogue, p * panel<T>, tiles, block);
      }
    }
  }
}

Index convolve_workspace(const Device& device, const Conv2dGeometry& g) {
  const WinogradScratch layout(g, WinogradTiles(g));
  return layout.shared_weights + device.threads() * layout.thread;
}

}  // namespace

template <class T>
void conv2d_winograd_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                             T* workspace, const Conv2dGeometry& g) {
  const auto at = [&](Index k, Index c, Index tap) { return w[(k * 9 + tap) * g.C + c]; };
  convolve(device, matrix(y), matrix(x), at, epilogue, workspace, g);
}

template <class T>
void conv2d_winograd_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                                   const Conv2dGeometry& g, Write write) {
  const auto at = [&](Index c, Index k, Index tap) { return w[(k * 9 + 8 - tap) * g.C + c]; };
  convolve(device, matrix(dx), matrix(dy), at, Epilogue<T>{nullptr, write}, workspace, g.swapped());
}

namespace {

// Scratch memory of a thread for the weights' gradient: V and dM of a block, and dU, 36 matrices [k][c], for slices of
// the channels.
struct WinogradWeightsScratch {
  WinogradWeightsScratch(const Conv2dGeometry& g, const WinogradTiles& tiles, Index chunks)
      : c_slices(channel_slices(chunks, g.C)),
        k_slices(channel_slices(chunks, g.K)),
        inputs(points * tiles.matrix_size(padded(widest(g.C, c_slices)))),
        gradients(points * tiles.matrix_size(padded(widest(g.K, k_slices)))),
        thread(inputs + gradients + points * apart(widest(g.K, k_slices) * padded(widest(g.C, c_slices)))) {}
  static Index widest(Index channels, Index slices) { return (channels + slices - 1) / slices; }
  Index c_slices, k_slices, inputs, gradients, thread;
};

}  // namespace

template <class T>
void conv2d_winograd_backward_weights(Device& device, T* dw, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                                      const Conv2dGeometry& g) {
  const WinogradTiles tiles(g);
  const Index chunks = weight_gradient_chunks(tiles.blocks, g.weights());
  const WinogradWeightsScratch layout(g, tiles, chunks);
  const Index slices = layout.c_slices * layout.k_slices;
  T* partials = chunks == 1 ? dw : workspace;
  T* scratch = workspace + weight_gradient_workspace(chunks, g.weights());
#pragma omp parallel num_threads(device.threads())
  {
    T* V = scratch + omp_get_thread_num() * layout.thread;
    T* dM = V + layout.inputs;
    T* dU = dM + layout.gradients;
#pragma omp for schedule(dynamic)
    for (Index task = 0; task < chunks * slices; ++task) {
      const Part chunk(task / slices, chunks, tiles.blocks);
      const Part C(task % layout.c_slices, layout.c_slices, g.C);
      const Part K(task % slices / layout.c_slices, layout.k_slices, g.K);
      const Matrix<const T> x_slice{x.data + C.begin, C.size(), x.pixels, x.stride};
      const Matrix<const T> dy_slice{dy.data + K.begin, K.size(), dy.pixels, dy.stride};
      const Index V_stride = padded(C.size()), dM_stride = padded(K.size()), matrix = apart(K.size() * V_stride);
      std::fill_n(dU, points * matrix, T(0));
      for (Index index = chunk.begin; index < chunk.end; ++index) {
        const Part block = tiles.block(index);
        transform_tiles<InputTransform>(V, V_stride, x_slice, tiles, block, 1);
        transform_tiles<OutputGradientTransform>(dM, dM_stride, dy_slice, tiles, block, 0);
        for (Index xi = 0; xi < points; ++xi)
          for (Index p = 0; p < panels<T>(C.size()); ++p)
            for_row_blocks(K.size(), [&](auto number, Index k) {
              constexpr int n = decltype(number)::value;
              Vector<T> sums[n][2];
              T* place = dU + xi * matrix + k * V_stride + p * panel<T>;
              for (int i = 0; i < n; ++i)
                for (int v = 0; v < 2; ++v) sums[i][v] = load(place + i * V_stride + v * lanes<T>);
              add_outer_products<T>(sums, dM + xi * tiles.matrix_size(dM_stride) + k, 1, dM_stride,
                                    V + xi * tiles.matrix_size(V_stride) + p * panel<T>, V_stride, block.size());
              for (int i = 0; i < n; ++i)
                for (int v = 0; v < 2; ++v) store(place + i * V_stride + v * lanes<T>, sums[i][v]);
            });
      }
      for (Index k = 0; k < K.size(); ++k)
        for (Index c = 0; c < C.size(); c += lanes<T>) {
          const T* from = dU + k * V_stride + c;
          T* to = partials + task / slices * g.weights() + (K.begin + k) * 9 * g.C + C.begin + c;
          transform<KernelGradientTransform, Vector<T>>([&](int i, int j) { return load(from + (6 * i + j) * matrix); },
                                                        [&](int i, int j, const Vector<T>& v) {
                                                          put_first(to + (3 * i + j) * g.C, v, C.size() - c, Write::set,
                                                                    Activation::none);
                                                        });
        }
    }
  }
  add_weight_gradients(device, dw, partials, chunks, g.weights());
}

Index conv2d_winograd_workspace(const Device& device, const Conv2dGeometry& g) {
  const WinogradTiles tiles(g);
  const Index chunks = weight_gradient_chunks(tiles.blocks, g.weights());
  const WinogradWeightsScratch scratch(g, tiles, chunks);
  return std::max({convolve_workspace(device, g), convolve_workspace(device, g.swapped()),
                   weight_gradient_workspace(chunks, g.weights()) + device.threads() * scratch.thread});
}

#define ATTNUNET_INSTANTIATE(T)                                                                                \
  template void conv2d_winograd_forward(Device&, Values<T>, Values<const T>, const T*, const Epilogue<T>&, T*, \
                                        const Conv2dGeometry&);                                                \
  template void conv2d_winograd_backward_data(Device&, Gradients<T>, Gradients<const T>, const T*, T*,         \
                                              const Conv2dGeometry&, Write);                                   \
  template void conv2d_winograd_backward_weights(Device&, T*, Gradients<const T>, Values<const T>, T*,         \
                                                 const Conv2dGeometry&);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
