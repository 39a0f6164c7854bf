// Products of small matrices on tensor cores: D += A B, a warp at a time (mma.sync, compute capability 8.0 and up).
//
// A is 16 x depth, B depth x 8, D 16 x 8. Operands are rounded from float32 when a lane puts them in its registers,
// products are exact (11 x 11 or 8 x 8 significant bits), sums are float32:
//   Tf32   depth 8    11 significant bits; nearest, ties away from zero; the range of float32, subnormals cut off
//   Bf16   depth 16    8 significant bits; nearest, ties to even; the range of float32; two to a register
//
// Fragments, which lane holds what (PTX ISA, "Matrix fragments for mma.m16n8k8" and "... m16n8k16"). With
// g = lane / 4 and t = lane % 4:
//            Tf32                                   Bf16 (lower half of the word first)
//   A word 0   A[g    ][t]                          A[g    ][2t, 2t+1]
//          1   A[g + 8][t]                          A[g + 8][2t, 2t+1]
//          2   A[g    ][t + 4]                      A[g    ][2t+8, 2t+9]
//          3   A[g + 8][t + 4]                      A[g + 8][2t+8, 2t+9]
//   B word 0   B[t    ][g]                          B[2t, 2t+1][g]
//          1   B[t + 4][g]                          B[2t+8, 2t+9][g]
//   D value    0: D[g][2t]   1: D[g][2t+1]   2: D[g + 8][2t]   3: D[g + 8][2t+1]
// The index that is summed over only has to mean the same in A and in B: a lane may fill its slots with neighbours in
// memory (implicit GEMM does).
//
// Order of the sum: the simulator adds the products to D one after the other, depth ascending, each rounded to nearest.
// The hardware adds several at once and cuts off low bits instead of rounding (Fasi et al. 2021, "Numerical behavior of
// NVIDIA tensor cores"): sums differ in the last bits, and tests bound both.
// Proof      tests/tensor_core_test.cpp
#pragma once

#include "cuda/kernel.h"

namespace attnunet::cuda {

// ---- rounding

static __device__ __forceinline__ std::uint32_t bits_of(float value) {
#ifdef ATTNUNET_SIMULATOR
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
#else
  return __float_as_uint(value);
#endif
}
static __device__ __forceinline__ float float_of(std::uint32_t bits) {
#ifdef ATTNUNET_SIMULATOR
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
#else
  return __uint_as_float(bits);
#endif
}

/// `value` as tf32, the upper 19 bits of a float: nearest, ties away from zero. The lower 13 bits are not to be read;
/// products ignore them. Half a unit of the last place kept, 2^-11 of the power of two below |value|, is added to its
/// magnitude, exactly; cutting off does the rest. NaN stays NaN, and what rounds beyond the largest float is infinite.
/// Subnormals, which have no such power, are cut off. Two instructions, where cvt.rna.tf32.f32 is five.
static __device__ __forceinline__ std::uint32_t tf32_word(float value) {
  return bits_of(fma(float_of(bits_of(value) & 0xFF800000u), 0x1p-11f, value));
}

/// Two values as bf16, the upper 16 bits of a float, nearest, ties to even; `low` in the lower half of the word.
static __device__ __forceinline__ std::uint32_t bf16_word(float low, float high) {
#ifdef ATTNUNET_SIMULATOR
  const auto rounded = [](float value) {
    const std::uint32_t bits = bits_of(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return 0x7FFFu;  // NaN
    return (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;       // the carry may make it infinite, as it should
  };
  return rounded(low) | rounded(high) << 16;
#else
  std::uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
#endif
}

// ---- products

struct Tf32 {
  static constexpr int depth = 8;
};
struct Bf16 {
  static constexpr int depth = 16;
};

/// What one lane holds of a 16 x depth matrix A, a depth x 8 matrix B, a 16 x 8 matrix D.
struct FragmentA {
  std::uint32_t word[4];
};
struct FragmentB {
  std::uint32_t word[2];
};
struct FragmentD {
  float value[4];
};

#ifdef ATTNUNET_SIMULATOR

namespace sim {

/// What a lane brings: its fragments of all tiles.
struct MmaLane {
  void* d;
  const void *a, *b;
};

template <int tiles_a, int tiles_b>
void gather_operands(Tf32, void* const (&lanes)[32], float (&a)[8][16 * tiles_a], float (&b)[8][8 * tiles_b]) {
  for (int lane = 0; lane < 32; ++lane) {
    const MmaLane& mine = *static_cast<const MmaLane*>(lanes[lane]);
    const auto* words_a = static_cast<const FragmentA*>(mine.a);
    const auto* words_b = static_cast<const FragmentB*>(mine.b);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < tiles_a; ++i)
      for (int word = 0; word < 4; ++word)
        a[t + word / 2 * 4][16 * i + g + word % 2 * 8] = float_of(words_a[i].word[word] & 0xFFFFE000u);
    for (int j = 0; j < tiles_b; ++j)
      for (int word = 0; word < 2; ++word) b[t + word * 4][8 * j + g] = float_of(words_b[j].word[word] & 0xFFFFE000u);
  }
}
template <int tiles_a, int tiles_b>
void gather_operands(Bf16, void* const (&lanes)[32], float (&a)[16][16 * tiles_a], float (&b)[16][8 * tiles_b]) {
  for (int lane = 0; lane < 32; ++lane) {
    const MmaLane& mine = *static_cast<const MmaLane*>(lanes[lane]);
    const auto* words_a = static_cast<const FragmentA*>(mine.a);
    const auto* words_b = static_cast<const FragmentB*>(mine.b);
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; ++half) {
      const auto value = [half](std::uint32_t word) { return float_of(half == 0 ? word << 16 : word & 0xFFFF0000u); };
      for (int i = 0; i < tiles_a; ++i)
        for (int word = 0; word < 4; ++word)
          a[2 * t + half + word / 2 * 8][16 * i + g + word % 2 * 8] = value(words_a[i].word[word]);
      for (int j = 0; j < tiles_b; ++j)
        for (int word = 0; word < 2; ++word) b[2 * t + half + word * 8][8 * j + g] = value(words_b[j].word[word]);
    }
  }
}

/// The whole warp's product: fragments to matrices, D += A B depth after depth, D back to fragments.
template <class Operand, int tiles_a, int tiles_b>
void multiply_warp(void* const (&lanes)[32]) {
  constexpr int rows = 16 * tiles_a, columns = 8 * tiles_b;
  alignas(64) float a[Operand::depth][rows], b[Operand::depth][columns], d[rows][columns];
  gather_operands<tiles_a, tiles_b>(Operand(), lanes, a, b);
  const auto for_each_value = [&lanes, &d](const auto& move) {
    for (int lane = 0; lane < 32; ++lane) {
      auto* fragments = static_cast<FragmentD*>(static_cast<const MmaLane*>(lanes[lane])->d);
      for (int i = 0; i < tiles_a; ++i)
        for (int j = 0; j < tiles_b; ++j)
          for (int value = 0; value < 4; ++value)
            move(fragments[i * tiles_b + j].value[value],
                 d[16 * i + lane / 4 + value / 2 * 8][8 * j + lane % 4 * 2 + value % 2]);
    }
  };
  for_each_value([](float& fragment, float& matrix) { matrix = fragment; });
  for (int row = 0; row < rows; ++row)
    for (int l = 0; l < Operand::depth; ++l)
      for (int column = 0; column < columns; ++column)
        d[row][column] = std::fma(a[l][row], b[l][column], d[row][column]);
  for_each_value([](float& fragment, float& matrix) { fragment = matrix; });
}

}  // namespace sim

/// d[i][j] += a[i] b[j] for all tiles. All 32 lanes of the warp take part.
template <class Operand, int tiles_a, int tiles_b>
void multiply_add(FragmentD (&d)[tiles_a][tiles_b], const FragmentA (&a)[tiles_a], const FragmentB (&b)[tiles_b],
                  sim::SourceLine place = {__builtin_FILE(), __builtin_LINE()}) {
  sim::MmaLane mine{d, a, b};
  sim::warp_meeting(full_warp, &mine, sim::multiply_warp<Operand, tiles_a, tiles_b>, false, place);
}

#else

// volatile: all lanes take part, so no product may move to where some of them do not go.
static __device__ __forceinline__ void mma(Tf32, FragmentD& d, const FragmentA& a, const FragmentB& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d.value[0]), "+f"(d.value[1]), "+f"(d.value[2]), "+f"(d.value[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]));
}
static __device__ __forceinline__ void mma(Bf16, FragmentD& d, const FragmentA& a, const FragmentB& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d.value[0]), "+f"(d.value[1]), "+f"(d.value[2]), "+f"(d.value[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]));
}

template <class Operand, int tiles_a, int tiles_b>
static __device__ __forceinline__ void multiply_add(FragmentD (&d)[tiles_a][tiles_b], const FragmentA (&a)[tiles_a],
                                                    const FragmentB (&b)[tiles_b]) {
  ATTNUNET_UNROLL
  for (int i = 0; i < tiles_a; ++i) {
    ATTNUNET_UNROLL
    for (int j = 0; j < tiles_b; ++j) mma(Operand(), d[i][j], a[i], b[j]);
  }
}

#endif

}  // namespace attnunet::cuda
