#include "common/gradcheck/cases/conv2d_statistics.h"

#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/columns.h"
#include "support/expect.h"
#include "support/reference.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::download;
using gradcheck::poisoned;
using gradcheck::upload;

std::string text(const Conv2dGeometry& g) {
  std::string result;
  for (Index n : {g.N, g.H, g.W, g.C, g.K, g.R}) result += std::to_string(n) + " ";
  return result;
}

// {N, H, W, C, K, R}: several tiles an image, several chunks of pixels, channels across tiles; tiles of each kind on
// the GPU, with ragged last ones, one pixel over and a single pixel.
const std::vector<Conv2dGeometry> shapes = {
    {2, 5, 7, 3, 4, 3},    {1, 1, 1, 2, 3, 3},    {1, 4, 3, 1, 6, 1},      {3, 4, 1, 9, 2, 3},     {2, 3, 5, 4, 7, 1},
    {2, 37, 41, 8, 9, 3},  {1, 61, 65, 1, 32, 3}, {1, 16, 16, 40, 300, 3}, {1, 130, 128, 8, 1, 1}, {2, 9, 31, 8, 12, 3},
    {1, 257, 1, 4, 32, 1}, {1, 3, 43, 4, 36, 3},  {1, 1, 1, 8, 8, 1}};

template <class B>
class Conv2dStatisticsGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(Conv2dStatisticsGradient, DoubleBackends);

// The statistics depend on x and w: were they not y's own, batch norm's backward would not fit.
TYPED_TEST(Conv2dStatisticsGradient, MatchesNumericWithItsBatchNorm) {
  for (const Conv2dGeometry& g : {Conv2dGeometry{2, 5, 7, 3, 4, 3}, {1, 6, 4, 1, 5, 3}, {2, 3, 5, 4, 7, 1}})
    expect_gradients(gradcheck::conv2d_statistics_case<TypeParam>(this->device, g, 7));
}

struct Results {
  Array y, mean, inv_std, running_mean, running_var;
};

template <class B>
class Conv2dStatistics : public BackendTest<B> {
 protected:
  Conv2dStatistics() { convolve_directly(this->device); }
  using T = typename B::Scalar;
  struct Data {
    explicit Data(const Conv2dGeometry& g, double offset = 0.5) {
      Random random(11);
      x = rounded_to_float(gradcheck::random_array("x", g.pixels() * g.C, random, offset));
      w = rounded_to_float(gradcheck::random_array("w", g.weights(), random, 0.1));
      running_mean = rounded_to_float(gradcheck::random_array("running_mean", g.K, random));
      running_var = magnitudes(rounded_to_float(gradcheck::random_array("running_var", g.K, random, 2)));
    }
    Array x, w, running_mean, running_var;
  };

  // The one operation, or convolution and batch norm in turn.
  template <class Backend>
  static Results run(typename Backend::Device& device, const Conv2dGeometry& g, const Data& d, bool fused) {
    return run<Backend>(device, g, d, fused, {0, g.C, g.C});
  }
  // d.x is a wide tensor with x in some of its columns.
  template <class Backend>
  static Results run(typename Backend::Device& device, const Conv2dGeometry& g, const Data& d, bool fused,
                     const Columns& columns) {
    using T = typename Backend::Scalar;
    const Index size = g.pixels() * g.K;
    const auto x = upload<Backend>(device, d.x), w = upload<Backend>(device, d.w);
    auto running_mean = upload<Backend>(device, d.running_mean), running_var = upload<Backend>(device, d.running_var);
    auto y = poisoned<Backend>(device, size), mean = poisoned<Backend>(device, g.K);
    auto inv_std = poisoned<Backend>(device, g.K);
    const Values<T> y_values = values(y.data(), g.pixels(), g.K);
    const Values<const T> x_values = values(x.data(), g.pixels(), columns);
    const BatchStatistics<T> batch{mean.data(), inv_std.data()};
    const RunningStatistics<T> running{running_mean.data(), running_var.data()};
    if (fused) {
      auto workspace = poisoned<Backend>(device, conv2d_statistics_workspace(device, g));
      conv2d_statistics_forward(device, y_values, batch, running, x_values, w.data(), workspace.data(), g);
    } else {
      auto conv_workspace = poisoned<Backend>(device, conv2d_workspace(device, g));
      conv2d_forward(device, y_values, x_values, w.data(), {}, conv_workspace.data(), g);
      const Array ones{"", std::vector<double>(static_cast<std::size_t>(g.K), 1.0)};
      const auto gamma = upload<Backend>(device, ones), beta = upload<Backend>(device, ones);
      auto normalised = poisoned<Backend>(device, size);
      auto workspace = poisoned<Backend>(device, batch_norm_workspace(device, g.pixels(), g.K));
      batch_norm_forward(device, values(normalised.data(), g.pixels(), g.K), batch, running, y_values,
                         {gamma.data(), beta.data()}, workspace.data());
    }
    return {download<Backend>(device, "y", y), download<Backend>(device, "mean", mean),
            download<Backend>(device, "inv_std", inv_std), download<Backend>(device, "running_mean", running_mean),
            download<Backend>(device, "running_var", running_var)};
  }

  // What rounding may do, with `unit` 1 for float32: to a y by its sum of products; to the mean of a channel by the
  // mean of that and its own rounding, to the variance by twice the deviation times it, and by the squares' own
  // rounding.
  static void expect_close(const Conv2dGeometry& g, const Data& d, const Results& actual, const Results& expected,
                           double unit) {
    const Array terms = reference::conv2d_forward(g, magnitudes(d.x), magnitudes(d.w), {});
    Results bounds = expected;
    const std::size_t K = static_cast<std::size_t>(g.K), n = terms.values.size();
    const double pixels = static_cast<double>(g.pixels());
    for (std::size_t k = 0; k < K; ++k) {
      double largest = 0, squares = 0;
      for (std::size_t i = k; i < n; i += K) {
        bounds.y.values[i] = unit * float_bound(terms.values[i], static_cast<double>(g.R * g.R * g.C));
        largest = std::max(largest, bounds.y.values[i]);
        squares += std::pow(expected.y.values[i] - expected.mean.values[k], 2);
      }
      const double variance = squares / pixels, deviation = std::sqrt(variance);
      const double mean_error = largest + unit * float_bound(std::abs(expected.mean.values[k]), 0);
      const double variance_error =
          2 * deviation * mean_error + mean_error * mean_error + unit * float_bound(variance, 64);
      const double inv_std = 1 / std::sqrt(variance + 1e-5);
      bounds.mean.values[k] = mean_error;
      bounds.inv_std.values[k] = inv_std * (variance_error / (variance + 1e-5) + unit * 0x1p-22);
      bounds.running_mean.values[k] = mean_error + unit * float_bound(std::abs(expected.running_mean.values[k]), 0);
      bounds.running_var.values[k] =
          2 * variance_error + unit * float_bound(std::abs(expected.running_var.values[k]), 0);
    }
    EXPECT_TRUE(close(actual.y, expected.y, bounds.y.values));
    EXPECT_TRUE(close(actual.mean, expected.mean, bounds.mean.values));
    EXPECT_TRUE(close(actual.inv_std, expected.inv_std, bounds.inv_std.values));
    EXPECT_TRUE(close(actual.running_mean, expected.running_mean, bounds.running_mean.values));
    EXPECT_TRUE(close(actual.running_var, expected.running_var, bounds.running_var.values));
  }
};
TYPED_TEST_SUITE(Conv2dStatistics, AllBackends);

TYPED_TEST(Conv2dStatistics, IsConvolutionThenBatchNorm) {
  using Fixture = TestFixture;
  for (const Conv2dGeometry& g : shapes) {
    SCOPED_TRACE(text(g));
    const typename Fixture::Data d(g);
    const double unit = sizeof(typename TypeParam::Scalar) == 8 ? 0x1p-29 : 1;
    this->expect_close(g, d, Fixture::template run<TypeParam>(this->device, g, d, true),
                       Fixture::template run<TypeParam>(this->device, g, d, false), unit);
  }
}

// Against the plain loops in double, which are exact for float32; for double both sides have rounding errors.
TYPED_TEST(Conv2dStatistics, MatchesDouble) {
  using Fixture = TestFixture;
  cpu::Device exact(1, ConvMethod::reference);
  const double unit = sizeof(typename TypeParam::Scalar) == 8 ? 2 * 0x1p-29 : 1;
  for (const Conv2dGeometry& g : shapes) {
    SCOPED_TRACE(text(g));
    const typename Fixture::Data d(g);
    this->expect_close(g, d, Fixture::template run<TypeParam>(this->device, g, d, true),
                       Fixture::template run<Cpu<double>>(exact, g, d, false), unit);
  }
}

// The running statistics against numbers worked out by hand: y = 2 x with x = 1, 2, 3, 6 has mean 6 and variance 14.
TYPED_TEST(Conv2dStatistics, StatisticsOfFourPixels) {
  typename TestFixture::Data d({1, 1, 1, 1, 1, 1});
  d.x.values = {1, 2, 3, 6};
  d.w.values = {2};
  d.running_mean.values = {10};
  d.running_var.values = {20};
  const Results s = TestFixture::template run<TypeParam>(this->device, {1, 2, 2, 1, 1, 1}, d, true);
  EXPECT_EQ(s.y.values, (std::vector<double>{2, 4, 6, 12}));
  EXPECT_NEAR(s.mean.values[0], 6, 1e-6);
  EXPECT_NEAR(s.inv_std.values[0], 1 / std::sqrt(14 + 1e-5), 1e-7);
  EXPECT_NEAR(s.running_mean.values[0], 9 + 0.6, 2e-6);
  EXPECT_NEAR(s.running_var.values[0], 18 + 0.1 * 56 / 3, 4e-6);
}

TYPED_TEST(Conv2dStatistics, SameBitsForAnyNumberOfThreads) {
  using Fixture = TestFixture;
  for (const Conv2dGeometry& g : shapes) {
    const typename Fixture::Data d(g);
    std::vector<std::vector<double>> first;
    for (int threads : {1, 2, 3}) {
      TestDevice<TypeParam> device(threads);
      const Results now = Fixture::template run<TypeParam>(device, g, d, true);
      const std::vector<std::vector<double>> values{now.y.values, now.mean.values, now.inv_std.values,
                                                    now.running_mean.values, now.running_var.values};
      if (first.empty()) first = values;
      EXPECT_TRUE(first == values) << text(g) << ", " << threads << " threads";
    }
  }
}

// x as columns of a wider tensor gives the same.
TYPED_TEST(Conv2dStatistics, WorksOnColumnsOfAWiderTensor) {
  using Fixture = TestFixture;
  for (const Conv2dGeometry& g : shapes) {
    SCOPED_TRACE(text(g));
    const Columns columns{0, g.C, 2 * g.C};
    typename Fixture::Data d(g);
    const Results dense = Fixture::template run<TypeParam>(this->device, g, d, false);
    typename Fixture::Data wide = d;
    wide.x = widened(d.x, columns);
    const double unit = sizeof(typename TypeParam::Scalar) == 8 ? 0x1p-29 : 1;
    this->expect_close(g, d, Fixture::template run<TypeParam>(this->device, g, wide, true, columns), dense, unit);
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
