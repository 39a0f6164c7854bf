#include "cpu/matrix_product.h"

// GCC 12 warns of its own AVX-512 intrinsics, which start from a deliberately undefined register (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>

namespace attnunet::cpu {
namespace {

// Eigen copies ("packs") a panel of each operand, at most side x depth numbers, to the stack, or with malloc beyond
// EIGEN_STACK_ALLOCATION_LIMIT. These caps keep every panel below 512 KB, whatever Eigen makes of the machine's caches.
constexpr Index largest_side = 544;
template <class T>
constexpr Index largest_depth = 960 / static_cast<Index>(sizeof(T));

template <class T>
using Map = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using ConstMap =
    Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>, Eigen::Unaligned, Eigen::OuterStride<>>;

template <class T>
Map<T> map(Matrix<T> m) {
  return {m.data, m.rows, m.columns, Eigen::OuterStride<>(m.stride)};
}
template <class T>
ConstMap<T> map(Matrix<const T> m) {
  return {m.data, m.rows, m.columns, Eigen::OuterStride<>(m.stride)};
}

// 0 .. size - 1 in the fewest pieces of at most `largest`, all of nearly the same length: piece(begin, length).
template <class Piece>
void in_pieces(Index size, Index largest, const Piece& piece) {
  const Index pieces = (size + largest - 1) / largest;
  for (Index i = 0; i < pieces; ++i) {
    const Index begin = size * i / pieces;
    piece(begin, size * (i + 1) / pieces - begin);
  }
}

template <class T, class Left, class Right>
void add_blocks(Map<T> c, const Left& a, const Right& b) {
  in_pieces(c.cols(), largest_side, [&](Index column, Index columns) {
    in_pieces(c.rows(), largest_side, [&](Index row, Index rows) {
      auto block = c.block(row, column, rows, columns);
      in_pieces(a.cols(), largest_depth<T>, [&](Index begin, Index depth) {
        const auto left = a.block(row, begin, rows, depth);
        const auto right = b.block(begin, column, depth, columns);
        if (depth == 1)
          block.noalias() += left.lazyProduct(right);  // an outer product: nothing to pack for
        else
          block.noalias() += left * right;
      });
    });
  });
}

}  // namespace

template <class T>
void add_product(Matrix<T> c, Matrix<const T> a, Matrix<const T> b) {
  add_blocks<T>(map(c), map(a), map(b));
}

template <class T>
void add_product_left_transposed(Matrix<T> c, Matrix<const T> a, Matrix<const T> b) {
  add_blocks<T>(map(c), map(a).transpose(), map(b));
}

template <class T>
void add_product_right_transposed(Matrix<T> c, Matrix<const T> a, Matrix<const T> b) {
  add_blocks<T>(map(c), map(a), map(b).transpose());
}

template void add_product(Matrix<float>, Matrix<const float>, Matrix<const float>);
template void add_product(Matrix<double>, Matrix<const double>, Matrix<const double>);
template void add_product_left_transposed(Matrix<float>, Matrix<const float>, Matrix<const float>);
template void add_product_left_transposed(Matrix<double>, Matrix<const double>, Matrix<const double>);
template void add_product_right_transposed(Matrix<float>, Matrix<const float>, Matrix<const float>);
template void add_product_right_transposed(Matrix<double>, Matrix<const double>, Matrix<const double>);

}  // namespace attnunet::cpu
