#include "cuda/async_copy.h"
#include "cuda/kernel.h"
#include "cuda/tensor_core.h"
#include "kernels/tensor_core.h"

namespace attnunet::cuda::test_kernels {
namespace {

// Row (of A, or column of B) and depth of what lies in `half` of a lane's `word`: the tables of the PTX ISA.
struct FragmentPosition {
  int line, depth;
};
static __device__ __forceinline__ FragmentPosition position_a(Tf32, int lane, int word, int) {
  return {word == 0 || word == 2 ? lane >> 2 : (lane >> 2) + 8, word < 2 ? lane % 4 : lane % 4 + 4};
}
static __device__ __forceinline__ FragmentPosition position_b(Tf32, int lane, int word, int) {
  return {lane >> 2, word == 0 ? lane % 4 : lane % 4 + 4};
}
static __device__ __forceinline__ FragmentPosition position_a(Bf16, int lane, int word, int half) {
  return {word == 0 || word == 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + half + (word >= 2 ? 8 : 0)};
}
static __device__ __forceinline__ FragmentPosition position_b(Bf16, int lane, int word, int half) {
  return {lane >> 2, lane % 4 * 2 + half + (word >= 1 ? 8 : 0)};
}
static __device__ __forceinline__ std::uint32_t operand_word(Tf32, float low, float) {
  return tf32_word(low);
}
static __device__ __forceinline__ std::uint32_t operand_word(Bf16, float low, float high) {
  return bf16_word(low, high);
}

template <class Operand>
__global__ void multiply_tiles_kernel(float* d, const float* a, const float* b) {
  constexpr int tiles_a = rows / 16, tiles_b = columns / 8, depth = Operand::depth;
  const int lane = static_cast<int>(threadIdx.x);
  FragmentA fragments_a[tiles_a];
  FragmentB fragments_b[tiles_b];
  FragmentD fragments_d[tiles_a][tiles_b];
  for (int tile = 0; tile < tiles_a; ++tile)
    for (int word = 0; word < 4; ++word) {
      float values[2];
      for (int half = 0; half < 2; ++half) {
        const FragmentPosition position = position_a(Operand(), lane, word, half);
        values[half] = a[(tile * 16 + position.line) * depth + position.depth];
      }
      fragments_a[tile].word[word] = operand_word(Operand(), values[0], values[1]);
    }
  for (int tile = 0; tile < tiles_b; ++tile)
    for (int word = 0; word < 2; ++word) {
      float values[2];
      for (int half = 0; half < 2; ++half) {
        const FragmentPosition position = position_b(Operand(), lane, word, half);
        values[half] = b[position.depth * columns + tile * 8 + position.line];
      }
      fragments_b[tile].word[word] = operand_word(Operand(), values[0], values[1]);
    }
  const auto element = [lane](int i, int j, int value) {
    return (i * 16 + (lane >> 2) + (value < 2 ? 0 : 8)) * columns + j * 8 + lane % 4 * 2 + (value & 1);
  };
  for (int i = 0; i < tiles_a; ++i)
    for (int j = 0; j < tiles_b; ++j)
      for (int value = 0; value < 4; ++value) fragments_d[i][j].value[value] = d[element(i, j, value)];
  multiply_add<Operand>(fragments_d, fragments_a, fragments_b);
  for (int i = 0; i < tiles_a; ++i)
    for (int j = 0; j < tiles_b; ++j)
      for (int value = 0; value < 4; ++value) d[element(i, j, value)] = fragments_d[i][j].value[value];
}

__global__ void round_operands_kernel(std::uint32_t* tf32, std::uint32_t* bf16, const float* x, Index n) {
  const Index i = thread_of_grid();
  if (i < n) tf32[i] = tf32_word(x[i]) & 0xFFFFE000u;
  if (2 * i + 1 < n) bf16[i] = bf16_word(x[2 * i], x[2 * i + 1]);
}

__global__ void copy_through_shared_kernel(float* y, const float* x, Index valid, CopyFault fault) {
  ATTNUNET_SHARED(float, staged, [128]);
  const Index thread = threadIdx.x, first = thread < 16 ? 4 * thread : 64 + thread - 16;
  const Index width = thread < 16 ? 4 : 1;
  const Index left = valid - first < 0 ? 0 : valid - first > width ? width : valid - first;
  const auto bytes = static_cast<unsigned>(left * 4);
  if (thread < 16) copy_async_16(staged + first, x + first, bytes);
  commit_copies();
  if (thread >= 16 && thread < 80) copy_async_4(staged + first, x + first, bytes);
  commit_copies();
  if (fault == CopyFault::none) wait_for_copies<0>();
  if (fault == CopyFault::waits_for_too_few) wait_for_copies<1>();
  ATTNUNET_SYNCTHREADS();
  y[thread] = staged[thread];
}

}  // namespace

template <class M>
void multiply_tiles(Device<M>& device, Precision precision, float* d, const float* a, const float* b) {
  launch(device, {"multiply_tiles", 1, warp_size},
         precision == Precision::bf16 ? multiply_tiles_kernel<Bf16> : multiply_tiles_kernel<Tf32>, d, a, b);
}
template <class M>
void round_operands(Device<M>& device, std::uint32_t* tf32, std::uint32_t* bf16, const float* x, Index n) {
  launch(device, {"round_operands", blocks_for(n, 256), 256}, round_operands_kernel, tf32, bf16, x, n);
}
template <class M>
void copy_through_shared(Device<M>& device, float* y, const float* x, Index valid, CopyFault fault) {
  launch(device, {"copy_through_shared", 1, 128}, copy_through_shared_kernel, y, x, valid, fault);
}

template void multiply_tiles(ThisDevice&, Precision, float*, const float*, const float*);
template void round_operands(ThisDevice&, std::uint32_t*, std::uint32_t*, const float*, Index);
template void copy_through_shared(ThisDevice&, float*, const float*, Index, CopyFault);

}  // namespace attnunet::cuda::test_kernels
