// Vectors of the instruction set a file is compiled for (GCC's vector extensions), and the micro-kernel that the tuned
// convolutions share: a small block of a matrix product that stays in registers.
//
// Why        A processor starts one or two multiply-adds of whole vectors a cycle and needs each result four or five
//            cycles later, so a dozen or more independent sums must be under way, and each number loaded must serve
//            several multiply-adds. With `rows` x 2 vectors of sums, one step loads `rows` numbers (each repeated in
//            all lanes) and two vectors, and does 2 `rows` multiply-adds.
// Order      every sum is one chain over the depth, in order: its bits do not depend on how rows are cut into blocks.
// Proof      tests/conv2d_test.cpp, through the convolutions.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "common/core/geometry.h"

namespace attnunet::cpu {

#if defined(__AVX512F__)
constexpr Index vector_bytes = 64;
constexpr int block_rows = 8;  // of sums: 16 of 32 registers
#elif defined(__AVX__)
constexpr Index vector_bytes = 32;
constexpr int block_rows = 6;  // of sums: 12 of 16 registers
#else
constexpr Index vector_bytes = 16;
constexpr int block_rows = 6;
#endif

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(vector_bytes)));
};
template <class T>
using Vector = typename VectorOf<T>::type;

/// Numbers in a vector, and in a panel: the channels that the micro-kernel works on at once.
template <class T>
constexpr Index lanes = vector_bytes / static_cast<Index>(sizeof(T));
template <class T>
constexpr Index panel = 2 * lanes<T>;

/// Panels for so many channels; the last may have fewer.
template <class T>
constexpr Index panels(Index channels) {
  return (channels + panel<T> - 1) / panel<T>;
}

template <class T>
inline Vector<T> load(const T* from) {
  Vector<T> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class T>
inline void store(T* to, const Vector<T>& v) {
  std::memcpy(to, &v, sizeof v);
}
/// The first `count` numbers, zeros behind them.
template <class T>
inline Vector<T> load_first(const T* from, Index count) {
  if (count >= lanes<T>) return load(from);
  T numbers[lanes<T>] = {};
  std::copy_n(from, std::max<Index>(count, 0), numbers);
  return load(numbers);
}
/// Of a number or a vector.
template <class V>
[[gnu::always_inline]] inline V activated(const V& v, Activation activation) {
  return activation == Activation::relu ? (v <= V{} ? V{} : v) : v;
}
/// Writes, or adds, the first `count` numbers of v, activated.
template <class T>
inline void put_first(T* to, Vector<T> v, Index count, Write write, Activation activation) {
  if (count >= lanes<T>) {
    if (write == Write::add) v += load(to);
    store(to, activated(v, activation));
    return;
  }
  T numbers[lanes<T>];
  store(numbers, v);
  for (Index i = 0; i < count; ++i)
    to[i] = activated(write == Write::add ? to[i] + numbers[i] : numbers[i], activation);
}

/// sums[i][v] += sum over d < depth of a[i a_row + d a_step] b[d b_step + v lanes ...]
template <class T, int rows, int vectors>
[[gnu::always_inline]] inline void add_outer_products(Vector<T> (&sums)[rows][vectors], const T* a, Index a_row,
                                                      Index a_step, const T* b, Index b_step, Index depth) {
  for (Index d = 0; d < depth; ++d, a += a_step, b += b_step) {
    Vector<T> factors[vectors];
    for (int v = 0; v < vectors; ++v) factors[v] = load(b + v * lanes<T>);
    for (int i = 0; i < rows; ++i)
      for (int v = 0; v < vectors; ++v) sums[i][v] += a[i * a_row] * factors[v];
  }
}

namespace vector_detail {
template <int most, class Block>
void last_rows(Index rows, Index begin, const Block& block) {
  if constexpr (most > 0) {
    if (rows == most)
      block(std::integral_constant<int, most>(), begin);
    else
      last_rows<most - 1>(rows, begin, block);
  }
}
}  // namespace vector_detail

/// Cuts `rows` into blocks: calls block(number, begin), where `number` is a constant, block_rows or in the last one
/// less.
template <class Block>
void for_row_blocks(Index rows, const Block& block) {
  Index begin = 0;
  for (; begin + block_rows <= rows; begin += block_rows) block(std::integral_constant<int, block_rows>(), begin);
  vector_detail::last_rows<block_rows - 1>(rows - begin, begin, block);
}

}  // namespace attnunet::cpu
