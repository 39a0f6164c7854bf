#include <algorithm>

#include "cuda/gemm_ffma.h"
#include "cuda/kernel.h"

namespace attnunet::cuda::gemm {
namespace {

template <int rows_, int columns_, int depth_, int own_rows_, int own_columns_, int run_>
struct Tile {
  static constexpr int rows = rows_, columns = columns_, depth = depth_;
  static constexpr int own_rows = own_rows_, own_columns = own_columns_;  // of a thread
  static constexpr int across = columns / own_columns, down = rows / own_rows, threads = across * down;
  static constexpr int run = run_;  // elements that are fetched at a time
};
using Wide = Tile<128, 64, 16, 8, 8, 4>;
using Narrow = Tile<256, 32, 8, 8, 8, 4>;
using High = Tile<128, 64, 8, 8, 8, 4>;
using Square = Tile<64, 64, 8, 8, 8, 4>;
using Low = Tile<32, 64, 8, 4, 8, 4>;
using Small = Tile<32, 32, 16, 4, 4, 1>;

template <int run>
struct RunOf {
  using type = float;
};
template <>
struct RunOf<4> {
  using type = float4;
};

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
      const float* from = operand.at(row[deep ? i : 0], depth[deep ? 0 : i]);
      run[i] = from != nullptr ? *reinterpret_cast<const Run*>(from) : Run{};
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

// Sum over the block's threads, by column: each brings its columns' values; all columns' totals stand in totals after.
template <class T>
__device__ __forceinline__ void add_columns(float (*totals)[T::columns], const float (&own)[T::own_columns],
                                            int thread_row, int first_column) {
  ATTNUNET_UNROLL
  for (int j = 0; j < T::own_columns; ++j) totals[thread_row][first_column + j / 4 * (4 * T::across) + j % 4] = own[j];
  ATTNUNET_SYNCTHREADS();
  for (int column = static_cast<int>(threadIdx.x); column < T::columns; column += T::threads) {
    float total = totals[0][column];
    for (int other = 1; other < T::down; ++other) total += totals[other][column];
    totals[0][column] = total;
  }
  ATTNUNET_SYNCTHREADS();
}

// Mean and squared deviations of the tile's columns. Rows past the last are zero in `sum`.
template <class T>
__device__ __forceinline__ void tile_statistics(const TileStatistics& statistics, const Output<float>& output,
                                                const float (&sum)[T::own_rows][T::own_columns], int tile_row,
                                                int first_row, int column_0, int thread_row, int first_column) {
  ATTNUNET_SHARED(float, totals, [T::down][T::columns]);
  const int height = output.rows - tile_row * T::rows < T::rows ? output.rows - tile_row * T::rows : T::rows;
  float own[T::own_columns];
  ATTNUNET_UNROLL
  for (int j = 0; j < T::own_columns; ++j) {
    own[j] = 0;
    ATTNUNET_UNROLL
    for (int i = 0; i < T::own_rows; ++i) own[j] += sum[i][j];
  }
  add_columns<T>(totals, own, thread_row, first_column);
  const int column = static_cast<int>(threadIdx.x);
  const Index to = Index{tile_row} * output.K + column_0;
  for (int c = column; c < T::columns; c += T::threads)
    if (column_0 + c < output.K) statistics.means[to + c] = totals[0][c] / static_cast<float>(height);
  ATTNUNET_UNROLL
  for (int j = 0; j < T::own_columns; ++j) {
    const float mean = totals[0][first_column + j / 4 * (4 * T::across) + j % 4] / static_cast<float>(height);
    own[j] = 0;
    ATTNUNET_UNROLL
    for (int i = 0; i < T::own_rows; ++i) {
      const float deviation = sum[i][j] - mean;
      if (first_row + i / 4 * (4 * T::down) + i % 4 < output.rows) own[j] = fma(deviation, deviation, own[j]);
    }
  }
  ATTNUNET_SYNCTHREADS();  // all have read the means
  add_columns<T>(totals, own, thread_row, first_column);
  for (int c = column; c < T::columns; c += T::threads)
    if (column_0 + c < output.K) statistics.m2[to + c] = totals[0][c];
}

// A thread's elements of C: bias, addition, and to memory, 4 columns at a time where the tile's runs are vectors.
template <class T>
__device__ __forceinline__ void write_out(const Output<float>& output, const float (&sum)[T::own_rows][T::own_columns],
                                          int first_row, int first_column, unsigned chunk) {
  typename Output<float>::Column column[T::own_columns / T::run];
  float bias[T::own_columns];
  ATTNUNET_UNROLL
  for (int j = 0; j < T::own_columns; ++j) {
    const int n = first_column + j / 4 * (4 * T::across) + j % 4;
    if (j % T::run == 0) column[j / T::run] = output.column(n);
    const int channel = column[j / T::run].channel;
    bias[j] = output.bias != nullptr && channel >= 0 ? output.bias[channel + j % T::run] : 0.0f;
  }
  ATTNUNET_UNROLL
  for (int i = 0; i < T::own_rows; ++i) {
    float* row = output.row(first_row + i / 4 * (4 * T::down) + i % 4, chunk);
    if (row == nullptr) continue;
    ATTNUNET_UNROLL
    for (int j = 0; j < T::own_columns; j += T::run) {
      if (column[j / T::run].channel < 0) continue;
      float* to = row + column[j / T::run].offset;
      if (T::run == 4) {
        float4 four = make_float4(sum[i][j] + bias[j], sum[i][j + 1] + bias[j + 1], sum[i][j + 2] + bias[j + 2],
                                  sum[i][j + 3] + bias[j + 3]);
        if (output.add) {
          const float4 there = *reinterpret_cast<const float4*>(to);
          four = make_float4(there.x + four.x, there.y + four.y, there.z + four.z, there.w + four.w);
        }
        *reinterpret_cast<float4*>(to) = four;
      } else {
        *to = (output.add ? *to : 0.0f) + (sum[i][j] + bias[j]);
      }
    }
  }
}

struct Extent {
  int column_tiles, depth, chunk;
};

template <class T, class A, class B, bool with_statistics>
__global__ void __launch_bounds__(T::threads, 384 / T::threads)
    gemm_ffma_kernel(A a, B b, Output<float> output, TileStatistics statistics, Extent extent) {
  ATTNUNET_SHARED(float, a_tile, [2][T::depth][T::rows]);
  ATTNUNET_SHARED(float, b_tile, [2][T::depth][T::columns]);
  using FetchA = Fetch<A, T, T::rows>;
  using FetchB = Fetch<B, T, T::columns>;

  // Tiles side by side use the same rows of A: they run next to each other and find them in L2.
  const int tile_row = static_cast<int>(blockIdx.x) / extent.column_tiles;
  const int row_0 = tile_row * T::rows;
  const int column_0 = (static_cast<int>(blockIdx.x) - tile_row * extent.column_tiles) * T::columns;
  const int depth_0 = static_cast<int>(blockIdx.y) * extent.chunk;
  const int depth_end = depth_0 + extent.chunk < extent.depth ? depth_0 + extent.chunk : extent.depth;
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

  write_out<T>(output, sum, row_0 + 4 * thread_row, column_0 + 4 * thread_column, blockIdx.y);
  if (with_statistics)
    tile_statistics<T>(statistics, output, sum, tile_row, row_0 + 4 * thread_row, column_0, thread_row,
                       4 * thread_column);
}

template <class T, bool with_statistics = false, class M, class A, class B>
void launch_tiles(Device<M>& device, const char* name, const A& a, const B& b, const Output<float>& output,
                  const TileStatistics& statistics, Index columns, Index depth, Index chunk) {
  const Index row_tiles = (output.rows + T::rows - 1) / T::rows, column_tiles = (columns + T::columns - 1) / T::columns;
  const Index chunks = (depth + chunk - 1) / chunk;
  const dim3 grid(static_cast<unsigned>(to_int(row_tiles * column_tiles)), static_cast<unsigned>(chunks));
  launch(device, {name, grid, T::threads}, gemm_ffma_kernel<T, A, B, with_statistics>, a, b, output, statistics,
         Extent{static_cast<int>(column_tiles), to_int(depth), to_int(chunk)});
}

Index columns_of(const Output<float>& output) {
  return Index{output.step} * output.step * output.K;
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
    launch_tiles<Small, with_statistics>(device, name, a, b, output, statistics, columns, depth, depth);
  else if (columns <= narrow_columns)
    launch_tiles<Narrow, with_statistics>(device, name, a, b, output, statistics, columns, depth, depth);
  else
    launch_tiles<Wide, with_statistics>(device, name, a, b, output, statistics, columns, depth, depth);
}

// Chunks of the pixels: enough blocks to fill a GPU, not more partial results than worth their traffic, and no longer
// chains of sums than 8192. They depend on the shape only.
Index chunk_of(Index rows, Index columns, Index pixels) {
  constexpr Index blocks = 1024, shortest = 256, longest = 8192;
  const Index tiles = ((rows + 63) / 64) * ((columns + 63) / 64);
  const Index wanted = (pixels * tiles + blocks - 1) / blocks;
  return (std::min(longest, std::max(shortest, wanted)) + 15) / 16 * 16;
}

// The chunks' results [chunks][n], added in order.
__global__ void add_chunks_kernel(float* total, const float* parts, int chunks, Index n) {
  const Index i = thread_of_grid();
  if (i >= n) return;
  float sum = parts[i];
  for (int chunk = 1; chunk < chunks; ++chunk) sum += parts[chunk * n + i];
  total[i] = sum;
}

constexpr int sums_threads = 256;

// A block's threads stand beside the channels of successive pixels: thread (lane, channel) adds pixels lane, lane +
// lanes, ... of the block's chunk. Then the lanes are added in order.
__global__ void __launch_bounds__(sums_threads)
    channel_sums_kernel(float* parts, const float* dy, Index pixels, Index chunk, int channels, int pixel) {
  ATTNUNET_SHARED(float, lane_sums, [sums_threads]);
  const int thread = static_cast<int>(threadIdx.x), wide = channels < sums_threads ? channels : sums_threads;
  const int lanes = sums_threads / wide, lane = thread / wide;
  const int channel = static_cast<int>(blockIdx.y) * wide + thread % wide;
  const Index end = (Index{blockIdx.x} + 1) * chunk < pixels ? (Index{blockIdx.x} + 1) * chunk : pixels;
  float sum = 0;
  if (lane < lanes && channel < channels)
    for (Index p = Index{blockIdx.x} * chunk + lane; p < end; p += lanes) sum += dy[p * pixel + channel];
  lane_sums[thread] = sum;
  ATTNUNET_SYNCTHREADS();
  if (lane != 0 || channel >= channels) return;
  for (int other = 1; other < lanes; ++other) sum += lane_sums[other * wide + thread];
  parts[Index{blockIdx.x} * channels + channel] = sum;
}

Index sums_chunk(Index pixels) {
  constexpr Index blocks = 512, shortest = 256;
  return std::max(shortest, (pixels + blocks - 1) / blocks);
}

template <class M>
void add_chunks(Device<M>& device, float* total, const float* parts, Index chunks, Index n) {
  constexpr unsigned threads = 256;
  launch(device, {"add_chunks", blocks_for(n, threads), threads}, add_chunks_kernel, total, parts, to_int(chunks), n);
}

}  // namespace

Index tile_rows(Index columns, bool vectors) {
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

Index multiply_weights_workspace(Index rows, Index columns, Index pixels) {
  const Index chunk = chunk_of(rows, columns, pixels);
  return (pixels + chunk - 1) / chunk * rows * columns;
}

template <class M>
void multiply_weights(Device<M>& device, float* c, const TapRows<float>& a, const TapRows<float>& b, float* workspace,
                      Index rows, Index columns, bool vectors) {
  const Index pixels = a.windows.count, chunk = chunk_of(rows, columns, pixels);
  const Output<float> parts = partial_output(workspace, rows, columns);
  const char* name = "gemm_ffma backward-weights";
  if (!vectors)
    launch_tiles<Small>(device, name, a, b, parts, {}, columns, pixels, chunk);
  else if (rows <= Low::rows)
    launch_tiles<Low>(device, name, a, b, parts, {}, columns, pixels, chunk);
  else if (rows <= Square::rows)
    launch_tiles<Square>(device, name, a, b, parts, {}, columns, pixels, chunk);
  else
    launch_tiles<High>(device, name, a, b, parts, {}, columns, pixels, chunk);
  add_chunks(device, c, workspace, (pixels + chunk - 1) / chunk, rows * columns);
}

Index channel_sums_workspace(Index pixels, Index channels) {
  return (pixels + sums_chunk(pixels) - 1) / sums_chunk(pixels) * channels;
}

template <class M>
void channel_sums(Device<M>& device, float* sums, const float* dy, float* workspace, Index pixels, Index channels,
                  Index pixel) {
  const Index chunk = sums_chunk(pixels), chunks = (pixels + chunk - 1) / chunk;
  const Index slices = (channels + sums_threads - 1) / sums_threads;
  const dim3 grid(static_cast<unsigned>(chunks), static_cast<unsigned>(slices));
  launch(device, {"channel_sums", grid, sums_threads}, channel_sums_kernel, workspace, dy, pixels, chunk,
         to_int(channels), to_int(pixel));
  add_chunks(device, sums, workspace, chunks, channels);
}

template void multiply(ThisDevice&, const PixelRows<float>&, const MatrixRows<float>&, const Output<float>&, bool);
template void multiply(ThisDevice&, const PixelRows<float>&, const MatrixRows<float>&, const Output<float>&,
                       const TileStatistics&, bool);
template void multiply(ThisDevice&, const PixelRows<float>&, const FlippedWeights<float>&, const Output<float>&, bool);
template void multiply_weights(ThisDevice&, float*, const TapRows<float>&, const TapRows<float>&, float*, Index, Index,
                               bool);
template void channel_sums(ThisDevice&, float*, const float*, float*, Index, Index, Index);

}  // namespace attnunet::cuda::gemm
