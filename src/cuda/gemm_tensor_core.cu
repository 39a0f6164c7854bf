#include <algorithm>

#include "cuda/async_copy.h"
#include "cuda/gemm_tensor_core.h"
#include "cuda/kernel.h"
#include "cuda/tensor_core.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda::gemm::tensor_core {
namespace {

constexpr int threads = 128, stages = 4, stage_depth = 16;
constexpr int small_tile = 32, large_tile = 128;

// ---- global memory -> shared memory

/// One thread's share of the copies of an operand: `lines` rows, a stage after the other, V elements a copy.
template <class Rows, int lines, int V>
class Copies {
  static constexpr bool along_depth = Rows::contiguous_in_depth;
  static constexpr int runs = (along_depth ? stage_depth : lines) / V;  // side by side
  static constexpr int apart = threads / runs;                          // from one pass to the next
  static constexpr int passes = (along_depth ? lines : stage_depth) / apart;
  static_assert(threads % runs == 0 && passes * apart == (along_depth ? lines : stage_depth), "uneven shares");

 public:
  __device__ Copies(const Rows& operand, int first_line, int first_depth, int end) {
    const int run = static_cast<int>(threadIdx.x) % runs * V, start = static_cast<int>(threadIdx.x) / runs;
    if constexpr (along_depth) {
      depths_[0] = operand.depth(first_depth + run, end);
      ATTNUNET_UNROLL
      for (int pass = 0; pass < passes; ++pass) rows_[pass] = operand.row(first_line + start + pass * apart);
    } else {
      rows_[0] = operand.row(first_line + run);
      ATTNUNET_UNROLL
      for (int pass = 0; pass < passes; ++pass) depths_[pass] = operand.depth(first_depth + start + pass * apart, end);
    }
  }

  /// Asks for the copies of a stage and goes on to the next.
  __device__ void next(const Rows& operand, float* tile) {
    const int run = static_cast<int>(threadIdx.x) % runs * V, start = static_cast<int>(threadIdx.x) / runs;
    ATTNUNET_UNROLL
    for (int pass = 0; pass < passes; ++pass) {
      const int line = start + pass * apart;
      const GuardedPointer<float> from = operand.at(rows_[along_depth ? pass : 0], depths_[along_depth ? 0 : pass]);
      float* to = along_depth ? tile + line * stage_depth + run : tile + line * lines + (run ^ line / 4 * 8);
      const unsigned bytes = from.inside ? 4 * V : 0;
      if constexpr (V == 4)
        copy_async_16(to, from.address, bytes);
      else
        copy_async_4(to, from.address, bytes);
      if constexpr (!along_depth) operand.advance(depths_[pass], stage_depth);
    }
    if constexpr (along_depth) operand.advance(depths_[0], stage_depth);
  }

 private:
  typename Rows::Row rows_[along_depth ? passes : 1];
  typename Rows::Depth depths_[along_depth ? 1 : passes];
};

// ---- shared memory -> registers

/// Depths 4t .. 4t+3 of one line.
template <bool along_depth, int lines>
static __device__ __forceinline__ void read(float (&values)[4], const float* tile, int line, int t) {
  if constexpr (along_depth) {
    const float4 four = *reinterpret_cast<const float4*>(tile + line * stage_depth + 4 * t);
    values[0] = four.x, values[1] = four.y, values[2] = four.z, values[3] = four.w;
  } else {
    ATTNUNET_UNROLL
    for (int i = 0; i < 4; ++i) values[i] = tile[(4 * t + i) * lines + (line ^ t * 8)];
  }
}

/// A stage is two products in tf32 and one in bf16. Word `word` of the fragments of `product` with lines g (and g + 8):
/// the pair `word` of the two halves of a lane's four.
static __device__ __forceinline__ std::uint32_t operand_word(Tf32, const float (&four)[4], int product, int half) {
  return tf32_word(four[2 * product + half]);
}
static __device__ __forceinline__ std::uint32_t operand_word(Bf16, const float (&four)[4], int, int half) {
  return bf16_word(four[2 * half], four[2 * half + 1]);
}

// ---- registers -> global memory

/// A lane's part of C: rows first_m, 8 more, 8 more, ..., columns first_n and the one after it, 8 more, ... A pair of
/// columns is one access where V says that runs are aligned. What is added to is read a row at a time: many reads under
/// way together.
template <int V, int tiles_a, int tiles_b>
static __device__ __forceinline__ void store(const FragmentD (&sums)[tiles_a][tiles_b], const Output<float>& output,
                                             int first_m, int first_n) {
  constexpr int width = V == 4 ? 2 : 1, groups = 2 / width;
  using Run = typename RunOf<width>::type;
  Output<float>::Column columns[tiles_b][groups];
  float bias[tiles_b][2];
  ATTNUNET_UNROLL
  for (int j = 0; j < tiles_b; ++j) {
    ATTNUNET_UNROLL
    for (int right = 0; right < 2; ++right) {
      if (right % width == 0) columns[j][right / width] = output.column(first_n + 8 * j + right);
      const int channel = columns[j][right / width].channel;
      bias[j][right] = output.bias != nullptr && channel >= 0 ? output.bias[channel + right % width] : 0.0f;
    }
  }
  ATTNUNET_UNROLL
  for (int i = 0; i < 2 * tiles_a; ++i) {
    float* row = output.row(first_m + 8 * i, blockIdx.y);
    if (row == nullptr) continue;
    Run there[tiles_b][groups] = {};
    if (output.add) {
      ATTNUNET_UNROLL
      for (int j = 0; j < tiles_b; ++j) {
        ATTNUNET_UNROLL
        for (int group = 0; group < groups; ++group)
          load_or_zero(there[j][group], {row + columns[j][group].offset, columns[j][group].channel >= 0});
      }
    }
    ATTNUNET_UNROLL
    for (int j = 0; j < tiles_b; ++j) {
      const float* value = &sums[i / 2][j].value[i % 2 * 2];
      ATTNUNET_UNROLL
      for (int group = 0; group < groups; ++group) {
        if (columns[j][group].channel < 0) continue;
        float* to = row + columns[j][group].offset;
        if constexpr (width == 2)
          *reinterpret_cast<float2*>(to) =
              make_float2(activated(there[j][group].x + (value[0] + bias[j][0]), output.activation),
                          activated(there[j][group].y + (value[1] + bias[j][1]), output.activation));
        else
          *to = activated(there[j][group] + (value[group] + bias[j][group]), output.activation);
      }
    }
  }
}

/// The sum of what the lanes bring for their columns, in `totals` [0][column]; all threads take part. `group` numbers
/// the lanes that bring a column, 8 a warp, and they are added in that order.
template <class Tile, int tiles_b>
static __device__ __forceinline__ void add_columns(float* totals, const float (&own)[tiles_b][2], int group,
                                                   int first_column) {
  ATTNUNET_SYNCTHREADS();  // nobody reads what was there any more
  ATTNUNET_UNROLL
  for (int j = 0; j < tiles_b; ++j)
    *reinterpret_cast<float2*>(totals + group * Tile::tile_n + first_column + 8 * j) =
        make_float2(own[j][0], own[j][1]);
  ATTNUNET_SYNCTHREADS();
  for (int column = static_cast<int>(threadIdx.x); column < Tile::tile_n; column += threads) {
    float total = totals[column];
    for (int other = 1; other < 8 * Tile::warps_m; ++other) total += totals[other * Tile::tile_n + column];
    totals[column] = total;
  }
  ATTNUNET_SYNCTHREADS();
}

/// Mean and squared deviations of a tile's columns. Rows past the last are zero in `sums`; first_row and first_column
/// are the lane's first in the tile, as store has them in C. `totals` is shared memory.
template <class Tile, int tiles_a, int tiles_b>
static __device__ __forceinline__ void tile_statistics(const TileStatistics& statistics, const Output<float>& output,
                                                       const FragmentD (&sums)[tiles_a][tiles_b], float* totals,
                                                       int tile_row, int tile_n, int first_row, int first_column) {
  const int left = output.rows - tile_row * Tile::tile_m, height = left < Tile::tile_m ? left : Tile::tile_m;
  const int group = first_row / Tile::warp_m * 8 + first_row % 8;
  float own[tiles_b][2];
  ATTNUNET_UNROLL
  for (int j = 0; j < tiles_b; ++j) {
    ATTNUNET_UNROLL
    for (int right = 0; right < 2; ++right) {
      own[j][right] = 0;
      ATTNUNET_UNROLL
      for (int i = 0; i < 2 * tiles_a; ++i) own[j][right] += sums[i / 2][j].value[i % 2 * 2 + right];
    }
  }
  add_columns<Tile>(totals, own, group, first_column);
  const Index to = Index{tile_row} * output.K + tile_n;
  for (int column = static_cast<int>(threadIdx.x); column < Tile::tile_n; column += threads)
    if (tile_n + column < output.K) statistics.means[to + column] = totals[column] / static_cast<float>(height);
  ATTNUNET_UNROLL
  for (int j = 0; j < tiles_b; ++j) {
    ATTNUNET_UNROLL
    for (int right = 0; right < 2; ++right) {
      const float mean = totals[first_column + 8 * j + right] / static_cast<float>(height);
      own[j][right] = 0;
      ATTNUNET_UNROLL
      for (int i = 0; i < 2 * tiles_a; ++i) {
        const float deviation = sums[i / 2][j].value[i % 2 * 2 + right] - mean;
        if (first_row + 8 * i < height) own[j][right] = fma(deviation, deviation, own[j][right]);
      }
    }
  }
  add_columns<Tile>(totals, own, group, first_column);
  for (int column = static_cast<int>(threadIdx.x); column < Tile::tile_n; column += threads)
    if (tile_n + column < output.K) statistics.m2[to + column] = totals[column];
}

// ---- the product

template <class Operand, int tile_m_, int tile_n_, int warps_m_, int V_>
struct TensorCoreTile {
  using Rounded = Operand;
  static constexpr int tile_m = tile_m_, tile_n = tile_n_, V = V_;
  static constexpr int warps_m = warps_m_, warps_n = threads / warp_size / warps_m;
  static constexpr int warp_m = tile_m / warps_m, warp_n = tile_n / warps_n;
  static constexpr int stage = (tile_m + tile_n) * stage_depth;  // elements
  static constexpr std::size_t shared = sizeof(float) * stages * stage;
};

template <class Tile, class A, class B>
__global__ void __launch_bounds__(threads) multiply_kernel(A a, B b, Output<float> output, TileStatistics statistics,
                                                           int tiles_n, int depth, int chunk_depth) {
  using Operand = typename Tile::Rounded;
  constexpr int tiles_a = Tile::warp_m / 16, tiles_b = Tile::warp_n / 8, products = stage_depth / Operand::depth;
  ATTNUNET_DYNAMIC_SHARED(float, shared);
  const int thread = static_cast<int>(threadIdx.x), warp = thread / warp_size, lane = thread % warp_size;
  const int g = lane / 4, t = lane % 4;
  const int block = static_cast<int>(blockIdx.x);
  const int first_m = block / tiles_n * Tile::tile_m, first_n = block % tiles_n * Tile::tile_n;
  const int warp_m = warp / Tile::warps_n * Tile::warp_m, warp_n = warp % Tile::warps_n * Tile::warp_n;
  const int begin = static_cast<int>(blockIdx.y) * chunk_depth;
  const int end = depth - begin < chunk_depth ? depth : begin + chunk_depth;
  const int steps = (end - begin + stage_depth - 1) / stage_depth;

  Copies<A, Tile::tile_m, Tile::V> copies_a(a, first_m, begin, end);
  Copies<B, Tile::tile_n, Tile::V> copies_b(b, first_n, begin, end);
  const auto copy = [&](int step) {
    if (step < steps) {
      float* tile = shared + step % stages * Tile::stage;
      copies_a.next(a, tile);
      copies_b.next(b, tile + Tile::tile_m * stage_depth);
    }
    commit_copies();  // empty groups too: the wait counts groups
  };

  FragmentD sums[tiles_a][tiles_b];
  ATTNUNET_UNROLL
  for (int i = 0; i < tiles_a; ++i) {
    ATTNUNET_UNROLL
    for (int j = 0; j < tiles_b; ++j) sums[i][j] = FragmentD{};
  }
  // The first steps only ask for copies.
  ATTNUNET_KEEP_ROLLED
  for (int step = 1 - stages; step < steps; ++step) {
    if (step >= 0) {
      wait_for_copies<stages - 2>();
      ATTNUNET_SYNCTHREADS();  // this stage is there for all, and all are done with the one before: next's place
    }
    copy(step + stages - 1);
    if (step < 0) continue;
    const float* tile_a = shared + step % stages * Tile::stage;
    const float* tile_b = tile_a + Tile::tile_m * stage_depth;
    FragmentA fragments_a[products][tiles_a];
    FragmentB fragments_b[products][tiles_b];
    ATTNUNET_UNROLL
    for (int i = 0; i < tiles_a; ++i) {
      ATTNUNET_UNROLL
      for (int lower = 0; lower < 2; ++lower) {
        float four[4];
        read<A::contiguous_in_depth, Tile::tile_m>(four, tile_a, warp_m + 16 * i + 8 * lower + g, t);
        ATTNUNET_UNROLL
        for (int product = 0; product < products; ++product) {
          ATTNUNET_UNROLL
          for (int half = 0; half < 2; ++half)
            fragments_a[product][i].word[2 * half + lower] = operand_word(Operand(), four, product, half);
        }
      }
    }
    ATTNUNET_UNROLL
    for (int j = 0; j < tiles_b; ++j) {
      float four[4];
      read<B::contiguous_in_depth, Tile::tile_n>(four, tile_b, warp_n + 8 * j + g, t);
      ATTNUNET_UNROLL
      for (int product = 0; product < products; ++product) {
        ATTNUNET_UNROLL
        for (int half = 0; half < 2; ++half)
          fragments_b[product][j].word[half] = operand_word(Operand(), four, product, half);
      }
    }
    ATTNUNET_UNROLL
    for (int product = 0; product < products; ++product)
      multiply_add<Operand>(sums, fragments_a[product], fragments_b[product]);
  }

  if constexpr (std::is_same_v<B, FlippedWeights<float>>) {
    bool numbers = true;
    ATTNUNET_UNROLL
    for (int i = 0; i < tiles_a; ++i) {
      ATTNUNET_UNROLL
      for (int j = 0; j < tiles_b; ++j) {
        ATTNUNET_UNROLL
        for (int value = 0; value < 4; ++value) numbers = numbers && sums[i][j].value[value] == sums[i][j].value[value];
      }
    }
    if (!numbers) {
      ATTNUNET_KEEP_ROLLED
      for (int i = 0; i < 2 * tiles_a; ++i)
        for (int j = 0; j < 2 * tiles_b; ++j)
          write_without_padding(a, b, output, first_m + warp_m + g + 8 * i,
                                first_n + warp_n + 2 * t + j / 2 * 8 + j % 2);
      return;
    }
  }
  store<Tile::V>(sums, output, first_m + warp_m + g, first_n + warp_n + 2 * t);
  if constexpr (B::contiguous_in_depth) {  // a forward product
    if (statistics.means != nullptr)
      tile_statistics<Tile>(statistics, output, sums, shared, block / tiles_n, first_n, warp_m + g, warp_n + 2 * t);
  }
}

struct ProductSize {
  Index rows, columns, depth, chunk;  // of C, of the sums, of a part of them
  TileStatistics statistics{nullptr, nullptr};
};

template <class Tile, class M, class A, class B>
void launch_tiles(Device<M>& device, const char* name, const A& a, const B& b, const Output<float>& output,
                  const ProductSize& size) {
  const int tiles_n = to_int((size.columns + Tile::tile_n - 1) / Tile::tile_n);
  const int tiles = to_int((size.rows + Tile::tile_m - 1) / Tile::tile_m * tiles_n);
  const Index chunks = (size.depth + size.chunk - 1) / size.chunk;
  launch(device, {name, dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(chunks)), threads, Tile::shared},
         multiply_kernel<Tile, A, B>, a, b, output, size.statistics, tiles_n, to_int(size.depth), to_int(size.chunk));
}

template <class Operand, class M, class B>
void launch_rounded(Device<M>& device, const char* name, const PixelRows<float>& a, const B& b,
                    const Output<float>& output, const ProductSize& size, bool vectors) {
  if (!vectors)
    launch_tiles<TensorCoreTile<Operand, small_tile, small_tile, 2, 1>>(device, name, a, b, output, size);
  else if (size.columns <= 32)
    launch_tiles<TensorCoreTile<Operand, large_tile, 32, 4, 4>>(device, name, a, b, output, size);
  else if (size.columns <= 64)
    launch_tiles<TensorCoreTile<Operand, large_tile, 64, 2, 4>>(device, name, a, b, output, size);
  else
    launch_tiles<TensorCoreTile<Operand, large_tile, large_tile, 2, 4>>(device, name, a, b, output, size);
}

template <class Operand, class M>
void launch_rounded(Device<M>& device, const char* name, const TapRows<float>& a, const TapRows<float>& b,
                    const Output<float>& output, const ProductSize& size, bool vectors) {
  if (!vectors)
    launch_tiles<TensorCoreTile<Operand, small_tile, small_tile, 2, 1>>(device, name, a, b, output, size);
  else if (size.rows <= 32)
    launch_tiles<TensorCoreTile<Operand, 32, large_tile, 1, 4>>(device, name, a, b, output, size);
  else if (size.rows <= 64)
    launch_tiles<TensorCoreTile<Operand, 64, large_tile, 1, 4>>(device, name, a, b, output, size);
  else
    launch_tiles<TensorCoreTile<Operand, large_tile, large_tile, 2, 4>>(device, name, a, b, output, size);
}

template <class M, class A, class B>
void launch_product(Device<M>& device, const char* name, const A& a, const B& b, const Output<float>& output,
                    const ProductSize& size, bool vectors) {
  if (device.precision() == Precision::bf16)
    launch_rounded<Bf16>(device, name, a, b, output, size, vectors);
  else
    launch_rounded<Tf32>(device, name, a, b, output, size, vectors);
}

// Pixels of a part of the sum: enough parts for a large GPU and none too long, while their results fit in 16 MiB.
Index chunk_depth_of(Index rows, Index columns, Index pixels) {
  constexpr Index tile = large_tile, blocks = 512, shortest = 512, longest = 8192, most_elements = Index{1} << 22;
  const Index tiles = (rows + tile - 1) / tile * ((columns + tile - 1) / tile);
  const Index wanted = std::max(blocks / tiles, (pixels + longest - 1) / longest);
  const Index possible = std::min((pixels + shortest - 1) / shortest, most_elements / (rows * columns));
  const Index chunks = std::max<Index>(1, std::min(wanted, possible));
  return ((pixels + chunks - 1) / chunks + stage_depth - 1) / stage_depth * stage_depth;
}

Index chunk_count(Index rows, Index columns, Index pixels) {
  const Index chunk = chunk_depth_of(rows, columns, pixels);
  return (pixels + chunk - 1) / chunk;
}

}  // namespace

template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const MatrixRows<float>& b, const Output<float>& output,
              bool vectors) {
  launch_product(device, "tensor_core_multiply", a, b, output, {a.windows.count, b.rows, b.length, b.length}, vectors);
}

template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const MatrixRows<float>& b, const Output<float>& output,
              const TileStatistics& statistics, bool vectors) {
  launch_product(device, "tensor_core_multiply_statistics", a, b, output,
                 {a.windows.count, b.rows, b.length, b.length, statistics}, vectors);
}

template <class M>
Index tile_rows(const Device<M>&, bool vectors) {
  return vectors ? large_tile : small_tile;
}

template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const FlippedWeights<float>& b, const Output<float>& output,
              bool vectors) {
  const Index depth = Index{b.taps} * b.K;
  launch_product(device, "tensor_core_multiply_flipped", a, b, output, {a.windows.count, b.C, depth, depth}, vectors);
}

template <class M>
void multiply_weights(Device<M>& device, float* c, const TapRows<float>& a, const TapRows<float>& b, float* workspace,
                      Index rows, Index columns, bool vectors) {
  const Index pixels = a.windows.count, chunks = chunk_count(rows, columns, pixels);
  launch_product(device, "tensor_core_multiply_weights", a, b,
                 partial_output(chunks == 1 ? c : workspace, rows, columns),
                 {rows, columns, pixels, chunk_depth_of(rows, columns, pixels)}, vectors);
  add_weight_gradients(device, c, workspace, chunks, rows * columns);
}

template <class M>
Index multiply_weights_workspace(const Device<M>&, Index rows, Index columns, Index pixels) {
  return weight_gradient_workspace(chunk_count(rows, columns, pixels), rows * columns);
}

template void multiply(ThisDevice&, const PixelRows<float>&, const MatrixRows<float>&, const Output<float>&, bool);
template void multiply(ThisDevice&, const PixelRows<float>&, const MatrixRows<float>&, const Output<float>&,
                       const TileStatistics&, bool);
template void multiply(ThisDevice&, const PixelRows<float>&, const FlippedWeights<float>&, const Output<float>&, bool);
template Index tile_rows(const ThisDevice&, bool);
template Index multiply_weights_workspace(const ThisDevice&, Index, Index, Index);
template void multiply_weights(ThisDevice&, float*, const TapRows<float>&, const TapRows<float>&, float*, Index, Index,
                               bool);

}  // namespace attnunet::cuda::gemm::tensor_core
