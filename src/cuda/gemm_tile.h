// A block's tile of a product C (implicit_gemm.h) once its threads hold it in registers: to memory, and its statistics.
#pragma once

#include "cuda/implicit_gemm.h"

namespace attnunet::cuda::gemm {

/// A block's share of C and how its threads divide it. Thread (i, j) of down x across has rows 4i ... 4i + 3, then the
/// four 4 down further on, and so on; columns likewise: neighbouring threads use neighbouring 16-byte vectors.
template <int rows_, int columns_, int depth_, int own_rows_, int own_columns_, int run_>
struct Tile {
  static constexpr int rows = rows_, columns = columns_, depth = depth_;
  static constexpr int own_rows = own_rows_, own_columns = own_columns_;  // of a thread
  static constexpr int across = columns / own_columns, down = rows / own_rows, threads = across * down;
  static constexpr int run = run_;  // elements that are fetched at a time
};

// Sum over the block's threads, by column: each brings its columns' values; all columns' totals stand in totals after.
template <class T>
static __device__ __forceinline__ void add_columns(float (*totals)[T::columns], const float (&own)[T::own_columns],
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
static __device__ __forceinline__ void tile_statistics(const TileStatistics& statistics, const Output<float>& output,
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

// A thread's elements of C: bias, addition, activation, and to memory, 4 columns at a time where the tile's runs are
// vectors. What is added to is read a row at a time: several reads under way together.
template <class T>
static __device__ __forceinline__ void write_out(const Output<float>& output,
                                                 const float (&sum)[T::own_rows][T::own_columns], int first_row,
                                                 int first_column, unsigned chunk) {
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
    typename RunOf<T::run>::type there[T::own_columns / T::run] = {};
    if (output.add) {
      ATTNUNET_UNROLL
      for (int j = 0; j < T::own_columns / T::run; ++j)
        load_or_zero(there[j], {row + column[j].offset, column[j].channel >= 0});
    }
    ATTNUNET_UNROLL
    for (int j = 0; j < T::own_columns; j += T::run) {
      if (column[j / T::run].channel < 0) continue;
      float* to = row + column[j / T::run].offset;
      const auto& before = there[j / T::run];
      if constexpr (T::run == 4)
        *reinterpret_cast<float4*>(to) =
            make_float4(activated(before.x + (sum[i][j] + bias[j]), output.activation),
                        activated(before.y + (sum[i][j + 1] + bias[j + 1]), output.activation),
                        activated(before.z + (sum[i][j + 2] + bias[j + 2]), output.activation),
                        activated(before.w + (sum[i][j + 3] + bias[j + 3]), output.activation));
      else
        *to = activated(before + (sum[i][j] + bias[j]), output.activation);
    }
  }
}

}  // namespace attnunet::cuda::gemm
