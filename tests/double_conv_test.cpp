#include "common/gradcheck/cases/double_conv.h"

#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class DoubleConvGradient : public SmallNetworkTest<B> {};
TYPED_TEST_SUITE(DoubleConvGradient, DoubleBackends);

TYPED_TEST(DoubleConvGradient, MatchesNumeric) {
  const Pass pass{true, 5, 3};
  const auto check = [&](Shape in, Index K, double rate) {
    expect_network_gradients(gradcheck::double_conv_case<TypeParam>(this->device, in, K, rate, pass, 1, 7));
  };
  check({2, 6, 9, 3}, 4, 0.3);
  check({1, 5, 7, 1}, 2, 0.0);
  check({3, 1, 4, 2}, 5, 0.1);
}

}  // namespace TEST_FILE
}  // namespace attnunet
