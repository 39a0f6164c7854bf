// Kernels for tests/tensor_core_test.cpp, as small as they can be around what they prove.
#pragma once

#include "cuda/device.h"

namespace attnunet::cuda::test_kernels {

/// How large the matrices of multiply_tiles are: 2 x 3 tiles.
constexpr int rows = 32, columns = 24;

/// D [rows][columns] += A [rows][depth] B [depth][columns]; depth is 8 for tf32 and 16 for bf16.
template <class M>
void multiply_tiles(Device<M>& device, Precision precision, float* d, const float* a, const float* b);

/// tf32[i]: x[i] in the upper 19 bits, the others 0. bf16[i]: x[2i] in the lower half, x[2i+1] in the upper.
template <class M>
void round_operands(Device<M>& device, std::uint32_t* tf32, std::uint32_t* bf16, const float* x, Index n);

enum class CopyFault { none, no_wait, waits_for_too_few };

/// y[i] = x[i] for the first `valid` of the n elements, 0 for the others, through shared memory: 64 by copies of 16
/// bytes and 64 by copies of 4 bytes, two groups. n is 128.
template <class M>
void copy_through_shared(Device<M>& device, float* y, const float* x, Index valid, CopyFault fault);

}  // namespace attnunet::cuda::test_kernels
