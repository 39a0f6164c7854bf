// The products of implicit_gemm.h on tensor cores: C[m][n] = sum over depth of A[m][depth] B[n][depth], with float32
// in memory on all sides, operands rounded to tf32 or bf16 (device.precision()) on their way into the registers, and
// sums in float32.
//
// Block      128 threads, 4 warps. Together they make a tile of C, at most 128 x 128; where C has 32 or 64 rows or
//            columns the tile is as narrow. A warp's part is 64 x 64, 64 x 32 or 32 x 32, in registers throughout.
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
//            runs_of<4> says); else 4 bytes, in tiles of 64 x 64.
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
template <class M>
void multiply(Device<M>& device, const PixelRows<float>& a, const FlippedWeights<float>& b, const Output<float>& output,
              bool vectors);

/// c [rows][columns] = A B^T over `a.windows.count` pixels.
template <class M>
void multiply_weights(Device<M>& device, float* c, const TapRows<float>& a, const TapRows<float>& b, float* workspace,
                      Index rows, Index columns, bool vectors);
/// Elements of its workspace.
Index multiply_weights_workspace(Index rows, Index columns, Index pixels);

}  // namespace attnunet::cuda::gemm::tensor_core
