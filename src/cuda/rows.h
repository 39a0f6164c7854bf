// Tensors taken as rows of equal length: block x of the grid is a row, the blocks along y and their threads share its
// elements. Which row it is costs nothing then, and where in the row an element lies is found without dividing by more
// than the channels.
#pragma once

#include <algorithm>

#include "cuda/kernel.h"

namespace attnunet::cuda {

/// Threads of a block that works on one row: few, as rows may be short.
constexpr unsigned row_threads = 128;

/// The grid for `rows` rows of `elements` elements each, rows >= 1. Very long rows get fewer threads than elements:
/// kernels loop, from first_of_row() in steps of row_step().
inline dim3 grid_of_rows(Index rows, Index elements, unsigned threads) {
  constexpr unsigned most_blocks = 65535;  // along y, on every GPU
  const Index blocks = std::max<Index>(1, (elements + threads - 1) / threads);
  return {static_cast<unsigned>(rows), static_cast<unsigned>(std::min<Index>(blocks, most_blocks))};
}
static __device__ __forceinline__ Index row_of_grid() {
  return Index{blockIdx.x};
}
static __device__ __forceinline__ Index first_of_row() {
  return Index{blockIdx.y} * Index{blockDim.x} + Index{threadIdx.x};
}
static __device__ __forceinline__ Index row_step() {
  return Index{gridDim.y} * Index{blockDim.x};
}

}  // namespace attnunet::cuda
