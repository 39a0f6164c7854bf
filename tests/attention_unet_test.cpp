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
  void check(int levels, int base, Index N, Index H, Index W, Index coordinates = gradcheck::network_coordinates) {
    const Pass pass{true, 5, 3};
    expect_network_gradients(
        gradcheck::attention_unet_case<B>(this->device, config_of(levels, base), N, H, W, pass, 11), 1, coordinates);
  }
};
#ifdef ATTNUNET_HAVE_CUDA
using FastBackends = ::testing::Types<Cpu<double>, Cuda<double>>;
#else
using FastBackends = ::testing::Types<Cpu<double>>;
#endif
TYPED_TEST_SUITE(AttentionUNetGradient, FastBackends);

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

// The simulator would need minutes for that: there a few coordinates of every kind of tensor and the random directions,
// on the smallest networks. All gradients of larger ones are compared with the CPU's (backend_agreement_test.cpp).
using SimulatedNetworkGradient = AttentionUNetGradient<CudaSim<double>>;

TEST_F(SimulatedNetworkGradient, Attention3) {
  check(3, 2, 2, 8, 16, 5);
}
TEST_F(SimulatedNetworkGradient, Attention4OddSize) {
  check(4, 2, 1, 17, 16, 5);
}

}  // namespace
}  // namespace attnunet
