// Whole networks and training, CPU against CUDA, and the CPU's plain loops against its matrix products.
//
// In double, where CUDA runs its plain kernels: rounding is 1e-16, and what a network makes of it stays below 1e-12 of
// its largest gradient. 1e-9 leaves room for longer sums and shows any wrong term. A ReLU or argmax that takes the
// other side needs a value within 1e-14 of its kink.
// In float32 a free-running network differs by per cents through flipped ReLUs alone: there operations are compared one
// by one (lockstep_test.cpp), and here only what training makes of them, the loss of an epoch.
#include <algorithm>
#include <numeric>
#include <sstream>

#include "common/data/phantom.h"
#include "common/train/loss.h"
#include "support/expect.h"
#include "support/layer_cases.h"
#include "support/training.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;

NetworkConfig config_of(Variant variant, int base) {
  NetworkConfig config;
  config.variant = variant;
  config.base = base;
  return config;
}

double largest(const std::vector<Array>& arrays) {
  double result = 0;
  for (const Array& array : arrays)
    for (const double value : array.values) result = std::max(result, std::abs(value));
  return result;
}

void record(const std::string& what, double number) {
  std::ostringstream digits;
  digits << number;
  ::testing::Test::RecordProperty(what, digits.str());
}

// Within `share` of the largest of all the expected values together.
void expect_within(const std::vector<Array>& actual, const std::vector<Array>& expected, double share,
                   const std::string& what) {
  const double bound = share * largest(expected);
  EXPECT_GT(bound, 0) << what;
  ASSERT_EQ(actual.size(), expected.size());
  double tightest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(close(actual[i], expected[i], everywhere(expected[i], bound))) << what;
    tightest = std::max(tightest, tightness(actual[i], expected[i], everywhere(expected[i], bound)));
  }
  record("error of " + what, tightest * share);
}

// A network with weights as at the start of training, on fixed images with squares to find, and Adam.
template <class B>
class Training {
 public:
  using T = typename B::Scalar;

  Training(typename B::Device& device, const NetworkConfig& config, LossKind loss, Index N, Index H, Index W)
      : device_(device),
        architecture_(make_architecture(config)),
        network_(device, architecture_, true),
        tape_(device, architecture_, N, H, W, Purpose::training),
        loss_(device, loss, N),
        losses_(device, N),
        target_(device, N * H * W),
        m_(device, architecture_.parameter_elements),
        v_(device, architecture_.parameter_elements) {
    std::vector<double> parameters, statistics;
    initial_values(architecture_, 6, parameters, statistics);
    network_.load(parameters, statistics);
    gradcheck::poison_memory<B>(device, tape_.memory(), tape_.bytes());
    Random random(7);
    Array images = gradcheck::random_array("", N * H * W, random, 0.5, 0.2), target = images;
    for (Index i = 0; i < N * H * W; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const Index n = i / (H * W), h = i / W % H, w = i % W;
      target.values[at] = h > 2 && h < 6 + n && w > 1 && w < H / 2;
      images.values[at] -= 0.3 * target.values[at];
    }
    put(tape_.input, images);
    put(target_.data(), target);
    fill_zero(device, m_.data(), m_.size());
    fill_zero(device, v_.data(), v_.size());
  }

  /// The loss before the step.
  double step() {
    const Index N = tape_.batch;
    const Pass pass{true, 5, static_cast<std::uint32_t>(steps_)};
    network_.forward(tape_, pass);
    loss_.forward(device_, losses_.data(), tape_.logit_values(), target_.data(), N);
    loss_.backward(device_, tape_.logit_gradients(), tape_.logit_values(), target_.data(), N);
    network_.backward(tape_, pass);
    AdamOptions options;
    options.lr = 1e-2;
    options.weight_decay = 1e-2;
    options.step = ++steps_;
    adam_step(device_, network_.mutable_parameters(), m_.data(), v_.data(), network_.gradients(), m_.size(), options);
    std::vector<double> losses(static_cast<std::size_t>(N));
    copy_to_host(device_, losses.data(), losses_.data(), N);
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(N);
  }
  /// Of the same images in evaluation mode.
  std::vector<Array> inference() {
    network_.forward(tape_, Pass{false, 0, 0});
    return {get("logits", tape_.logits, tape_.image_shape().size())};
  }
  std::vector<Array> parameters() { return tensors(architecture_.parameters, network_.parameters()); }
  std::vector<Array> gradients() { return tensors(architecture_.parameters, network_.gradients()); }
  std::vector<Array> statistics() { return tensors(architecture_.statistics, network_.statistics()); }
  std::vector<Array> m() { return tensors(architecture_.parameters, m_.data()); }
  std::vector<Array> v() { return tensors(architecture_.parameters, v_.data()); }

 private:
  void put(T* destination, const Array& array) {
    const std::vector<T> host(array.values.begin(), array.values.end());
    copy_to_device(device_, destination, host.data(), static_cast<Index>(host.size()));
  }
  Array get(const std::string& name, const T* source, Index n) {
    std::vector<T> host(static_cast<std::size_t>(n));
    copy_to_host(device_, host.data(), source, n);
    return {name, {host.begin(), host.end()}};
  }
  std::vector<Array> tensors(const std::vector<TensorSpec>& specs, const T* flat) {
    std::vector<Array> result;
    for (const TensorSpec& spec : specs) result.push_back(get(spec.name, flat + spec.offset, spec.size));
    return result;
  }

  typename B::Device& device_;
  Architecture architecture_;
  AttentionUNet<B> network_;
  AttentionUNetTape<B> tape_;
  Loss<B> loss_;
  typename B::template Buffer<double> losses_;
  typename B::template Buffer<T> target_, m_, v_;
  Index steps_ = 0;
};

template <class B>
class Agreement : public SmallNetworkTest<B> {
 protected:
  TestDevice<Cpu<double>> cpu{1};

  void check_gradients(const NetworkConfig& config, Index N, Index H, Index W) {
    const Pass pass{true, 5, 3};
    const auto expected = gradcheck::attention_unet_case<Cpu<double>>(cpu, config, N, H, W, pass, 11);
    const auto actual = gradcheck::attention_unet_case<B>(this->device, config, N, H, W, pass, 11);
    const auto at = expected.forward(expected.inputs);
    EXPECT_EQ(actual.forward(expected.inputs).active_set, at.active_set) << "another side of a kink";
    expect_within(actual.forward(expected.inputs).outputs, at.outputs, 1e-9, "logits");
    Random random(12);
    const auto dy = gradcheck::random_array("dy", N * H * W, random);
    expect_within(actual.backward(expected.inputs, {dy}), expected.backward(expected.inputs, {dy}), 1e-9, "gradients");
  }
  void check_training(const NetworkConfig& config, LossKind loss, Index N, Index H, Index W, int steps) {
    SCOPED_TRACE(name_of(config.variant) + std::string(", ") + name_of(loss));
    Training<Cpu<double>> expected(cpu, config, loss, N, H, W);
    Training<B> actual(this->device, config, loss, N, H, W);
    double first = 0, last = 0, worst = 0;
    for (int step = 0; step < steps; ++step) {
      last = expected.step();
      if (step == 0) first = last;
      const double error = std::abs(actual.step() - last);
      EXPECT_TRUE(error <= 1e-7) << "step " << step << ": error " << error << " of " << last;
      worst = std::max(worst, error);
      if (step > 0) continue;
      expect_within(actual.gradients(), expected.gradients(), 1e-9, "gradients");
      expect_within(actual.m(), expected.m(), 1e-9, "m");
      expect_within(actual.v(), expected.v(), 1e-9, "v");
      expect_within(actual.parameters(), expected.parameters(), 1e-9, "weights");
      expect_within(actual.statistics(), expected.statistics(), 1e-9, "running statistics");
      expect_within(actual.inference(), expected.inference(), 1e-9, "logits in evaluation mode");
    }
    if (steps > 1) {
      EXPECT_LT(last, 0.9 * first) << "nothing was learned";
    }
    record("error of a loss", worst);
  }
};
TYPED_TEST_SUITE(Agreement, CudaDoubleBackends);

TYPED_TEST(Agreement, GradientsOfAttention3) {
  this->check_gradients(config_of(Variant::attention3, 4), 2, 16, 24);
}
TYPED_TEST(Agreement, GradientsOfAttention4OddSize) {
  this->check_gradients(config_of(Variant::attention4, 2), 2, 19, 33);
}
TYPED_TEST(Agreement, GradientsOfPlainUNets) {
  this->check_gradients(config_of(Variant::unet3, 4), 2, 16, 24);
  this->check_gradients(config_of(Variant::unet4, 2), 2, 19, 33);
}
TYPED_TEST(Agreement, OneTrainingStep) {
  this->check_training(config_of(Variant::attention4, 2), LossKind::bce, 2, 19, 33, 1);
  this->check_training(config_of(Variant::attention3, 4), LossKind::bce_dice, 3, 17, 16, 1);
  this->check_training(config_of(Variant::unet3, 4), LossKind::bce_dice, 3, 17, 16, 1);
  this->check_training(config_of(Variant::attention3, 2), LossKind::tversky, 2, 17, 16, 1);
  this->check_training(config_of(Variant::attention3, 2), LossKind::focal, 2, 17, 16, 1);
}
TYPED_TEST(Agreement, TwentyTrainingSteps) {
  this->check_training(config_of(Variant::attention3, 2), LossKind::bce, 2, 16, 16, 20);
  this->check_training(config_of(Variant::attention3, 2), LossKind::bce_dice, 1, 19, 16, 20);
}

// The CPU's plain loops (--conv reference), held against matrix products.
class ReferenceAgreement : public Agreement<Cpu<double>> {
 protected:
  ReferenceAgreement() {
    static_cast<cpu::Device&>(device) = cpu::Device(1, ConvMethod::reference);
    static_cast<cpu::Device&>(cpu) = cpu::Device(1, ConvMethod::gemm);
  }
};

TEST_F(ReferenceAgreement, Gradients) {
  check_gradients(config_of(Variant::attention3, 4), 2, 16, 24);
  check_gradients(config_of(Variant::attention4, 2), 2, 19, 33);
  check_gradients(config_of(Variant::unet3, 4), 2, 17, 24);
}
TEST_F(ReferenceAgreement, TwentyTrainingSteps) {
  check_training(config_of(Variant::attention3, 2), LossKind::bce, 2, 16, 16, 20);
  check_training(config_of(Variant::attention3, 2), LossKind::bce_dice, 1, 19, 16, 20);
}

template <class B>
class FloatAgreement : public BackendTest<B> {};
TYPED_TEST_SUITE(FloatAgreement, CudaFloatBackends);

TYPED_TEST(FloatAgreement, InitialWeightsAreTheSameBits) {
  TestDevice<Cpu<float>> cpu;
  for (const auto& one : Names<Variant>::table) {
    const NetworkConfig config = config_of(one.value, 4);
    Training<Cpu<float>> expected(cpu, config, LossKind::bce, 1, 16, 16);
    Training<TypeParam> actual(this->device, config, LossKind::bce, 1, 16, 16);
    const auto weights = expected.parameters(), there = actual.parameters();
    ASSERT_GT(largest(weights), 0);
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(there.at(i).values, weights[i].values);
  }
}

// Batch norm with gamma 0 and beta 1 hands 1 to ReLU and dropout: y is the mask, 0 or the scale.
template <class B>
std::vector<double> dropout_mask(typename B::Device& device, double rate, const DropoutKey& key, Index pixels,
                                 Index C) {
  using gradcheck::upload;
  const auto n = static_cast<std::size_t>(C);
  const auto x = upload<B>(device, {"", std::vector<double>(static_cast<std::size_t>(pixels) * n, 0.5)});
  const auto zeros = upload<B>(device, {"", std::vector<double>(n, 0)}),
             ones = upload<B>(device, {"", std::vector<double>(n, 1)});
  auto y = gradcheck::poisoned<B>(device, pixels * C);
  batch_norm_relu_dropout_forward(device, values(y.data(), pixels, C), values(x.data(), pixels, C),
                                  {zeros.data(), ones.data()}, {zeros.data(), ones.data()}, {rate, key});
  return gradcheck::download<B>(device, "mask", y).values;
}

// In every layer of all networks, in some steps of a training.
TYPED_TEST(FloatAgreement, DropoutMasksAreTheSameBits) {
  TestDevice<Cpu<float>> cpu;
  for (const auto& one : Names<Variant>::table) {
    const Architecture architecture = make_architecture(config_of(one.value, 4));
    AttentionUNetTape<Cpu<float>> tape(cpu, architecture, 2, 16, 32, Purpose::training);
    std::vector<DoubleConvTape<float>> blocks{tape.bottleneck};
    for (const auto& level : tape.encoder) blocks.push_back(level.block);
    for (const auto& level : tape.decoder) blocks.push_back(level.block);
    for (const auto& block : blocks)
      for (const std::uint32_t step : {0u, 1u, 77777u}) {
        const DropoutKey key = block.dropout(Pass{true, 0x123456789ABCDEFull, step}).key;
        const Index pixels = 2 * block.H * block.W;
        const auto mask = dropout_mask<Cpu<float>>(cpu, block.dropout_rate, key, pixels, block.K);
        const auto dropped = static_cast<double>(std::count(mask.begin(), mask.end(), 0.0));
        EXPECT_GT(dropped, 0);
        EXPECT_LT(dropped, 0.5 * static_cast<double>(mask.size()));
        EXPECT_TRUE(dropout_mask<TypeParam>(this->device, block.dropout_rate, key, pixels, block.K) == mask)
            << "layer " << key.layer << ", step " << step;
      }
  }
}

// attention3 on phantoms, as `train` does it: after the same order, masks and initial weights, the epochs' losses.
template <class A, class B>
void expect_same_curves(typename A::Device& device, typename B::Device& other_device) {
  const TemporaryFolder folder;
  data::synthesize(folder / "data", 20, 32, 5);
  const data::Dataset dataset = data::scan(folder / "data");
  TrainConfig config;
  config.network = config_of(Variant::attention3, 4);
  config.size = 32;
  config.batch = 4;
  config.epochs = 3;
  config.lr = 4e-3;
  config.seed = 3;
  config.loss = LossKind::bce_dice;
  config.split = data::SplitKind::random;
  const auto curve = [&](auto& device, auto backend, const std::string& name) {
    TrainConfig here = config;
    here.out = (folder / name).string();
    std::vector<EpochRow> rows;
    TrainCallbacks callbacks;
    callbacks.epoch = [&](const EpochRow& row, bool) { rows.push_back(row); };
    const data::Split split = split_of(dataset, here);
    Trainer<decltype(backend)>(device, dataset, split, new_run(here), RunFolder::create(here)).run(callbacks);
    return rows;
  };
  const auto expected = curve(device, A(), "expected"), actual = curve(other_device, B(), "actual");
  ASSERT_EQ(expected.size(), 3u);
  ASSERT_EQ(actual.size(), 3u);
  EXPECT_LT(expected.back().train.loss, 0.9 * expected.front().train.loss) << "nothing was learned";
  double worst = 0;
  for (std::size_t i = 0; i < 3; ++i)
    for (const auto metrics : {&EpochRow::train, &EpochRow::val}) {
      const double loss = (expected[i].*metrics).loss, other = (actual[i].*metrics).loss;
      EXPECT_TRUE(std::abs(other - loss) <= 0.02 * loss) << "epoch " << i + 1 << ": " << other << " and " << loss;
      worst = std::max(worst, std::abs(other - loss) / loss);
    }
  record("error of an epoch's loss", worst);
}

TYPED_TEST(FloatAgreement, LossCurvesOnPhantoms) {
  TestDevice<Cpu<float>> cpu;
  expect_same_curves<Cpu<float>, TypeParam>(cpu, this->device);
}

TEST(FloatReferenceAgreement, LossCurvesOnPhantoms) {
  cpu::Device gemm(1, ConvMethod::gemm), reference(1, ConvMethod::reference);
  expect_same_curves<Cpu<float>, Cpu<float>>(gemm, reference);
}

}  // namespace TEST_FILE
}  // namespace attnunet
