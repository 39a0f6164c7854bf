// Every layer against PyTorch in float64.
#include "common/gradcheck/cases/relu.h"
#include "cpu/relu.h"
#include "support/backends.h"
#include "support/golden.h"

namespace attnunet {
namespace {

template <class B>
class GoldenLayers : public BackendTest<B> {};
TYPED_TEST_SUITE(GoldenLayers, DoubleBackends);

TYPED_TEST(GoldenLayers, Relu) {
  const Golden golden = read_golden("relu");
  expect_golden_layer(gradcheck::relu_case<TypeParam>(this->device, golden.shape("x").size(), 1), golden, {"x"}, "y");
}

}  // namespace
}  // namespace attnunet
