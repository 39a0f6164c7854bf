// Matrix products, the work inside convolutions by products (conv2d.h): Eigen's GEMM on one thread, called on matrices
// of a size that Eigen can pack on the stack (the callers' loops over tiles are the parallel ones).
//
// Matrices are column-major: NHWC activations are matrices whose columns are pixels. Columns may overlap
// (stride < rows) in an operand, which is how a convolution reads neighbouring pixels without copying them.
// The result's bits depend on the sizes only, not on addresses or threads.
#pragma once

#include <type_traits>

#include "common/core/tensor_view.h"

namespace attnunet::cpu {

/// rows x columns; element (i, j) at data[j * stride + i].
template <class T>
struct Matrix {
  T* data;
  Index rows, columns, stride;
};

/// Values or gradients alike: a column for each pixel, a row for each channel.
template <class T, Meaning meaning>
Matrix<T> matrix(const TensorView<T, meaning>& view) {
  return {view.data, view.channels, view.pixels, view.stride};
}

/// c += a b
template <class T>
void add_product(Matrix<T> c, Matrix<const T> a, Matrix<const T> b);
/// c += a^T b
template <class T>
void add_product_left_transposed(Matrix<T> c, Matrix<const T> a, Matrix<const T> b);
/// c += a b^T
template <class T>
void add_product_right_transposed(Matrix<T> c, Matrix<const T> a, Matrix<const T> b);

}  // namespace attnunet::cpu
