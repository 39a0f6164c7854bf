#include "cpu/relu.h"

#include "common/gradcheck/cases/relu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace {

template <class B>
class ReluGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(ReluGradient, DoubleBackends);

TYPED_TEST(ReluGradient, MatchesNumeric) {
  for (Index n : {1, 7, 64, 1001}) expect_gradients(gradcheck::relu_case<TypeParam>(this->device, n, 7));
}

template <class B>
class Relu : public BackendTest<B> {};
TYPED_TEST_SUITE(Relu, AllBackends);

// At the kink itself the derivative is 0, on either zero.
TYPED_TEST(Relu, KinkHasZeroGradient) {
  auto layer = gradcheck::relu_case<TypeParam>(this->device, 4, 1);
  layer.inputs[0].values = {0.0, -0.0, 1e-30, -1e-30};
  EXPECT_EQ(layer.backward(layer.inputs, {{"dy", {1, 1, 1, 1}}})[0].values, (std::vector<double>{0, 0, 1, 0}));
}

}  // namespace
}  // namespace attnunet
