#include "cpu/matrix_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "common/core/random.h"
#include "support/tolerance.h"

namespace attnunet {
namespace TEST_FILE {

template <class T>
class MatrixProduct : public ::testing::Test {
 protected:
  std::vector<T> random(Index n) {
    std::vector<T> values(static_cast<std::size_t>(n));
    for (T& value : values) value = static_cast<T>(random_.normal());
    return values;
  }
  Random random_{4};
};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(MatrixProduct, Scalars);

// The three products against the definition: sizes that are cut into several blocks, strides above and below the
// number of rows (columns that overlap, as a convolution's view has them), from contents that are not zero.
TYPED_TEST(MatrixProduct, MatchesTheDefinition) {
  using T = TypeParam;
  const struct {
    Index rows, depth, columns;
  } sizes[] = {{1, 1, 1}, {7, 5, 3}, {33, 1, 9}, {16, 96, 512}, {600, 7, 3}, {5, 500, 20}, {50, 241, 560}};
  for (const auto& s : sizes)
    for (int kind = 0; kind < 3; ++kind) {
      // kind 0: a b, 1: a^T b, 2: a b^T. Operands are stored as they are, before transposition.
      const Index a_rows = kind == 1 ? s.depth : s.rows, a_columns = kind == 1 ? s.rows : s.depth;
      const Index b_rows = kind == 2 ? s.columns : s.depth, b_columns = kind == 2 ? s.depth : s.columns;
      const Index a_stride = a_rows + 3, b_stride = (b_rows + 2) / 3, c_stride = s.rows + 1;
      const auto a = this->random(a_stride * a_columns), b = this->random(b_stride * b_columns + b_rows);
      const auto before = this->random(c_stride * s.columns);
      auto c = before;
      const cpu::Matrix<const T> A{a.data(), a_rows, a_columns, a_stride}, B{b.data(), b_rows, b_columns, b_stride};
      const cpu::Matrix<T> C{c.data(), s.rows, s.columns, c_stride};
      if (kind == 0) cpu::add_product(C, A, B);
      if (kind == 1) cpu::add_product_left_transposed(C, A, B);
      if (kind == 2) cpu::add_product_right_transposed(C, A, B);
      const double unit = std::is_same<T, float>::value ? 1.0 : 0x1p-29;  // float_bound speaks of float32
      for (Index j = 0; j < s.columns; ++j)
        for (Index i = 0; i < c_stride; ++i) {
          const auto at = static_cast<std::size_t>(j * c_stride + i);
          if (i >= s.rows) {
            ASSERT_EQ(c[at], before[at]) << "wrote beside the matrix";
            continue;
          }
          double sum = static_cast<double>(before[at]), terms = std::abs(sum);
          for (Index k = 0; k < s.depth; ++k) {
            const double left =
                static_cast<double>(a[static_cast<std::size_t>(kind == 1 ? i * a_stride + k : k * a_stride + i)]);
            const double right =
                static_cast<double>(b[static_cast<std::size_t>(kind == 2 ? k * b_stride + j : j * b_stride + k)]);
            sum += left * right;
            terms += std::abs(left * right);
          }
          ASSERT_TRUE(std::abs(static_cast<double>(c[at]) - sum) <=
                      unit * float_bound(terms, static_cast<double>(s.depth)))
              << "kind " << kind << ", " << s.rows << " x " << s.depth << " x " << s.columns;
        }
    }
}

}  // namespace TEST_FILE
}  // namespace attnunet
