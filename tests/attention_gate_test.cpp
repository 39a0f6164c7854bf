#include "common/gradcheck/cases/attention_gate.h"

#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class AttentionGateGradient : public SmallNetworkTest<B> {};
TYPED_TEST_SUITE(AttentionGateGradient, DoubleBackends);

TYPED_TEST(AttentionGateGradient, MatchesNumeric) {
  expect_network_gradients(gradcheck::attention_gate_case<TypeParam>(this->device, {2, 6, 9, 4}, 7));
  expect_network_gradients(gradcheck::attention_gate_case<TypeParam>(this->device, {1, 5, 7, 2}, 7));
  expect_network_gradients(gradcheck::attention_gate_case<TypeParam>(this->device, {3, 4, 1, 6}, 7));
}

// With bn_psi's beta so large that alpha is 1 in double, the gate hands the skip on unchanged.
TYPED_TEST(AttentionGateGradient, OpenGatePassesTheSkip) {
  auto gate = gradcheck::attention_gate_case<TypeParam>(this->device, {2, 6, 9, 4}, 7);
  for (auto& input : gate.inputs)
    if (input.name == "block.bn_psi.bias") input.values = {100.0};
  EXPECT_EQ(gate.forward(gate.inputs).outputs[0].values, gate.inputs[1].values);
}

}  // namespace TEST_FILE
}  // namespace attnunet
