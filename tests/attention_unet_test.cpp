#include "common/nn/attention_unet.h"

#include "common/gradcheck/cases/attention_unet.h"
#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace {

NetworkConfig config_of(int levels, int base) {
  NetworkConfig config;
  config.levels = levels;
  config.base = base;
  return config;
}

template <class B>
class AttentionUNetGradient : public SmallNetworkTest<B> {
 protected:
  void check(int levels, int base, Index N, Index H, Index W) {
    const Pass pass{true, 5, 3};
    expect_network_gradients(
        gradcheck::attention_unet_case<B>(this->device, config_of(levels, base), N, H, W, pass, 11));
  }
};
TYPED_TEST_SUITE(AttentionUNetGradient, DoubleBackends);

TYPED_TEST(AttentionUNetGradient, Attention3) {
  this->check(3, 4, 2, 16, 24);
}
TYPED_TEST(AttentionUNetGradient, Attention4) {
  this->check(4, 2, 2, 16, 32);
}
// Not multiples of 8 and 16: padded at the edge, logits cropped.
TYPED_TEST(AttentionUNetGradient, Attention3OddSize) {
  this->check(3, 2, 3, 17, 11);
}
TYPED_TEST(AttentionUNetGradient, Attention4OddSize) {
  this->check(4, 2, 1, 35, 19);
}

}  // namespace
}  // namespace attnunet
