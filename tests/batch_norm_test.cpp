#include "cpu/batch_norm.h"

#include "cuda/batch_norm.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/conv_methods.h"
#include "support/expect.h"
#include "support/layer_cases.h"
#include "support/reference.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::LayerCase;

template <class B>
class BatchNormGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormGradient, DoubleBackendsAndReference);

TYPED_TEST(BatchNormGradient, MatchesNumeric) {
  for (auto [pixels, C] : {std::pair<Index, Index>{35, 1}, {12, 7}, {30, 5}, {133, 2}})
    expect_gradients(gradcheck::batch_norm_case<Code<TypeParam>>(this->device, pixels, C, 3));
}

// More channels than a tile has lanes. The truncation error of the difference quotient is of the order (h /
// deviation)^2, and three pixels can lie close together: they are spread out, so that the gate keeps its margin.
TYPED_TEST(BatchNormGradient, MatchesNumericAcrossTiles) {
  auto layer = gradcheck::batch_norm_case<Code<TypeParam>>(this->device, 3, 300, 3);
  for (double& value : layer.inputs[0].values) value *= 8;
  expect_gradients(layer);
}

// One pixel is its own mean: y = beta whatever x is.
TYPED_TEST(BatchNormGradient, OnePixelHasNoGradientButBeta) {
  const auto layer = gradcheck::batch_norm_case<Code<TypeParam>>(this->device, 1, 3, 3);
  EXPECT_EQ(layer.forward(layer.inputs).outputs[0].values, layer.inputs[2].values);
  const auto gradients = layer.backward(layer.inputs, {{"dy", {1, 2, 3}}});
  EXPECT_EQ(gradients[0].values, (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(gradients[1].values, (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(gradients[2].values, (std::vector<double>{1, 2, 3}));
}

TYPED_TEST(BatchNormGradient, InferenceMatchesNumeric) {
  for (auto [pixels, C] : {std::pair<Index, Index>{1, 1}, {1, 5}, {35, 1}, {12, 7}, {133, 2}, {3, 300}})
    expect_gradients(gradcheck::batch_norm_inference_case<Code<TypeParam>>(this->device, pixels, C, 4));
}

// The two directions that the second and third term of dx remove.
TYPED_TEST(BatchNormGradient, IsOrthogonalToOnesAndXhat) {
  const Index pixels = 20000, C = 3;
  auto layer = gradcheck::batch_norm_case<Code<TypeParam>>(this->device, pixels, C, 5);
  layer.inputs[1].values.assign(C, 1.0);
  layer.inputs[2].values.assign(C, 0.0);
  for (double& value : layer.inputs[0].values) value *= 1e3;  // so that eps does not count
  Random random(6);
  const Array dy = gradcheck::random_array("dy", pixels * C, random);
  const Array xhat = layer.forward(layer.inputs).outputs[0];
  const Array dx = layer.backward(layer.inputs, {dy})[0];
  for (Index c = 0; c < C; ++c) {
    double sum = 0, along_xhat = 0, magnitude = 0;
    for (Index i = c; i < pixels * C; i += C) {
      const auto at = static_cast<std::size_t>(i);
      sum += dx.values[at];
      along_xhat += dx.values[at] * xhat.values[at];
      magnitude += std::abs(dx.values[at]);
    }
    EXPECT_TRUE(std::abs(sum) <= 1e-13 * magnitude) << sum << " of " << magnitude;
    // dx . xhat = (1 - var / (var + eps)) ..., of the order eps / var = 1e-11.
    EXPECT_TRUE(std::abs(along_xhat) <= 1e-10 * magnitude) << along_xhat << " of " << magnitude;
  }
}

template <class B>
class BatchNorm : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNorm, AllBackendsAndReference);

struct Statistics {
  Array mean, inv_std, running_mean, running_var;
};

template <class B>
Statistics statistics(typename B::Device& device, const Array& x, double running_mean, double running_var, Index C) {
  using gradcheck::upload;
  const Index pixels = static_cast<Index>(x.values.size()) / C;
  auto same = [&](double value) {
    return upload<Code<B>>(device, {"", std::vector<double>(static_cast<std::size_t>(C), value)});
  };
  auto new_mean = same(running_mean), new_var = same(running_var);
  const auto gamma = same(1), beta = same(0), x_device = upload<Code<B>>(device, x);
  auto mean = gradcheck::poisoned<Code<B>>(device, C), inv_std = gradcheck::poisoned<Code<B>>(device, C);
  auto y = gradcheck::poisoned<Code<B>>(device, pixels * C);
  auto workspace = gradcheck::poisoned<Code<B>>(device, batch_norm_workspace(device, pixels, C));
  using T = typename B::Scalar;
  batch_norm_forward(device, values(y.data(), pixels, C), BatchStatistics<T>{mean.data(), inv_std.data()},
                     RunningStatistics<T>{new_mean.data(), new_var.data()}, values(x_device.data(), pixels, C),
                     {gamma.data(), beta.data()}, workspace.data());
  return {gradcheck::download<Code<B>>(device, "mean", mean), gradcheck::download<Code<B>>(device, "inv_std", inv_std),
          gradcheck::download<Code<B>>(device, "running_mean", new_mean),
          gradcheck::download<Code<B>>(device, "running_var", new_var)};
}

TYPED_TEST(BatchNorm, RunningStatistics) {
  // x = 1, 2, 3, 6: mean 3, biased variance 14 / 4, unbiased 14 / 3.
  const auto s = statistics<TypeParam>(this->device, {"x", {1, 2, 3, 6}}, 10, 20, 1);
  EXPECT_NEAR(s.mean.values[0], 3, 1e-6);
  EXPECT_NEAR(s.inv_std.values[0], 1 / std::sqrt(3.5 + 1e-5), 1e-6);
  EXPECT_NEAR(s.running_mean.values[0], 9 + 0.3, 2e-6);
  EXPECT_NEAR(s.running_var.values[0], 18 + 0.1 * 14 / 3, 4e-6);
}

TYPED_TEST(BatchNorm, OnePixelTakesTheBiasedVariance) {
  const auto s = statistics<TypeParam>(this->device, {"x", {4, -2}}, 1, 2, 2);
  EXPECT_NEAR(s.running_mean.values[0], 0.9 + 0.4, 1e-6);
  EXPECT_NEAR(s.running_mean.values[1], 0.9 - 0.2, 1e-6);
  EXPECT_NEAR(s.running_var.values[0], 1.8, 1e-6);
  EXPECT_NEAR(s.inv_std.values[1], 1 / std::sqrt(1e-5), 1e-3);
}

template <class B>
class BatchNormOfLargeMean : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormOfLargeMean, AllBackendsAndFloatReference);

// Mean 1e4 deviations: E[x^2] - E[x]^2 would have no digit left in float. Relative error of the variance: a block adds
// at most 64 squares a lane, so about 67 u, half of it in inv_std; the mean: its own rounding to T, u of itself.
TYPED_TEST(BatchNormOfLargeMean, KeepsTheVariance) {
  const Index pixels = 30011;
  for (Index C : {1, 3, 32}) {
    Random random(8);
    const Array x = rounded_to_float(gradcheck::random_array("x", pixels * C, random, 1e4, 1.0));
    const auto s = statistics<TypeParam>(this->device, x, 0, 0, C);
    const Array zeros = reference::zeros("", C);
    const reference::BatchNorm expected = reference::batch_norm_forward(x, zeros, zeros, zeros, zeros);
    for (std::size_t c = 0; c < s.mean.values.size(); ++c) {
      const double mean = expected.mean.values[c], inv_std = expected.inv_std.values[c];
      EXPECT_TRUE(std::abs(s.mean.values[c] - mean) <= 0x1p-23 * mean) << s.mean.values[c] << " " << mean;
      EXPECT_TRUE(std::abs(s.inv_std.values[c] - inv_std) <= 64 * 0x1p-24 * inv_std)
          << s.inv_std.values[c] << " " << inv_std;
    }
  }
}

template <class B>
class BatchNormThreads : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormThreads, CpuBackends);

TYPED_TEST(BatchNormThreads, SameBitsForAnyNumberOfThreads) {
  for (auto [pixels, C] : {std::pair<Index, Index>{50003, 1}, {20001, 3}, {4001, 32}, {301, 300}}) {
    Random random(9);
    const Array dy = gradcheck::random_array("dy", pixels * C, random);
    std::vector<std::vector<double>> first;
    for (int threads : {1, 2, 3}) {
      typename TypeParam::Device device(threads);
      const auto layer = gradcheck::batch_norm_case<Code<TypeParam>>(device, pixels, C, 10);
      std::vector<std::vector<double>> now = {layer.forward(layer.inputs).outputs[0].values};
      for (const Array& gradient : layer.backward(layer.inputs, {dy})) now.push_back(gradient.values);
      if (first.empty()) first = now;
      EXPECT_TRUE(first == now) << pixels << " x " << C << ", " << threads << " threads";
    }
  }
}

TYPED_TEST(BatchNorm, BackwardMayWorkInPlace) {
  using gradcheck::download;
  using gradcheck::upload;
  const Index pixels = 5003, C = 3;
  const auto layer = gradcheck::batch_norm_case<Code<TypeParam>>(this->device, pixels, C, 16);
  Random random(17);
  const Array dy = gradcheck::random_array("dy", pixels * C, random);
  const auto statistic = statistics<TypeParam>(this->device, layer.inputs[0], 0, 0, C);
  using T = typename TypeParam::Scalar;
  const auto x = upload<Code<TypeParam>>(this->device, layer.inputs[0]);
  const auto gamma = upload<Code<TypeParam>>(this->device, layer.inputs[1]);
  const auto beta = upload<Code<TypeParam>>(this->device, layer.inputs[2]);
  const auto mean = upload<Code<TypeParam>>(this->device, statistic.mean);
  const auto inv_std = upload<Code<TypeParam>>(this->device, statistic.inv_std);
  auto dx = upload<Code<TypeParam>>(this->device, dy);
  auto dgamma = gradcheck::poisoned<Code<TypeParam>>(this->device, C),
       dbeta = gradcheck::poisoned<Code<TypeParam>>(this->device, C);
  auto workspace = gradcheck::poisoned<Code<TypeParam>>(this->device, batch_norm_workspace(this->device, pixels, C));
  const Gradients<T> dx_gradients = gradients(dx.data(), pixels, C);
  const BatchNormSaved<T> saved{
      values(x.data(), pixels, C), {mean.data(), inv_std.data()}, {gamma.data(), beta.data()}};
  batch_norm_backward(this->device, dx_gradients, BatchNormParameters<T>{dgamma.data(), dbeta.data()}, dx_gradients,
                      saved, workspace.data());
  EXPECT_EQ(download<Code<TypeParam>>(this->device, "x", dx).values, layer.backward(layer.inputs, {dy})[0].values);
}

template <class B>
class BatchNormFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormFloat, FloatBackends);

// First-order bounds, u = 2^-24, s = |gamma| inv_std. Rounding the saved mean moves x - mean by u |mean|; forming xhat
// and y takes a handful of roundings of the terms met. float_bound(., 6) is 17 u of them. `unit` scales all bounds.
void expect_float_close(const LayerCase& in_float, const LayerCase& in_double, Index C, double unit = 1) {
  std::vector<Array> inputs;
  for (const Array& input : in_double.inputs) inputs.push_back(rounded_to_float(input));
  Random random(12);
  const Array dy = rounded_to_float(gradcheck::random_array("dy", static_cast<Index>(inputs[0].values.size()), random));
  const std::vector<double>&x = inputs[0].values, &gamma = inputs[1].values, &beta = inputs[2].values;
  const auto expected = in_double.backward(inputs, {dy});
  const Array expected_y = in_double.forward(inputs).outputs[0];
  const std::size_t channels = static_cast<std::size_t>(C), pixels = x.size() / channels;

  std::vector<double> y_bound(x.size()), dx_bound(x.size()), dgamma_bound(channels), dbeta_bound(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    // The layer is affine a channel: y = slope x + intercept, dy/dx at constant statistics = slope.
    double largest_x = 0, sum_dy = 0, sum_dy_xhat = 0, low = 1e30, high = -1e30, y_low = 0, y_high = 0;
    for (std::size_t i = c; i < x.size(); i += channels) {
      largest_x = std::max(largest_x, std::abs(x[i]));
      if (x[i] < low) low = x[i], y_low = expected_y.values[i];
      if (x[i] > high) high = x[i], y_high = expected_y.values[i];
    }
    const double slope = std::abs((y_high - y_low) / (high - low)), inv_std = slope / std::abs(gamma[c]);
    for (std::size_t i = c; i < x.size(); i += channels) {
      // |xhat| plus what rounding x - mean costs: |x| and |mean| are at most largest_x.
      sum_dy += std::abs(dy.values[i]);
      sum_dy_xhat += std::abs(dy.values[i]) * 2 * largest_x * inv_std;
    }
    const double n = static_cast<double>(pixels), length = static_cast<double>(pixels);
    dbeta_bound[c] = unit * float_bound(sum_dy, length);
    dgamma_bound[c] = unit * float_bound(sum_dy_xhat, length);
    for (std::size_t i = c; i < x.size(); i += channels) {
      y_bound[i] = unit * float_bound(2 * largest_x * slope + std::abs(beta[c]), 6);
      dx_bound[i] =
          unit *
          float_bound(slope * (std::abs(dy.values[i]) + sum_dy / n + 2 * largest_x * inv_std * sum_dy_xhat / n), 6);
    }
  }
  const Array y = in_float.forward(inputs).outputs[0];
  const auto gradients = in_float.backward(inputs, {dy});
  EXPECT_TRUE(close(y, expected_y, y_bound)) << in_float.name;
  EXPECT_TRUE(close(gradients[0], expected[0], dx_bound)) << in_float.name;
  EXPECT_TRUE(close(gradients[1], expected[1], dgamma_bound)) << in_float.name;
  EXPECT_TRUE(close(gradients[2], expected[2], dbeta_bound)) << in_float.name;
  ::testing::Test::RecordProperty("tightness_y", std::to_string(tightness(y, expected_y, y_bound)));
  ::testing::Test::RecordProperty("tightness_dx", std::to_string(tightness(gradients[0], expected[0], dx_bound)));
}

TYPED_TEST(BatchNormFloat, MatchesDouble) {
  using Double = typename Rebind<TypeParam, double>::type;
  TestDevice<Double> exact;
  for (auto [pixels, C] : {std::pair<Index, Index>{50003, 1}, {2001, 3}, {4001, 32}, {301, 300}})
    expect_float_close(gradcheck::batch_norm_case<Code<TypeParam>>(this->device, pixels, C, 13),
                       gradcheck::batch_norm_case<Double>(exact, pixels, C, 13), C);
}

TYPED_TEST(BatchNormFloat, MatchesDoubleAtALargeMean) {
  using Double = typename Rebind<TypeParam, double>::type;
  TestDevice<Double> exact;
  auto in_double = gradcheck::batch_norm_case<Double>(exact, 4001, 5, 15);
  for (double& value : in_double.inputs[0].values) value += 1e4;
  expect_float_close(gradcheck::batch_norm_case<Code<TypeParam>>(this->device, 4001, 5, 15), in_double, 5);
}

TYPED_TEST(BatchNormFloat, InferenceMatchesDouble) {
  using Double = typename Rebind<TypeParam, double>::type;
  TestDevice<Double> exact;
  for (auto [pixels, C] : {std::pair<Index, Index>{50003, 1}, {2001, 3}, {4001, 32}, {301, 300}})
    expect_float_close(gradcheck::batch_norm_inference_case<Code<TypeParam>>(this->device, pixels, C, 14),
                       gradcheck::batch_norm_inference_case<Double>(exact, pixels, C, 14), C);
}

// The plain loops in double are exact for float; for double both sides have rounding errors.
template <class B>
void expect_matches_reference(typename B::Device& device) {
  const double unit = sizeof(typename B::Scalar) == 8 ? 2 * 0x1p-29 : 1;
  cpu::Device reference(1, ConvMethod::reference);
  for (auto [pixels, C] : {std::pair<Index, Index>{50003, 1}, {2001, 3}, {4001, 32}, {301, 300}, {35, 1028}}) {
    expect_float_close(gradcheck::batch_norm_case<Code<B>>(device, pixels, C, 18),
                       gradcheck::batch_norm_case<Cpu<double>>(reference, pixels, C, 18), C, unit);
    expect_float_close(gradcheck::batch_norm_inference_case<Code<B>>(device, pixels, C, 19),
                       gradcheck::batch_norm_inference_case<Cpu<double>>(reference, pixels, C, 19), C, unit);
  }
}

template <class B>
class BatchNormAgainstReference : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormAgainstReference, CpuBackends);
TYPED_TEST(BatchNormAgainstReference, Agrees) {
  expect_matches_reference<TypeParam>(this->device);
}

template <class B>
class BatchNormAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(BatchNormAgainstCpu, CudaBackends);
TYPED_TEST(BatchNormAgainstCpu, Agrees) {
  expect_matches_reference<TypeParam>(this->device);
}

template <class B>
class CombineChannelStatistics : public BackendTest<B> {};
TYPED_TEST_SUITE(CombineChannelStatistics, CudaBackends);

// Mean 1e4 deviations; thousands of chunks, one chunk, chunks that do not divide the pixels, channels that do not fill
// a block. v: the relative error of a mean, from rounding it to T (u) and from adding n terms in double, here as there
// (float_bound's 6 sqrt(n) u). The chunks' means are off by e = v |mean|, which moves the variance by at most
// 2 e deviation + e^2; the sums of squares by v of themselves.
TYPED_TEST(CombineChannelStatistics, LargeMeanAndRaggedChunks) {
  using gradcheck::upload;
  using B = TypeParam;
  using T = typename B::Scalar;
  const double u = sizeof(T) == 8 ? 0x1p-53 : 0x1p-24;
  auto& device = this->device;
  struct Case {
    Index pixels, C, chunk_pixels;
  };
  for (const Case& at : {Case{5003, 3, 16}, {1001, 300, 64}, {9001, 5, 2}, {7, 1, 16}, {64, 9, 32}, {65, 17, 64}}) {
    const Index pixels = at.pixels, C = at.C, chunks = (pixels + at.chunk_pixels - 1) / at.chunk_pixels;
    SCOPED_TRACE(std::to_string(pixels) + " x " + std::to_string(C) + " by " + std::to_string(at.chunk_pixels));
    Random random(20);
    const Array x = gradcheck::random_array("x", pixels * C, random, 1e4, 1.0);
    const std::size_t channels = static_cast<std::size_t>(C);
    // Mean and squares about it of pixels begin ... end - 1.
    const auto moments = [&](Index c, Index begin, Index end) {
      double mean = 0, squares = 0;
      for (Index p = begin; p < end; ++p) mean += x.values[static_cast<std::size_t>(p * C + c)];
      mean /= static_cast<double>(end - begin);
      for (Index p = begin; p < end; ++p) squares += std::pow(x.values[static_cast<std::size_t>(p * C + c)] - mean, 2);
      return std::pair<double, double>{mean, squares};
    };
    Array means, m2;
    for (Index chunk = 0; chunk < chunks; ++chunk)
      for (Index c = 0; c < C; ++c) {
        const auto [mean, squares] =
            moments(c, chunk * at.chunk_pixels, std::min(pixels, (chunk + 1) * at.chunk_pixels));
        means.values.push_back(mean);
        m2.values.push_back(squares);
      }
    const auto chunk_means = upload<Code<B>>(device, means), chunk_m2 = upload<Code<B>>(device, m2);
    auto running_mean = upload<Code<B>>(device, {"", std::vector<double>(channels, 3)});
    auto running_var = upload<Code<B>>(device, {"", std::vector<double>(channels, 5)});
    auto mean = gradcheck::poisoned<Code<B>>(device, C), inv_std = gradcheck::poisoned<Code<B>>(device, C);
    combine_channel_statistics(device, BatchStatistics<T>{mean.data(), inv_std.data()},
                               RunningStatistics<T>{running_mean.data(), running_var.data()},
                               cuda::ChunkStatistics<T>{chunk_means.data(), chunk_m2.data(), at.chunk_pixels, pixels},
                               C);
    const auto all = [&](double value) { return Array{"", std::vector<double>(channels, value)}; };
    const reference::BatchNorm expected = reference::batch_norm_forward(x, all(1), all(0), all(3), all(5));
    std::vector<double> mean_bound, inv_std_bound, running_mean_bound, running_var_bound;
    for (std::size_t c = 0; c < channels; ++c) {
      const double n = static_cast<double>(pixels), expected_inv_std = expected.inv_std.values[c];
      const double variance = 1 / (expected_inv_std * expected_inv_std) - batch_norm_eps;
      const double v = u + 6 * 0x1p-53 * std::sqrt(n), e = v * std::abs(expected.mean.values[c]);
      const double variance_error = 2 * e * std::sqrt(variance) + e * e + 2 * v * variance;
      mean_bound.push_back(2 * e);
      inv_std_bound.push_back(expected_inv_std * (variance_error / (variance + batch_norm_eps) + 2 * u));
      running_mean_bound.push_back(2 * e);
      running_var_bound.push_back(0.1 * variance_error * n / (n - 1) + 2 * u * expected.running_var.values[c]);
    }
    EXPECT_TRUE(close(gradcheck::download<Code<B>>(device, "mean", mean), expected.mean, mean_bound));
    EXPECT_TRUE(close(gradcheck::download<Code<B>>(device, "inv_std", inv_std), expected.inv_std, inv_std_bound));
    EXPECT_TRUE(close(gradcheck::download<Code<B>>(device, "running_mean", running_mean), expected.running_mean,
                      running_mean_bound));
    EXPECT_TRUE(close(gradcheck::download<Code<B>>(device, "running_var", running_var), expected.running_var,
                      running_var_bound));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
