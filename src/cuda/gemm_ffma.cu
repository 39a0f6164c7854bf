#include <algorithm>

#include "cuda/gemm_ffma.h"
#include "cuda/gemm_tile.h"
#include "cuda/kernel.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda::gemm {
namespace {

using Wide = Tile<128, 64, 16, 8, 8, 4>;
using Narrow = Tile<256, 32, 8, 8, 8, 4>;
using High = Tile<128, 64, 8, 8, 8, 4>;
using Square = Tile<64, 64, 8, 8, 8, 4>;
using Low = Tile<32, 64, 8, 4, 8, 4>;
using Small = Tile<32, 32, 16, 4, 4, 1>;

// One thread's share in fetching the tiles of an operand, stage after stage.
template <class Operand, class T, int rows>
struct Fetch {
  static constexpr bool deep = Operand::contiguous_in_depth;
  static constexpr int along = (deep ? T::depth : rows) / T::run;  // runs side by side in memory, a thread each
  static constexpr int apart = T::threads / along;
  static constexpr int extent = deep ? rows : T::depth;
  static constexpr int count = (extent + apart - 1) / apart;  // runs of a thread, `apart` from one to the next
  static_assert(T::threads % along == 0, "every thread has a place along the runs");
  using Run = typename RunOf<T::run>::type;

  typename Operand::Row row[deep ? count : 1];
  typename Operand::Depth depth[deep ? 1 : count];
  Run run[count];
  int place, first;  // along the runs (in elements), and across them

  __device__ __forceinline__ Fetch(const Operand& operand, int row_0, int depth_0, int depth_end) {
    const int thread = static_cast<int>(threadIdx.x);
    place = thread % along * T::run;
    first = thread / along;
    if (deep) {
      depth[0] = operand.depth(depth_0 + place, depth_end);
      ATTNUNET_UNROLL
      for (int i = 0; i < count; ++i) row[deep ? i : 0] = operand.row(row_0 + first + i * apart);
    } else {
      row[0] = operand.row(row_0 + place);
      ATTNUNET_UNROLL
      for (int i = 0; i < count; ++i) depth[deep ? 0 : i] = operand.depth(depth_0 + first + i * apart, depth_end);
    }
  }

  // Of the next stage. Runs past the extent are fetched (as zeros or not) and never stored.
  __device__ __forceinline__ void load(const Operand& operand) {
    ATTNUNET_UNROLL
    for (int i = 0; i < count; ++i) {
      load_or_zero(run[i], operand.at(row[deep ? i : 0], depth[deep ? 0 : i]));
      if (!deep) operand.advance(depth[deep ? 0 : i], T::depth);
    }
    if (deep) operand.advance(depth[0], T::depth);
  }

  __device__ __forceinline__ void store(float (*tile)[rows]) const {
    ATTNUNET_UNROLL
    for (int i = 0; i < count; ++i) {
      const int other = first + i * apart;
      if (extent % apart != 0 && other >= extent) continue;
      if (deep) {
        const float* values = reinterpret_cast<const float*>(&run[i]);
        ATTNUNET_UNROLL
        for (int j = 0; j < T::run; ++j) tile[place + j][other ^ swizzle(place)] = values[j];
      } else {
        *reinterpret_cast<Run*>(&tile[other][place]) = run[i];
      }
    }
  }

  // The place of a row in line d of the tile is row ^ swizzle(d).
  static constexpr __device__ int swizzle(int d) { return deep && T::run == 4 ? d / 4 * (32 / along) : 0; }
};

// 4 rows `next` apart in shared memory, of a thread's rows (or columns): group g's first stands at g * spread.
template <int own, int spread>
__device__ __forceinline__ void read_own(float (&values)[own], const float* line, int first, int swizzle) {
  ATTNUNET_UNROLL
  for (int g = 0; g < own / 4; ++g) {
    const float4 four = *reinterpret_cast<const float4*>(line + ((first + g * spread) ^ swizzle));
    values[4 * g] = four.x;
    values[4 * g + 1] = four.y;
    values[4 * g + 2] = four.z;
    values[4 * g + 3] = four.w;
  }
}

struct TileGrid {
  int column_tiles, depth, chunk;
};

template <class T, class A, class B, bool with_statistics>
__global__ void __launch_bounds__(T::threads, 384 / T::threads)
    gemm_ffma_kernel(A a, B b, Output<float> output, TileStatistics statistics, TileGrid grid) {
  ATTNUNET_SHARED(float, a_tile, [2][T::depth][T::rows]);
  ATTNUNET_SHARED(float, b_tile, [2][T::depth][T::columns]);
  using FetchA = Fetch<A, T, T::rows>;
  using FetchB = Fetch<B, T, T::columns>;

  // Tiles side by side use the same rows of A: they run next to each other and find them in L2.
  const int tile_row = static_cast<int>(blockIdx.x) / grid.column_tiles;
  const int row_0 = tile_row * T::rows;
  const int column_0 = (static_cast<int>(blockIdx.x) - tile_row * grid.column_tiles) * T::columns;
  const int depth_0 = static_cast<int>(blockIdx.y) * grid.chunk;
  const int depth_end = depth_0 + grid.chunk < grid.depth ? depth_0 + grid.chunk : grid.depth;
  const int thread_row = static_cast<int>(threadIdx.x) / T::across,
            thread_column = static_cast<int>(threadIdx.x) % T::across;

  FetchA fetch_a(a, row_0, depth_0, depth_end);
  FetchB fetch_b(b, column_0, depth_0, depth_end);
  fetch_a.load(a);
  fetch_b.load(b);
  fetch_a.store(a_tile[0]);
  fetch_b.store(b_tile[0]);
  ATTNUNET_SYNCTHREADS();

  float sum[T::own_rows][T::own_columns] = {};
  const int stages = (depth_end - depth_0 + T::depth - 1) / T::depth;
  for (int stage = 0; stage < stages; ++stage) {
    const bool more = stage + 1 < stages;
    if (more) {
      fetch_a.load(a);
      fetch_b.load(b);
    }
    const int buffer = stage % 2;
    ATTNUNET_UNROLL
    for (int d = 0; d < T::depth; ++d) {
      float a_own[T::own_rows], b_own[T::own_columns];
      read_own<T::own_rows, 4 * T::down>(a_own, a_tile[buffer][d], 4 * thread_row, FetchA::swizzle(d));
      read_own<T::own_columns, 4 * T::across>(b_own, b_tile[buffer][d], 4 * thread_column, FetchB::swizzle(d));
      ATTNUNET_UNROLL
      for (int i = 0; i < T::own_rows; ++i) {
        ATTNUNET_UNROLL
        for (int j = 0; j < T::own_columns; ++j) sum[i][j] = fma(a_own[i], b_own[j], sum[i][j]);
      }
    }
    if (more) {
      fetch_a.store(a_tile[1 - buffer]);
      fetch_b.store(b_tile[1 - buffer]);
    }
    ATTNUNET_SYNCTHREADS();
  }

  if constexpr (std::is_same_v<B, FlippedWeights<float>>) {
    bool numbers = true;
    ATTNUNET_UNROLL
    for (int i = 0; i < T::own_rows; ++i) {
      ATTNUNET_UNROLL
      for (int j = 0; j < T::own_columns; ++j) numbers = numbers && sum[i][j] == sum[i][j];
    }
    if (!numbers) {
      ATTNUNET_KEEP_ROLLED
      for (int e = 0; e < T::own_rows * T::own_columns; ++e) {
        const int i = e / T::own_columns, j = e % T::own_columns;
        write_without_padding(a, b, output, row_0 + 4 * thread_row + i / 4 * (4 * T::down) + i % 4,
                              column_0 + 4 * thread_column + j / 4 * (4 * T::across) + j % 4);
      }
      return;
    }
  }
  write_out<T>(output, sum, row_0 + 4 * thread_row, column_0 + 4 * thread_column, blockIdx.y);
  if (with_statistics)
    tile_statistics<T>(statistics, output, sum, tile_row, row_0 + 4 * thread_row, column_0, thread_row,
                       4 * thread_column);
}

Index columns_of(const Output<float>& output) {
  return Index{output.step} * output.step * output.K;
}

template <class T, bool with_statistics = false, class M, class A, class B>
void launch_tiles(Device<M>& device, const char* name, const A& a, const B& b, const Output<float>& output, Index depth,
                  Index chunk, const TileStatistics& statistics = {}) {
  const Index row_tiles = (output.rows + T::rows - 1) / T::rows;
  const Index column_tiles = (columns_of(output) + T::columns - 1) / T::columns;
  const Index chunks = (depth + chunk - 1) / chunk;
  const dim3 grid(static_cast<unsigned>(to_int(row_tiles * column_tiles)), static_cast<unsigned>(chunks));
  launch(device, {name, grid, T::threads}, gemm_ffma_kernel<T, A, B, with_statistics>, a, b, output, statistics,
         TileGrid{static_cast<int>(column_tiles), to_int(depth), to_int(chunk)});
}

Index depth_of(const PixelRows<float>& a) {
  return Index{a.windows.R} * a.windows.R * a.windows.C;
}
constexpr Index narrow_columns = 32;

template <bool with_statistics, class M, class B>
void launch_pixels(Device<M>& device, const char* name, const PixelRows<float>& a, const B& b,
                   const Output<float>& output, const TileStatistics& statistics, bool vectors) {
  const Index columns = columns_of(output), depth = depth_of(a);
  if (!vectors)
    launch_tiles<Small, with_statistics>(device, name, a, b, output, depth, depth, statistics);
  else if (columns <= narrow_columns)
    launch_tiles<Narrow, with_statistics>(device, name, a, b, output, depth, depth, statistics);
  else
    launch_tiles<Wide, with_statistics>(device, name, a, b, output, depth, depth, statistics);
}

// Chunks of the pixels: enough blocks to fill a GPU, not more partial results than worth their traffic, and no longer
// chains of sums than 8192. They depend on the shape only.
Index chunk_depth_of(Index rows, Index columns, Index pixels) {
  constexpr Index blocks = 1024, shortest = 256, longest = 8192;
  const Index tiles = ((rows + 63) / 64) * ((columns + 63) / 64);
  const Index wanted = (pixels * tiles + blocks - 1) / blocks;
  return (std::min(longest, std::max(shortest, wanted)) + 15) / 16 * 16;
}

}  // namespace

template <class M>
Index tile_rows(const Device<M>&, Index columns, bool vectors) {
  return !vectors ? Small::rows : columns <= narrow_columns ? Narrow::rows : Wide::rows;
}

template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const MatrixRows<float>& b, const Output<float>& output,
              bool vectors) {
  launch_pixels<false>(device, "gemm_ffma forward", a, b, output, {}, vectors);
}

template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const MatrixRows<float>& b, const Output<float>& output,
              const TileStatistics& statistics, bool vectors) {
  launch_pixels<true>(device, "gemm_ffma forward with statistics", a, b, output, statistics, vectors);
}

template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const FlippedWeights<float>& b, const Output<float>& output,
              bool vectors) {
  launch_pixels<false>(device, "gemm_ffma backward-data", a, b, output, {}, vectors);
}

template <class M>
Index multiply_weights_workspace(const Device<M>&, Index rows, Index columns, Index pixels) {
  const Index chunk = chunk_depth_of(rows, columns, pixels);
  return weight_gradient_workspace((pixels + chunk - 1) / chunk, rows * columns);
}

template <class M>
void multiply_weights(Device<M>& device, float* c, const TapRows<float>& a, const TapRows<float>& b, float* workspace,
                      Index rows, Index columns, bool vectors) {
  const Index pixels = a.windows.count, chunk = chunk_depth_of(rows, columns, pixels),
              chunks = (pixels + chunk - 1) / chunk;
  float* partials = chunks == 1 ? c : workspace;
  const Output<float> output = partial_output(partials, rows, columns);
  const char* name = "gemm_ffma backward-weights";
  if (!vectors)
    launch_tiles<Small>(device, name, a, b, output, pixels, chunk);
  else if (rows <= Low::rows)
    launch_tiles<Low>(device, name, a, b, output, pixels, chunk);
  else if (rows <= Square::rows)
    launch_tiles<Square>(device, name, a, b, output, pixels, chunk);
  else
    launch_tiles<High>(device, name, a, b, output, pixels, chunk);
  add_weight_gradients(device, c, partials, chunks, rows * columns);
}

template void multiply(ThisDevice&, const PixelRows<float>&, const MatrixRows<float>&, const Output<float>&, bool);
template void multiply(ThisDevice&, const PixelRows<float>&, const MatrixRows<float>&, const Output<float>&,
                       const TileStatistics&, bool);
template void multiply(ThisDevice&, const PixelRows<float>&, const FlippedWeights<float>&, const Output<float>&, bool);
template Index tile_rows(const ThisDevice&, Index, bool);
template Index multiply_weights_workspace(const ThisDevice&, Index, Index, Index);
template void multiply_weights(ThisDevice&, float*, const TapRows<float>&, const TapRows<float>&, float*, Index, Index,
                               bool);

}  // namespace attnunet::cuda::gemm
