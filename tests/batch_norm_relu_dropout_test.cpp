
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/conv_methods.h"
#include "support/expect.h"
#include "support/layer_cases.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::download;
using gradcheck::poisoned;
using gradcheck::upload;

const DropoutKey key{0x123456789ull, 4, 7};

template <class B>
class BatchNormReluDropoutGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormReluDropoutGradient, DoubleBackendsAndReference);

TYPED_TEST(BatchNormReluDropoutGradient, MatchesNumeric) {
  for (auto [pixels, C] : {std::pair<Index, Index>{35, 1}, {12, 7}, {30, 5}, {133, 2}})
    for (const double rate : {0.0, 0.3})
      expect_gradients(
          gradcheck::batch_norm_relu_dropout_case<Code<TypeParam>>(this->device, pixels, C, {rate, key}, 3));
}

// More channels than a tile has lanes; spread out for the reason that batch_norm_test.cpp gives.
TYPED_TEST(BatchNormReluDropoutGradient, MatchesNumericAcrossTiles) {
  auto layer = gradcheck::batch_norm_relu_dropout_case<Code<TypeParam>>(this->device, 3, 300, {0.3, key}, 3);
  for (double& value : layer.inputs[0].values) value *= 8;
  expect_gradients(layer);
}

// What the operation and the plain layers it replaces make of the same numbers. Both take batch_norm's statistics, and
// both backwards start from the operation's y, so that a z that rounds to different sides of 0 cannot part them.
struct Results {
  Array y, dx, dgamma, dbeta;
};
struct Pair {
  Results fused, plain;
  Array mean, inv_std;
};

template <class B>
Pair both(typename B::Device& device, const std::vector<Array>& inputs, const Array& d_output, double rate,
          Index pixels, Index C) {
  const Index n = pixels * C;
  const auto x = upload<Code<B>>(device, inputs[0]), gamma = upload<Code<B>>(device, inputs[1]),
             beta = upload<Code<B>>(device, inputs[2]);
  const auto dy = upload<Code<B>>(device, d_output);
  const Array zeros{"", std::vector<double>(static_cast<std::size_t>(C))};
  auto running_mean = upload<Code<B>>(device, zeros), running_var = upload<Code<B>>(device, zeros);
  auto mean = poisoned<Code<B>>(device, C), inv_std = poisoned<Code<B>>(device, C);
  auto y = poisoned<Code<B>>(device, n), dx = poisoned<Code<B>>(device, n);
  auto dgamma = poisoned<Code<B>>(device, C), dbeta = poisoned<Code<B>>(device, C);
  auto workspace = poisoned<Code<B>>(device, batch_norm_workspace(device, pixels, C));
  auto fused_workspace = poisoned<Code<B>>(device, batch_norm_relu_dropout_workspace(device, pixels, C));
  const auto results = [&](const auto& output) {
    return Results{download<Code<B>>(device, "y", output), download<Code<B>>(device, "dx", dx),
                   download<Code<B>>(device, "dgamma", dgamma), download<Code<B>>(device, "dbeta", dbeta)};
  };
  Pair pair;
  auto plain = poisoned<Code<B>>(device, n);
  using T = typename B::Scalar;
  const Values<const T> x_values = values(x.data(), pixels, C);
  const Values<T> y_values = values(y.data(), pixels, C);
  const Gradients<T> dx_gradients = gradients(dx.data(), pixels, C);
  const BatchStatistics<T> batch{mean.data(), inv_std.data()};
  const BatchNormParameters<const T> parameters{gamma.data(), beta.data()};
  const BatchNormParameters<T> d_parameters{dgamma.data(), dbeta.data()};
  const Values<T> plain_values = values(plain.data(), pixels, C);
  batch_norm_forward(device, plain_values, batch, RunningStatistics<T>{running_mean.data(), running_var.data()},
                     x_values, parameters, workspace.data());
  relu_forward(device, plain_values, plain_values);
  if (rate > 0) dropout_forward(device, plain_values, plain_values, {rate, key});

  batch_norm_relu_dropout_forward(device, y_values, x_values, batch, parameters, {rate, key});
  batch_norm_relu_dropout_backward(device, dx_gradients, d_parameters, gradients(dy.data(), pixels, C), y_values,
                                   {x_values, batch, parameters}, rate, fused_workspace.data());
  pair.fused = results(y);

  copy_on_device(device, dx.data(), dy.data(), n);
  if (rate > 0) dropout_backward(device, dx_gradients, dx_gradients, {rate, key});
  relu_backward(device, dx_gradients, dx_gradients, y_values);
  batch_norm_backward(device, dx_gradients, d_parameters, dx_gradients, {x_values, batch, parameters},
                      workspace.data());
  pair.plain = results(plain);
  pair.mean = download<Code<B>>(device, "mean", mean);
  pair.inv_std = download<Code<B>>(device, "inv_std", inv_std);
  return pair;
}

// Bounds for two evaluations of the same formulas in unit roundoff u, first order, as batch_norm_test.cpp derives them.
template <class T>
Results bounds_of(const std::vector<Array>& inputs, const Array& dy, const Pair& pair, double rate, Index C) {
  // In float the other side's errors vanish beside ours; in double both sides have them.
  const double unit = sizeof(T) == 8 ? 2 * 0x1p-29 : 1, scale = 1 / (1 - rate);
  Results bounds = pair.plain;
  const std::size_t channels = static_cast<std::size_t>(C), n = dy.values.size();
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = std::abs(pair.mean.values[c]), inv_std = pair.inv_std.values[c];
    const double slope = std::abs(inputs[1].values[c]) * inv_std, pixels = static_cast<double>(n / channels);
    double sum = 0, sum_xhat = 0, largest = 0;
    for (std::size_t i = c; i < n; i += channels) {
      const double xhat = (std::abs(inputs[0].values[i]) + mean) * inv_std;
      sum += scale * std::abs(dy.values[i]);
      sum_xhat += scale * std::abs(dy.values[i]) * xhat;
      largest = std::max(largest, xhat);
    }
    bounds.dbeta.values[c] = unit * float_bound(sum, pixels);
    bounds.dgamma.values[c] = unit * float_bound(sum_xhat, pixels);
    for (std::size_t i = c; i < n; i += channels) {
      const double xhat = (std::abs(inputs[0].values[i]) + mean) * inv_std;
      bounds.y.values[i] =
          unit * float_bound(scale * (xhat * std::abs(inputs[1].values[c]) + std::abs(inputs[2].values[c])), 6);
      bounds.dx.values[i] =
          unit * float_bound(slope * (scale * std::abs(dy.values[i]) + sum / pixels + largest * sum_xhat / pixels), 6);
    }
  }
  return bounds;
}

void expect_close(const Results& actual, const Results& expected, const Results& bounds) {
  EXPECT_TRUE(close(actual.y, expected.y, bounds.y.values));
  EXPECT_TRUE(close(actual.dx, expected.dx, bounds.dx.values));
  EXPECT_TRUE(close(actual.dgamma, expected.dgamma, bounds.dgamma.values));
  EXPECT_TRUE(close(actual.dbeta, expected.dbeta, bounds.dbeta.values));
}

// Several chunks, channels across tiles, one channel, one pixel more than a chunk.
const std::vector<std::pair<Index, Index>> shapes = {{1, 3}, {50003, 1}, {4097, 3}, {4001, 32}, {301, 300}, {35, 7}};

std::vector<Array> float_inputs(Index pixels, Index C, std::uint64_t seed) {
  Random random(seed);
  std::vector<Array> inputs;
  for (const Array& input : gradcheck::batch_norm_inputs(pixels, C, random)) inputs.push_back(rounded_to_float(input));
  return inputs;
}

Array upstream(Index n) {
  Random random(21);
  return rounded_to_float(gradcheck::random_array("dy", n, random));
}

template <class B>
class BatchNormReluDropout : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormReluDropout, AllBackendsAndReference);

TYPED_TEST(BatchNormReluDropout, IsThePlainLayersInTurn) {
  for (auto [pixels, C] : shapes)
    for (const double rate : {0.0, 0.3}) {
      SCOPED_TRACE(std::to_string(pixels) + " x " + std::to_string(C) + ", rate " + std::to_string(rate));
      const auto inputs = float_inputs(pixels, C, 13);
      const Array dy = upstream(pixels * C);
      const Pair pair = both<TypeParam>(this->device, inputs, dy, rate, pixels, C);
      expect_close(pair.fused, pair.plain, bounds_of<typename TypeParam::Scalar>(inputs, dy, pair, rate, C));
    }
}

// Exactly 0 before ReLU is neither passed on nor given a gradient: gamma 0 and beta 0 make every z the kink itself.
TYPED_TEST(BatchNormReluDropout, TheKinkHasNoGradient) {
  const Index pixels = 40, C = 3;
  auto inputs = float_inputs(pixels, C, 14);
  inputs[1].values = {0, 0, 1};
  inputs[2].values = {0, 0, 0};
  const auto fused = both<TypeParam>(this->device, inputs, upstream(pixels * C), 0.3, pixels, C).fused;
  EXPECT_EQ(fused.dgamma.values[0], 0);
  EXPECT_EQ(fused.dbeta.values[1], 0);
  EXPECT_NE(fused.dbeta.values[2], 0);
  for (std::size_t i = 0; i < fused.y.values.size(); ++i)
    if (i % 3 < 2) {
      EXPECT_EQ(fused.y.values[i], 0);
      EXPECT_EQ(fused.dx.values[i], 0);
    }
}

// dx over dy, as the network calls it.
TYPED_TEST(BatchNormReluDropout, BackwardMayWorkInPlace) {
  const Index pixels = 5003, C = 3;
  const double rate = 0.3;
  const auto inputs = float_inputs(pixels, C, 16);
  const Array dy = upstream(pixels * C);
  auto& device = this->device;
  const Pair pair = both<TypeParam>(device, inputs, dy, rate, pixels, C);
  using T = typename TypeParam::Scalar;
  const auto x = upload<Code<TypeParam>>(device, inputs[0]);
  const auto gamma = upload<Code<TypeParam>>(device, inputs[1]), beta = upload<Code<TypeParam>>(device, inputs[2]);
  const auto y = upload<Code<TypeParam>>(device, pair.fused.y), mean = upload<Code<TypeParam>>(device, pair.mean);
  const auto inv_std = upload<Code<TypeParam>>(device, pair.inv_std);
  auto dx = upload<Code<TypeParam>>(device, dy);
  auto dgamma = poisoned<Code<TypeParam>>(device, C), dbeta = poisoned<Code<TypeParam>>(device, C);
  auto workspace = poisoned<Code<TypeParam>>(device, batch_norm_relu_dropout_workspace(device, pixels, C));
  const Gradients<T> dx_gradients = gradients(dx.data(), pixels, C);
  const BatchNormSaved<T> saved{
      values(x.data(), pixels, C), {mean.data(), inv_std.data()}, {gamma.data(), beta.data()}};
  batch_norm_relu_dropout_backward(device, dx_gradients, BatchNormParameters<T>{dgamma.data(), dbeta.data()},
                                   dx_gradients, values(y.data(), pixels, C), saved, rate, workspace.data());
  EXPECT_EQ(download<Code<TypeParam>>(device, "dx", dx).values, pair.fused.dx.values);
  EXPECT_EQ(download<Code<TypeParam>>(device, "dgamma", dgamma).values, pair.fused.dgamma.values);
}

template <class B>
class BatchNormReluDropoutThreads : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormReluDropoutThreads, CpuBackends);

TYPED_TEST(BatchNormReluDropoutThreads, SameBitsForAnyNumberOfThreads) {
  for (auto [pixels, C] : shapes) {
    const auto inputs = float_inputs(pixels, C, 19);
    const Array dy = upstream(pixels * C);
    std::vector<std::vector<double>> first;
    for (int threads : {1, 2, 3}) {
      TestDevice<TypeParam> device(threads);
      const Results now = both<TypeParam>(device, inputs, dy, 0.3, pixels, C).fused;
      const std::vector<std::vector<double>> values{now.y.values, now.dx.values, now.dgamma.values, now.dbeta.values};
      if (first.empty()) first = values;
      EXPECT_TRUE(first == values) << pixels << " x " << C << ", " << threads << " threads";
    }
  }
}

// Where z is so near to 0 that the two take different sides, y differs by no more than z does, but the gradient by all
// of dy: there dy is 0.
template <class B, class Exact>
void expect_matches(typename B::Device& device, typename Exact::Device& exact) {
  for (auto [pixels, C] : shapes)
    for (const double rate : {0.0, 0.3}) {
      SCOPED_TRACE(std::to_string(pixels) + " x " + std::to_string(C) + ", rate " + std::to_string(rate));
      const auto inputs = float_inputs(pixels, C, 20);
      Array dy = upstream(pixels * C);
      const Array low_y = both<B>(device, inputs, dy, rate, pixels, C).fused.y;
      const Array high_y = both<Exact>(exact, inputs, dy, rate, pixels, C).fused.y;
      std::size_t parted = 0;
      for (std::size_t i = 0; i < dy.values.size(); ++i)
        if ((low_y.values[i] > 0) != (high_y.values[i] > 0)) dy.values[i] = 0, ++parted;
      EXPECT_LE(parted, 1 + dy.values.size() / 10000);
      const Pair high = both<Exact>(exact, inputs, dy, rate, pixels, C);
      expect_close(both<B>(device, inputs, dy, rate, pixels, C).fused, high.fused,
                   bounds_of<typename B::Scalar>(inputs, dy, high, rate, C));
    }
}

template <class B>
class BatchNormReluDropoutFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormReluDropoutFloat, FloatBackends);

TYPED_TEST(BatchNormReluDropoutFloat, MatchesDouble) {
  using Double = typename Rebind<TypeParam, double>::type;
  TestDevice<Double> exact;
  expect_matches<TypeParam, Double>(this->device, exact);
}

template <class B>
class BatchNormReluDropoutAgainstReference : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormReluDropoutAgainstReference, CpuBackends);
TYPED_TEST(BatchNormReluDropoutAgainstReference, Agrees) {
  cpu::Device reference(1, ConvMethod::reference);
  expect_matches<TypeParam, Cpu<double>>(this->device, reference);
}

template <class B>
class BatchNormReluDropoutAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormReluDropoutAgainstCpu, CudaBackends);

TYPED_TEST(BatchNormReluDropoutAgainstCpu, Agrees) {
  cpu::Device reference(1, ConvMethod::reference);
  expect_matches<TypeParam, Cpu<double>>(this->device, reference);
}

// beta so large that nothing is clipped: y is 0 where the CPU's dropout drops, and nowhere else.
TYPED_TEST(BatchNormReluDropoutAgainstCpu, TheMasksAreTheSame) {
  cpu::Device cpu(1, ConvMethod::reference);
  auto& device = this->device;
  for (auto [pixels, C] : shapes)
    for (const double rate : {0.1, 0.3, 0.999}) {
      const Index n = pixels * C;
      const auto same = [&](Index count, double value) {
        return Array{"", std::vector<double>(static_cast<std::size_t>(count), value)};
      };
      auto kept = upload<Cpu<double>>(cpu, same(n, 1));
      const Values<double> kept_values = values(kept.data(), n);
      dropout_forward(cpu, kept_values, kept_values, {rate, key});
      const auto x = upload<Code<TypeParam>>(device, upstream(n)), ones = upload<Code<TypeParam>>(device, same(C, 1));
      const auto zeros = upload<Code<TypeParam>>(device, same(C, 0)),
                 beta = upload<Code<TypeParam>>(device, same(C, 100));
      auto y = poisoned<Code<TypeParam>>(device, n);
      batch_norm_relu_dropout_forward(device, values(y.data(), pixels, C), values(x.data(), pixels, C),
                                      {zeros.data(), ones.data()}, {ones.data(), beta.data()}, {rate, key});
      EXPECT_EQ(gradcheck::positive(download<Code<TypeParam>>(device, "y", y)),
                gradcheck::positive(download<Cpu<double>>(cpu, "kept", kept)))
          << pixels << " x " << C << ", rate " << rate;
    }
}

// Forward and backward on tensors that start `offset` elements after a 16-byte boundary.
template <class B>
Results moved(typename B::Device& device, const std::vector<Array>& inputs, const Array& d_output,
              const Pair& statistics, double rate, Index pixels, Index C, Index offset) {
  const Index n = pixels * C;
  const auto behind = [&](Array array) {
    array.values.insert(array.values.begin(), static_cast<std::size_t>(offset), 0.0);
    return upload<Code<B>>(device, array);
  };
  const auto without = [&](Array array) {
    array.values.erase(array.values.begin(), array.values.begin() + offset);
    return array;
  };
  const auto x = behind(inputs[0]), dy = behind(d_output);
  const auto gamma = upload<Code<B>>(device, inputs[1]), beta = upload<Code<B>>(device, inputs[2]);
  const auto mean = upload<Code<B>>(device, statistics.mean), inv_std = upload<Code<B>>(device, statistics.inv_std);
  auto y = poisoned<Code<B>>(device, n + offset), dx = poisoned<Code<B>>(device, n + offset);
  auto dgamma = poisoned<Code<B>>(device, C), dbeta = poisoned<Code<B>>(device, C);
  auto workspace = poisoned<Code<B>>(device, batch_norm_relu_dropout_workspace(device, pixels, C));
  using T = typename B::Scalar;
  const BatchNormSaved<T> saved{
      values(x.data() + offset, pixels, C), {mean.data(), inv_std.data()}, {gamma.data(), beta.data()}};
  const Values<T> y_values = values(y.data() + offset, pixels, C);
  batch_norm_relu_dropout_forward(device, y_values, saved.x, saved.statistics, saved.parameters, {rate, key});
  batch_norm_relu_dropout_backward(device, gradients(dx.data() + offset, pixels, C),
                                   BatchNormParameters<T>{dgamma.data(), dbeta.data()},
                                   gradients(dy.data() + offset, pixels, C), y_values, saved, rate, workspace.data());
  return {without(download<Code<B>>(device, "y", y)), without(download<Code<B>>(device, "dx", dx)),
          download<Code<B>>(device, "dgamma", dgamma), download<Code<B>>(device, "dbeta", dbeta)};
}

// Float tensors on 16-byte boundaries go to the tuned kernels, those one element further on to the plain ones; for
// double the plain ones do both.
TYPED_TEST(BatchNormReluDropoutAgainstCpu, PlainAndTunedKernelsAgree) {
  for (auto [pixels, C] : {std::pair<Index, Index>{1, 4}, {1203, 12}, {4001, 32}, {301, 300}, {9, 1028}})
    for (const double rate : {0.0, 0.3}) {
      SCOPED_TRACE(std::to_string(pixels) + " x " + std::to_string(C) + ", rate " + std::to_string(rate));
      const auto inputs = float_inputs(pixels, C, 22);
      const Array dy = upstream(pixels * C);
      const Pair pair = both<TypeParam>(this->device, inputs, dy, rate, pixels, C);
      const Results tuned = moved<TypeParam>(this->device, inputs, dy, pair, rate, pixels, C, 0);
      const Results plain = moved<TypeParam>(this->device, inputs, dy, pair, rate, pixels, C, 1);
      EXPECT_EQ(tuned.y.values, plain.y.values);
      expect_close(tuned, plain, bounds_of<typename TypeParam::Scalar>(inputs, dy, pair, rate, C));
    }
}

}  // namespace TEST_FILE
}  // namespace attnunet
