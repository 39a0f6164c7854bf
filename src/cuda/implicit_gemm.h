// Convolutions as matrix products whose matrices are never built: what the operands and results of
//   C[m][n] = sum over depth of A[m][depth] B[n][depth]
// look like in memory, for every product of both convolutions. The kernels that multiply (gemm_ffma.cu: exact float32)
// ask an operand for the address of a run of consecutive elements, and whether there is such a run: outside of the
// image, past the last row and past the end of the depth it is zero.
//
//   product                        m          n          depth      A                     B
//   conv forward                   pixel      k          (r,s,c)    PixelRows(x)          MatrixRows(w)
//   conv backward-data             pixel      c          (r,s,k)    PixelRows(dy)         FlippedWeights(w)
//   conv backward-weights          k          (r,s,c)    pixel      TapRows(dy, R = 1)    TapRows(x)
//   transposed forward             pixel      (i,j,k)    c          PixelRows(x, R = 1)   MatrixRows(w)
//   transposed backward-data       pixel      c          (i,j,k)    PixelRows(dy, 2x2)    FlippedWeights(w, one tap)
//   transposed backward-weights    (i,j,k)    c          pixel      TapRows(dy, 2x2)      TapRows(x, R = 1)
//
// Pixels are those of the smaller image; the transposed convolution's gradients are a convolution of dy with windows
// of 2 x 2 pixels, 2 apart. Channels are consecutive in all tensors, so runs go along the depth in PixelRows and
// MatrixRows, along the rows in TapRows and FlippedWeights (contiguous_in_depth says which). A run of V elements (4
// floats are 16 bytes) never leaves its tap where V divides the channel counts; then, with strides that V divides and
// aligned pointers, it is one access: runs_of() decides that on the host.
//
// An operand is walked by a Row and a Depth: both cost divisions when they are made, once a thread, and none when the
// depth advances by a stage. Addresses of rows are 64-bit, steps from there 32-bit: to_int() guards them on the host.
#pragma once

#include <initializer_list>
#include <string>

#include "common/core/tensor_view.h"
#include "cuda/kernel.h"

namespace attnunet::cuda::gemm {

/// Throws Error where a size does not fit the kernels' 32-bit indices.
inline int to_int(Index n) {
  if (n > 2147483647 / 2)
    throw Error("a convolution with a side of " + std::to_string(n) +
                " is too large for the GPU's 32-bit indices: use a smaller --batch or --size");
  return static_cast<int>(n);
}

/// The address of a run of elements, to be read only if it is `inside`. Otherwise the run is zero, and the address is
/// whatever the arithmetic made of it. (A null pointer instead of the two does not work: from ?: with null, 64 bits of
/// zero that are overwritten under a predicate, ptxas 13.0 makes code for sm_90 that tests them a cycle too early.)
template <class T>
struct GuardedPointer {
  const T* address;
  bool inside;
};

/// Windows of R x R pixels of an image x, `step` pixels apart: window (n, h, w) of N x H x W has its tap (r, s) on
/// pixel (n, step h + r - pad, step w + s - pad), which is zero outside of the image.
template <class T>
struct Windows {
  const T* x;
  int count, H, W;       ///< windows: all, and those of one image
  int image_H, image_W;  ///< pixels of an image of x
  int step, R, pad;
  int C, stride;  ///< channels; elements from one pixel of x to the next

  /// A window: the first channel of pixel (step h, step w), and the place of tap (0, 0) in the image.
  struct Pixel {
    const T* address;
    int h, w;
    int left;  ///< windows from here to the end of the chunk
  };
  /// A tap and a channel.
  struct Tap {
    int r, s, c;
  };

  __device__ Pixel window(int index, int end) const {
    if (index >= end) return {x, outside, outside, end - index};
    const auto i = static_cast<unsigned>(index), width = static_cast<unsigned>(W), height = static_cast<unsigned>(H);
    const unsigned row = i / width, n = row / height;
    const int w = static_cast<int>(i - row * width), h = static_cast<int>(row - n * height);
    const Index at = (Index{n} * image_H + step * h) * image_W + step * w;
    return {x + at * stride, step * h - pad, step * w - pad, end - index};
  }
  /// Numbered r, s, c, c fastest. At and past the end r is at least R.
  __device__ Tap tap(int index) const {
    const int tap_index = index / C, r = tap_index / R;
    return {r, tap_index - r * R, index - tap_index * C};
  }
  __device__ void advance(Pixel& p, int by) const {
    p.left -= by;
    p.address += Index{by} * (step * stride);
    p.w += by * step;
    while (p.w >= W * step - pad) {
      p.w -= W * step;
      p.address += Index{(step - 1) * image_W} * stride;
      p.h += step;
      if (p.h >= H * step - pad) p.h -= H * step;
    }
  }
  __device__ void advance(Tap& t, int by) const {
    t.c += by;
    while (t.c >= C) {
      t.c -= C;
      if (++t.s < R) continue;
      t.s = 0;
      ++t.r;
    }
  }
  __device__ GuardedPointer<T> at(const Pixel& p, const Tap& t) const {
    const bool inside = p.left > 0 && t.r < R && static_cast<unsigned>(p.h + t.r) < static_cast<unsigned>(image_H) &&
                        static_cast<unsigned>(p.w + t.s) < static_cast<unsigned>(image_W);
    return {p.address + (((t.r - pad) * image_W + t.s - pad) * stride + t.c), inside};
  }

  static constexpr int outside = -(1 << 30);
};

/// A row a window, depth (r, s, c).
template <class T>
struct PixelRows {
  Windows<T> windows;

  static constexpr bool contiguous_in_depth = true;
  using Element = T;
  using Row = typename Windows<T>::Pixel;
  using Depth = typename Windows<T>::Tap;
  __device__ Row row(int m) const { return windows.window(m, windows.count); }
  __device__ Depth depth(int first, int /*end*/) const { return windows.tap(first); }
  __device__ void advance(Depth& depth, int by) const { windows.advance(depth, by); }
  __device__ GuardedPointer<T> at(const Row& row, const Depth& depth) const { return windows.at(row, depth); }
};

/// A row a tap and channel, depth the window: the same matrix transposed.
template <class T>
struct TapRows {
  Windows<T> windows;

  static constexpr bool contiguous_in_depth = false;
  using Element = T;
  using Row = typename Windows<T>::Tap;
  using Depth = typename Windows<T>::Pixel;
  __device__ Row row(int m) const { return windows.tap(m); }
  __device__ Depth depth(int first, int end) const { return windows.window(first, end); }
  __device__ void advance(Depth& depth, int by) const { windows.advance(depth, by); }
  __device__ GuardedPointer<T> at(const Row& row, const Depth& depth) const { return windows.at(depth, row); }
};

/// A plain matrix [rows][length].
template <class T>
struct MatrixRows {
  const T* w;
  int rows, length;

  struct MatrixRow {
    const T* address;
    int end;  ///< elements; 0 past the last row
  };
  static constexpr bool contiguous_in_depth = true;
  using Element = T;
  using Row = MatrixRow;
  using Depth = int;
  __device__ Row row(int m) const { return {w + Index{m} * length, m < rows ? length : 0}; }
  __device__ Depth depth(int first, int /*end*/) const { return first; }
  __device__ void advance(Depth& depth, int by) const { depth += by; }
  __device__ GuardedPointer<T> at(const Row& row, const Depth& depth) const {
    return {row.address + depth, depth < row.end};
  }
};

/// Weights [K][taps][C] of a convolution as backward-data needs them: a row a channel c, depth (tap, k) with the taps
/// from the other end (see cpu/conv2d.h). With one tap: the transpose of a matrix [K][C].
template <class T>
struct FlippedWeights {
  const T* w;
  int K, taps, C;

  struct KernelTap {
    int tap, k;
  };
  static constexpr bool contiguous_in_depth = false;
  using Element = T;
  using Row = int;
  using Depth = KernelTap;
  __device__ Row row(int m) const { return m; }
  __device__ Depth depth(int first, int /*end*/) const { return {first / K, first % K}; }
  __device__ void advance(Depth& depth, int by) const {
    depth.k += by;
    while (depth.k >= K) {
      depth.k -= K;
      ++depth.tap;
    }
  }
  __device__ GuardedPointer<T> at(const Row& c, const Depth& depth) const {
    return {w + ((depth.k * taps + taps - 1 - depth.tap) * C + c), c < C && depth.tap < taps};
  }
};

/// Where C[m][n] goes. Row m is pixel (n, h, w), whose results begin at pixel (n, step h, step w) of y. Step 1: n is
/// the channel. Step 2, the transposed convolution: n is (i, j, k), pixel (2h + i, 2w + j), channel k.
/// Also plain matrices, a partial result a chunk of the depth: per_chunk elements apart.
template <class T>
struct Output {
  T* y;
  const T* bias;  ///< by channel; may be null
  int rows, H, W;
  int step;
  int K, stride;                             ///< channels; elements from one pixel of y to the next
  bool add;                                  ///< to what is there (Write::add)
  Index per_chunk;                           ///< elements; 0 where there is one chunk
  Activation activation = Activation::none;  ///< of what is written

  /// Pixel of row m; null past the last.
  __device__ T* row(int m, unsigned chunk) const {
    if (m >= rows) return nullptr;
    Index at = m;
    if (step == 2) {
      const auto i = static_cast<unsigned>(m), width = static_cast<unsigned>(W), height = static_cast<unsigned>(H);
      const unsigned line = i / width, n = line / height;
      at = (Index{n} * 2 * H + 2 * (line - n * height)) * 2 * W + 2 * (i - line * width);
    }
    return y + (chunk * per_chunk + at * stride);
  }
  /// What column n means: its channel, -1 past the last, and how far from the row's address it goes.
  struct Column {
    int channel;
    int offset;
  };
  __device__ Column column(int n) const {
    if (n >= step * step * K) return {-1, 0};
    if (step == 1) return {n, n};
    const int tap = n / K, k = n - tap * K;
    return {k, ((tap / 2) * 2 * W + tap % 2) * stride + k};
  }
};

/// Writes element (m, n) of A B^T as the data's gradient has it, without the products with padding: its zeros would
/// make NaN of weights that are not finite. Slow: for tiles in which some sum is NaN. Ends at the first NaN, so that
/// the steps after a training has diverged, whose numbers are all NaN, take no longer.
template <class T>
static __device__ __forceinline__ void write_without_padding(const PixelRows<T>& a, const FlippedWeights<T>& b,
                                                             const Output<T>& output, int m, int n) {
  T* to = output.row(m, 0);
  if (to == nullptr || output.column(n).channel < 0) return;
  to += output.column(n).offset;
  const auto pixel = a.row(m);
  const auto channel = b.row(n);
  const int depth = b.K * b.taps;
  T sum = 0;
  for (int d = 0; d < depth && sum == sum; ++d) {
    const GuardedPointer<T> dy = a.at(pixel, a.depth(d, depth)), w = b.at(channel, b.depth(d, depth));
    if (dy.inside) sum = fma(*dy.address, *w.address, sum);
  }
  *to = output.add ? *to + sum : sum;
}

/// Statistics of the rows of one tile, by column, beside the result itself: means and m2 are [tiles of rows][K],
/// m2 the sum of squared deviations from the tile's own mean. Every tile but the last has the tile's height of rows.
struct TileStatistics {
  float* means;
  float* m2;
};

/// What a kernel reads or writes at a time: `elements` consecutive floats.
template <int elements>
struct RunOf;
template <>
struct RunOf<1> {
  using type = float;
};
template <>
struct RunOf<2> {
  using type = float2;
};
template <>
struct RunOf<4> {
  using type = float4;
};

// What lies at `from`; zero where that is outside. Written as predicated loads: nvcc would branch around each.
#ifdef ATTNUNET_SIMULATOR
template <class Run>
inline void load_or_zero(Run& run, const GuardedPointer<float>& from) {
  run = from.inside ? *reinterpret_cast<const Run*>(from.address) : Run{};
}
#else
static __device__ __forceinline__ void load_or_zero(float4& run, const GuardedPointer<float>& from) {
  asm volatile(
      "{ .reg .pred inside;\n"
      "  setp.ne.u32 inside, %5, 0;\n"
      "  mov.f32 %0, 0f00000000; mov.f32 %1, 0f00000000; mov.f32 %2, 0f00000000; mov.f32 %3, 0f00000000;\n"
      "  @inside ld.global.v4.f32 {%0, %1, %2, %3}, [%4]; }"
      : "=&f"(run.x), "=&f"(run.y), "=&f"(run.z), "=&f"(run.w)
      : "l"(from.address), "r"(unsigned{from.inside}));
}
static __device__ __forceinline__ void load_or_zero(float2& run, const GuardedPointer<float>& from) {
  asm volatile(
      "{ .reg .pred inside;\n"
      "  setp.ne.u32 inside, %3, 0;\n"
      "  mov.f32 %0, 0f00000000; mov.f32 %1, 0f00000000;\n"
      "  @inside ld.global.v2.f32 {%0, %1}, [%2]; }"
      : "=&f"(run.x), "=&f"(run.y)
      : "l"(from.address), "r"(unsigned{from.inside}));
}
static __device__ __forceinline__ void load_or_zero(float& run, const GuardedPointer<float>& from) {
  asm volatile(
      "{ .reg .pred inside;\n"
      "  setp.ne.u32 inside, %2, 0;\n"
      "  mov.f32 %0, 0f00000000;\n"
      "  @inside ld.global.f32 %0, [%1]; }"
      : "=&f"(run)
      : "l"(from.address), "r"(unsigned{from.inside}));
}
#endif

// ---- made on the host

/// Windows of R x R pixels on a tensor of the convolution's images, values or gradients.
template <class T, Meaning meaning>
Windows<T> conv2d_windows(const Conv2dGeometry& g, TensorView<const T, meaning> x, Index R) {
  to_int((g.W + 2) * x.stride * 2);
  const int H = to_int(g.H), W = to_int(g.W);
  return {x.data,
          to_int(g.pixels()),
          H,
          W,
          H,
          W,
          1,
          static_cast<int>(R),
          static_cast<int>(R - 1) / 2,
          to_int(x.channels),
          to_int(x.stride)};
}
/// Windows on the larger image: 2 x 2 pixels, 2 apart.
template <class T>
Windows<T> conv_transpose2d_blocks(const ConvTranspose2dGeometry& g, Gradients<const T> dy) {
  to_int((2 * g.W + 2) * dy.stride * 2);
  const int H = to_int(g.H), W = to_int(g.W);
  return {dy.data, to_int(g.input_pixels()), H, W, 2 * H, 2 * W, 2, 2, 0, to_int(g.K), to_int(dy.stride)};
}
/// The pixels of the smaller image, one by one.
template <class T>
Windows<T> conv_transpose2d_pixels(const ConvTranspose2dGeometry& g, Values<const T> x) {
  const int H = to_int(g.H), W = to_int(g.W);
  to_int((g.W + 2) * x.stride * 2);
  return {x.data, to_int(g.input_pixels()), H, W, H, W, 1, 1, 0, to_int(g.C), to_int(x.stride)};
}
template <class T, Meaning meaning>
Output<T> conv2d_output(const Conv2dGeometry& g, TensorView<T, meaning> y, const Epilogue<T>& epilogue) {
  const bool add = epilogue.write == Write::add;
  return {y.data,
          epilogue.bias,
          to_int(g.pixels()),
          to_int(g.H),
          to_int(g.W),
          1,
          to_int(y.channels),
          to_int(y.stride),
          add,
          0,
          epilogue.activation};
}
template <class T>
Output<T> conv_transpose2d_output(const ConvTranspose2dGeometry& g, Values<T> y, const T* bias) {
  to_int(4 * g.W * y.stride);
  return {y.data, bias, to_int(g.input_pixels()), to_int(g.H), to_int(g.W), 2, to_int(g.K), to_int(y.stride), false, 0};
}
/// dx [N,H,W,C]
template <class T>
Output<T> conv_transpose2d_gradient(const ConvTranspose2dGeometry& g, Gradients<T> dx, bool add) {
  return {dx.data, nullptr,     to_int(g.input_pixels()), to_int(g.H), to_int(g.W),
          1,       to_int(g.C), to_int(dx.stride),        add,         0};
}
template <class T>
MatrixRows<T> matrix_rows(const T* w, Index rows, Index length) {
  return {w, to_int(rows), to_int(length)};
}
template <class T>
FlippedWeights<T> flipped_weights(const T* w, Index K, Index taps, Index C) {
  to_int(K * taps * C);
  return {w, static_cast<int>(K), static_cast<int>(taps), static_cast<int>(C)};
}
/// [chunks][rows][columns]
template <class T>
Output<T> partial_output(T* workspace, Index rows, Index columns) {
  const int n = to_int(columns);
  return {workspace, nullptr, to_int(rows), 1, 1, 1, n, n, false, rows * columns};
}

/// Whether runs of V elements may be one access each: all counts and strides are multiples of V, all pointers aligned.
template <int V>
bool runs_of(std::initializer_list<Index> counts, std::initializer_list<const void*> pointers, std::size_t element) {
  for (const Index count : counts)
    if (count % V != 0) return false;
  for (const void* pointer : pointers)
    if (reinterpret_cast<std::uintptr_t>(pointer) % (V * element) != 0) return false;
  return true;
}

}  // namespace attnunet::cuda::gemm
