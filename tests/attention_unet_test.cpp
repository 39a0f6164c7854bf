#include "common/nn/attention_unet.h"

#include <algorithm>

#include "support/backends.h"
#include "support/expect.h"
#include "support/layer_cases.h"

namespace attnunet {
namespace TEST_FILE {

NetworkConfig config_of(Variant variant, int base) {
  NetworkConfig config;
  config.variant = variant;
  config.base = base;
  return config;
}

template <class B>
class AttentionUNetGradient : public SmallNetworkTest<B> {
 protected:
  void check(Variant variant, int base, Index N, Index H, Index W, Index coordinates = gradcheck::network_coordinates) {
    const Pass pass{true, 5, 3};
    expect_network_gradients(
        gradcheck::attention_unet_case<B>(this->device, config_of(variant, base), N, H, W, pass, 11), 1, coordinates);
  }
};
#ifdef ATTNUNET_TEST_CUDA
using FastBackends = ::testing::Types<Cpu<double>, Cuda<double>>;
#else
using FastBackends = ::testing::Types<Cpu<double>>;
#endif
TYPED_TEST_SUITE(AttentionUNetGradient, FastBackends);

TYPED_TEST(AttentionUNetGradient, Attention3) {
  this->check(Variant::attention3, 4, 2, 16, 24);
}
TYPED_TEST(AttentionUNetGradient, Attention4) {
  this->check(Variant::attention4, 2, 2, 16, 32);
}
// Not multiples of 8 and 16: padded at the edge, logits cropped.
TYPED_TEST(AttentionUNetGradient, Attention3OddSize) {
  this->check(Variant::attention3, 2, 3, 17, 11);
}
TYPED_TEST(AttentionUNetGradient, Attention4OddSize) {
  this->check(Variant::attention4, 2, 1, 35, 19);
}
TYPED_TEST(AttentionUNetGradient, PlainUNets) {
  this->check(Variant::unet3, 2, 2, 8, 24);
  this->check(Variant::unet4, 2, 1, 19, 17);
}

// The simulator would need minutes for that: there a few coordinates of every kind of tensor and the random directions,
// on the smallest networks. All gradients of larger ones are compared with the CPU's (backend_agreement_test.cpp).
using SimulatedNetworkGradient = AttentionUNetGradient<CudaSim<double>>;

TEST_F(SimulatedNetworkGradient, Attention3) {
  check(Variant::attention3, 2, 2, 8, 16, 5);
}
TEST_F(SimulatedNetworkGradient, Attention4OddSize) {
  check(Variant::attention4, 2, 1, 17, 16, 5);
}
TEST_F(SimulatedNetworkGradient, PlainUNet) {
  check(Variant::unet3, 2, 2, 8, 16, 5);
}

// What evaluation makes of the network's state, whatever happened to it before: the same bits as a network for
// inference alone, fresh from that state, on a tape of its own.
template <class B>
class Evaluation : public SmallNetworkTest<B> {
 protected:
  using T = typename B::Scalar;
  const Architecture architecture = make_architecture(config_of(Variant::attention3, 2));

  std::vector<T> logits(AttentionUNet<B>& network, AttentionUNetTape<B>& tape, const Pass& pass) {
    const Index n = tape.image_shape().size();
    Random random(8);
    const auto images = gradcheck::upload<B>(this->device, gradcheck::random_array("", n, random, 0.5, 0.25));
    copy_on_device(this->device, tape.input, images.data(), n);
    network.forward(tape, pass);
    std::vector<T> result(static_cast<std::size_t>(n));
    copy_to_host(this->device, result.data(), tape.logits, n);
    return result;
  }
  std::vector<T> fresh_logits(AttentionUNet<B>& of) {
    std::vector<T> parameters(static_cast<std::size_t>(architecture.parameter_elements));
    std::vector<T> statistics(static_cast<std::size_t>(architecture.statistics_elements));
    copy_to_host(this->device, parameters.data(), of.parameters(), architecture.parameter_elements);
    copy_to_host(this->device, statistics.data(), of.statistics(), architecture.statistics_elements);
    AttentionUNet<B> network(this->device, architecture, false);
    network.load({parameters.begin(), parameters.end()}, {statistics.begin(), statistics.end()});
    AttentionUNetTape<B> tape(this->device, architecture, 2, 17, 16, Purpose::inference);
    gradcheck::poison_memory<B>(this->device, tape.memory(), tape.bytes());
    return logits(network, tape, {false, 0, 0});
  }
};
TYPED_TEST_SUITE(Evaluation, AllBackends);

TYPED_TEST(Evaluation, FollowsWeightsAndStatistics) {
  const Pass evaluation{false, 0, 0};
  AttentionUNet<TypeParam> network(this->device, this->architecture, true);
  AttentionUNetTape<TypeParam> tape(this->device, this->architecture, 2, 17, 16, Purpose::training);
  gradcheck::poison_memory<TypeParam>(this->device, tape.memory(), tape.bytes());
  std::vector<double> parameters, statistics;
  std::vector<std::vector<typename TypeParam::Scalar>> seen;
  const auto expect_current = [&](const char* after) {
    seen.push_back(this->logits(network, tape, evaluation));
    EXPECT_EQ(this->logits(network, tape, evaluation), seen.back()) << after << ", once more";
    EXPECT_EQ(this->fresh_logits(network), seen.back()) << after;
    for (std::size_t i = 0; i + 1 < seen.size(); ++i) EXPECT_NE(seen[i], seen.back()) << after << ": nothing changed";
  };
  initial_values(this->architecture, 1, parameters, statistics);
  network.load(parameters, statistics);
  expect_current("load");
  this->logits(network, tape, {true, 5, 3});
  expect_current("a training pass, which moves the statistics");
  const TensorSpec& gamma = this->architecture.parameter("encoder.0.bn1.weight");
  const std::vector<typename TypeParam::Scalar> other(static_cast<std::size_t>(gamma.size), 2);
  copy_to_device(this->device, network.mutable_parameters() + gamma.offset, other.data(), gamma.size);
  expect_current("a change of weights");
  initial_values(this->architecture, 2, parameters, statistics);
  network.load(parameters, statistics);
  expect_current("another load");
}

// Training saves less than the passes whose gradients are checked numerically (B::recomputes): the same bits.
template <class B>
class TrainingGradients : public SmallNetworkTest<B> {};
TYPED_TEST_SUITE(TrainingGradients, AllBackends);

TYPED_TEST(TrainingGradients, AreThoseOfPassesThatSaveAll) {
  using T = typename TypeParam::Scalar;
  const Architecture architecture = make_architecture(config_of(Variant::attention3, 2));
  std::vector<T> gradients[2];
  std::vector<double> parameters, statistics;
  initial_values(architecture, 4, parameters, statistics);
  for (int i = 0; i < 2; ++i) {
    AttentionUNet<TypeParam> network(this->device, architecture, true);
    network.load(parameters, statistics);
    AttentionUNetTape<TypeParam> tape(this->device, architecture, 2, 17, 16,
                                      i == 0 ? Purpose::training : Purpose::training_with_input_gradient);
    gradcheck::poison_memory<TypeParam>(this->device, tape.memory(), tape.bytes());
    const Index n = tape.image_shape().size();
    Random random(8);
    const auto images = gradcheck::upload<TypeParam>(this->device, gradcheck::random_array("", n, random));
    const auto d_logits = gradcheck::upload<TypeParam>(this->device, gradcheck::random_array("", n, random));
    const Pass pass{true, 5, 3};
    copy_on_device(this->device, tape.input, images.data(), n);
    network.forward(tape, pass);
    copy_on_device(this->device, tape.d_logits, d_logits.data(), n);
    network.backward(tape, pass);
    gradients[i].resize(static_cast<std::size_t>(architecture.parameter_elements));
    copy_to_host(this->device, gradients[i].data(), network.gradients(), architecture.parameter_elements);
  }
  EXPECT_EQ(gradients[0], gradients[1]);
  EXPECT_TRUE(std::any_of(gradients[0].begin(), gradients[0].end(), [](T value) { return value != 0; }));
}

}  // namespace TEST_FILE
}  // namespace attnunet
