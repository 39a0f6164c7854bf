// The matrix products of both convolutions (implicit_gemm.h) in exact float32: multiply-adds (FFMA), no tensor cores.
//
// A block makes one tile of C and walks the depth in stages. In each its threads fetch the next stage of A and B from
// memory into registers, multiply the stage that lies in shared memory, and store what they fetched to the other half
// of it: two buffers, one barrier a stage. A thread makes 8 x 8 elements of C (4 x 8 in low tiles, 4 x 4 in small
// ones): for each depth it reads 8 + 8 floats from shared memory for 64 multiply-adds.
//
//   tile      rows x columns x depth   threads   registers   shared memory   for
//   wide      128 x  64 x 16           128       168         24 KB           pixels, more than 32 columns
//   narrow    256 x  32 x  8           128       167         18 KB           pixels, up to 32 columns
//   high      128 x  64 x  8           128       167         12 KB           weights, more than 64 rows
//   square     64 x  64 x  8            64       168          8 KB           weights, 33 to 64 rows
//   low        32 x  64 x  8            64       123          6 KB           weights, up to 32 rows
//   small      32 x  32 x 16            64   133 to 167       8 KB           what cannot be read 4 elements at a time
//
// (Registers: compute capability 9.0. Statistics take 4 KB more.) At least 384 threads share a multiprocessor: with 64
// independent multiply-adds each, enough to hide their latency.
//
// Shared memory holds tiles as [depth][row], so that a thread's rows are 16-byte vectors. Runs along the depth are
// scattered over 4 of its lines when they are stored; there row r of depth d stands at r ^ (d / 4 * 32 / n), n being
// the runs of a row, so that a warp, which stores n runs of 32 / n rows, writes to 32 different banks.
//
// Floor: 2 rows columns depth operations; bytes: A, B and C once each, as tiles meet again in L2. With the networks'
// channel counts (32 and more) it is the arithmetic that binds: a tile reads (rows + columns) / (rows columns) floats a
// multiply-add, 1 / 43 in a wide one.
// Order of sums: ascending depth within a chunk, one multiply-add after the other.
#pragma once

#include "cuda/implicit_gemm.h"

namespace attnunet::cuda::gemm {

/// C = A B^T to `output`. With `vectors` all runs of 4 floats are aligned (runs_of<4>).
template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const MatrixRows<float>& b, const Output<float>& output,
              bool vectors);
/// The same, and of each tile of C its statistics by column. There are pixels / tile_rows of them, rounded up.
template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const MatrixRows<float>& b, const Output<float>& output,
              const TileStatistics& statistics, bool vectors);
template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const FlippedWeights<float>& b, const Output<float>& output,
              bool vectors);

/// Rows of a tile of the first two.
template <class M>
Index tile_rows(const Device<M>& device, Index columns, bool vectors);

/// c [rows][columns] = A B^T over `a.windows.count` pixels: the products of chunks in workspace, then their sum in
/// order.
template <class M>
void multiply_weights(Device<M>& device, float* c, const TapRows<float>& a, const TapRows<float>& b, float* workspace,
                      Index rows, Index columns, bool vectors);
/// Elements of its workspace.
template <class M>
Index multiply_weights_workspace(const Device<M>& device, Index rows, Index columns, Index pixels);

}  // namespace attnunet::cuda::gemm
