// The products of implicit_gemm.h on tensor cores: C[m][n] = sum over depth of A[m][depth] B[n][depth], with float32
// in memory on all sides, operands rounded to tf32 or bf16 (device.precision()) on their way into the registers, and
// sums in float32.
//
// Block      128 threads, 4 warps, one tile of C, whose sums stay in registers throughout:
//
//              tile       a warp's part   shared memory   registers (sm_90: tf32, bf16)   for
//              128 x 128  64 x 64         64 KB           237, 245                        more than 64 columns (rows)
//              128 x 64   64 x 32         48 KB           158, 128                        pixels, 33 to 64 columns
//              128 x 32   32 x 32         40 KB           127,  95                        pixels, up to 32 columns
//               64 x 128  64 x 32         48 KB           179, 164                        weights, 33 to 64 rows
//               32 x 128  32 x 32         40 KB           113, 128                        weights, up to 32 rows
//               32 x 32   16 x 16         16 KB            95,  95                        what has no runs of 4
//
//            A 64 x 64 part reads 128 numbers from shared memory for 4096 multiply-adds of each depth: on an A100
//            about as long as its tensor cores take for bf16, half as long as for tf32. Rounding costs two instructions
//            a number in tf32 and half a one in bf16.
// Pipeline   The depth goes by in stages of 16. Four stages of both operands lie in shared memory: one is multiplied
//            while three are on their way (cp.async), with one barrier a stage. Elements that are zero (outside of the
//            image, past the end) are made by the copy itself, so nothing that multiplies knows of borders.
// Layout     A stage is stored as the copies bring it. Operands that are consecutive along the depth: [line][16], of
//            which a lane reads its four (4t .. 4t+3 of line g) as one float4; two lines are all 32 banks. Operands
//            consecutive along the lines: [16][lines], with the line's bits 3 and 4 exchanged by t = depth / 4, so that
//            the four lanes with the same g meet different banks.
// Depths     The slots of a fragment that mean depth t and t + 4 (tf32), or 2t, 2t+1, 2t+8, 2t+9 (bf16), are filled
//            with a lane's own four, in A and in B alike: the sum's order is another, the sum the same.
// Copies     16 bytes where all channel counts and strides are multiples of 4 and pointers are aligned (`vectors`, as
//            runs_of<4> says); else 4 bytes, in tiles of 32 x 32.
// Weights    The depth of their gradients, all pixels, is split into chunks; a tile of each chunk's result is a block's
//            work. The chunks are added in order, and there are so many of them that what tensor cores cut off in long
//            sums does not add up. How many depends on the shape only.
// Proof      tests/conv2d_tensor_core_test.cpp, tests/conv_transpose2d_tensor_core_test.cpp
#pragma once

#include "cuda/implicit_gemm.h"

namespace attnunet::cuda::gemm::tensor_core {

/// C = A B^T to `output`.
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

/// Rows of a tile of these.
template <class M>
Index tile_rows(const Device<M>& device, bool vectors);

/// c [rows][columns] = A B^T over `a.windows.count` pixels.
template <class M>
void multiply_weights(Device<M>& device, float* c, const TapRows<float>& a, const TapRows<float>& b, float* workspace,
                      Index rows, Index columns, bool vectors);
/// Elements of its workspace.
template <class M>
Index multiply_weights_workspace(const Device<M>& device, Index rows, Index columns, Index pixels);

}  // namespace attnunet::cuda::gemm::tensor_core
