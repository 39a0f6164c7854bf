#include "cuda/conv2d_tensor_core.h"

#include <algorithm>

#include "common/gradcheck/cases/conv2d.h"
#include "cpu/conv2d.h"
#include "cuda/conv2d.h"
#include "cuda/conv2d_statistics.h"
#include "support/columns.h"
#include "support/tensor_core.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::random_array;

std::string text(const Conv2dGeometry& g) {
  std::string result;
  for (Index n : {g.N, g.H, g.W, g.C, g.K, g.R}) result += std::to_string(n) + " ";
  return result;
}

struct Data {
  Data(const Conv2dGeometry& g, std::uint64_t seed) : random(seed) {
    x = rounded_to_float(random_array("x", g.pixels() * g.C, random));
    w = rounded_to_float(random_array("w", g.weights(), random));
    b = rounded_to_float(random_array("b", g.K, random));
    dy = rounded_to_float(random_array("dy", g.pixels() * g.K, random));
    before = rounded_to_float(random_array("before", g.pixels() * g.C, random));
  }
  Random random;
  Array x, w, b, dy, before;
};

const Array nothing{"", {0}};

// {N, H, W, C, K, R}. Few channels and many, multiples of 4 and others; images of one pixel, row and column.
const std::vector<Conv2dGeometry> shapes = {
    {1, 1, 1, 2, 2, 3},    {2, 5, 7, 3, 6, 3},     {1, 1, 6, 4, 8, 3},    {3, 4, 1, 9, 2, 3},   {1, 13, 11, 8, 32, 3},
    {2, 9, 7, 20, 36, 3},  {1, 6, 5, 12, 132, 3},  {1, 5, 4, 136, 40, 3}, {2, 3, 5, 12, 40, 1}, {1, 7, 3, 5, 66, 1},
    {1, 3, 3, 140, 72, 1}, {1, 17, 19, 36, 12, 1}, {1, 1, 1, 1, 1, 3},    {1, 4, 3, 1, 5, 3}};
// Several chunks of pixels, the last one shorter.
const std::vector<Conv2dGeometry> large = {{1, 27, 23, 4, 4, 3}, {2, 31, 29, 3, 5, 1}, {3, 13, 17, 8, 36, 3}};

std::vector<Conv2dGeometry> all_shapes() {
  std::vector<Conv2dGeometry> all = shapes;
  all.insert(all.end(), large.begin(), large.end());
  return all;
}

template <class B>
class Conv2dTensorCore : public BackendTest<B> {
 protected:
  // All three functions, once for dx that is set and once for dx that is added to; x and dx are the columns of_x of
  // their tensors, y and dy the columns of_y.
  void expect_all(Precision precision, const Conv2dGeometry& g, const Columns& of_x, const Columns& of_y,
                  std::uint64_t seed) {
    cpu::Device exact(1, ConvMethod::reference);
    const auto layer = gradcheck::conv2d_case<Cpu<double>>(exact, g, false, 1);
    Data d(g, seed);
    d.x = with_ties(precision, d.x);
    d.dy = with_ties(precision, d.dy);
    SCOPED_TRACE(text(g) + "of " + std::to_string(of_x.stride) + " and " + std::to_string(of_y.stride));
    typename B::Device device(precision);
    const auto x = gradcheck::upload<B>(device, widened(d.x, of_x));
    const auto w = gradcheck::upload<B>(device, d.w);
    const auto b = gradcheck::upload<B>(device, d.b);
    const auto dy = gradcheck::upload<B>(device, widened(d.dy, of_y));
    const auto x_values = values(x.data(), g.pixels(), of_x);
    const auto dy_gradients = gradients(dy.data(), g.pixels(), of_y);
    auto workspace = gradcheck::poisoned<B>(device, cuda::tensor_core::conv2d_workspace(device, g));

    auto y = gradcheck::upload<B>(device, widened_nan(g.pixels(), of_y));
    cuda::tensor_core::conv2d_forward(device, values(y.data(), g.pixels(), of_y), x_values, w.data(), {b.data()},
                                      workspace.data(), g);
    expect_products<B>(
        precision, narrowed(gradcheck::download<B>(device, "y", y), of_y),
        [&](const Array& values, const Array& weights) {
          return layer.forward({values, weights}).outputs[0];
        },
        d.x, d.w, d.b, g.R * g.R * g.C);

    const Products data = [&](const Array& gradient, const Array& weights) {
      return layer.backward({d.x, weights}, {gradient})[0];
    };
    for (const Write write : {Write::set, Write::add}) {
      auto dx =
          gradcheck::upload<B>(device, write == Write::add ? widened(d.before, of_x) : widened_nan(g.pixels(), of_x));
      cuda::tensor_core::conv2d_backward_data(device, gradients(dx.data(), g.pixels(), of_x), dy_gradients, w.data(),
                                              workspace.data(), g, write);
      expect_products<B>(precision, narrowed(gradcheck::download<B>(device, "dx", dx), of_x), data, d.dy, d.w,
                         write == Write::add ? d.before : nothing, g.R * g.R * g.K);
    }

    auto dw = gradcheck::poisoned<B>(device, g.weights());
    auto db = gradcheck::poisoned<B>(device, g.K);
    cuda::tensor_core::conv2d_backward_weights(device, dw.data(), db.data(), dy_gradients, x_values, workspace.data(),
                                               g);
    expect_products<B>(
        precision, gradcheck::download<B>(device, "dw", dw),
        [&](const Array& gradient, const Array& values) {
          return layer.backward({values, d.w}, {gradient})[1];
        },
        d.dy, d.x, nothing, g.pixels());
    Array sums{"db", std::vector<double>(static_cast<std::size_t>(g.K))}, of_magnitudes = sums;
    for (std::size_t i = 0; i < d.dy.values.size(); ++i) {
      sums.values[i % sums.values.size()] += d.dy.values[i];
      of_magnitudes.values[i % sums.values.size()] += std::abs(d.dy.values[i]);
    }
    std::vector<double> bounds;
    for (double sum : of_magnitudes.values) bounds.push_back(float_bound(sum, static_cast<double>(g.pixels())));
    EXPECT_TRUE(close(gradcheck::download<B>(device, "db", db), sums, bounds));  // in float32, not rounded before
  }
};
TYPED_TEST_SUITE(Conv2dTensorCore, TensorCoreBackends);

TYPED_TEST(Conv2dTensorCore, IsThatOfRoundedOperands) {
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    for (const Conv2dGeometry& g : all_shapes()) this->expect_all(precision, g, {0, g.C, g.C}, {0, g.K, g.K}, 21);
}

// Tensors as columns of wider ones: 16 bytes at a time, and columns and strides where that cannot be.
TYPED_TEST(Conv2dTensorCore, WorksOnColumnsOfAWiderTensor) {
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    for (const Conv2dGeometry& g : {shapes[4], shapes[5], shapes[8], shapes[1], large[0]})
      for (const auto& [of_x, of_y] : {std::pair<Columns, Columns>{{g.C, g.C, 2 * g.C}, {4, g.K, g.K + 8}},
                                       {{1, g.C, 2 * g.C}, {0, g.K, g.K}},
                                       {{0, g.C, g.C + 3}, {0, g.K, g.K}},
                                       {{0, g.C, g.C}, {1, g.K, g.K + 3}}})
        this->expect_all(precision, g, of_x, of_y, 22);
}

// y is the same to the bit as without statistics, and the statistics are those of y's chunks.
TYPED_TEST(Conv2dTensorCore, StatisticsAreThoseOfTheOutput) {
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    for (const Conv2dGeometry& g : all_shapes()) {
      SCOPED_TRACE(text(g));
      const Data d(g, 25);
      typename TypeParam::Device device(precision);
      const auto x = gradcheck::upload<TypeParam>(device, d.x), w = gradcheck::upload<TypeParam>(device, d.w);
      auto y = gradcheck::poisoned<TypeParam>(device, g.pixels() * g.K),
           plain_y = gradcheck::poisoned<TypeParam>(device, g.pixels() * g.K);
      const Index most_chunks = (g.pixels() - 1) / cuda::tensor_core::conv2d_statistics_chunk + 1;
      auto means = gradcheck::poisoned<TypeParam>(device, most_chunks * g.K);
      auto m2 = gradcheck::poisoned<TypeParam>(device, most_chunks * g.K);
      const auto x_values = values(x.data(), g.pixels(), g.C);
      const Index chunk = cuda::tensor_core::conv2d_forward_statistics(device, values(y.data(), g.pixels(), g.K),
                                                                       means.data(), m2.data(), x_values, w.data(), g);
      cuda::tensor_core::conv2d_forward(device, values(plain_y.data(), g.pixels(), g.K), x_values, w.data(), {},
                                        nullptr, g);
      const Array result = gradcheck::download<TypeParam>(device, "y", y);
      EXPECT_EQ(result.values, gradcheck::download<TypeParam>(device, "y", plain_y).values);

      ASSERT_GE(chunk, cuda::tensor_core::conv2d_statistics_chunk);
      const Index chunks = (g.pixels() - 1) / chunk + 1;
      Array actual_means = gradcheck::download<TypeParam>(device, "means", means);
      Array actual_m2 = gradcheck::download<TypeParam>(device, "m2", m2);
      actual_means.values.resize(static_cast<std::size_t>(chunks * g.K));
      actual_m2.values.resize(static_cast<std::size_t>(chunks * g.K));
      Array expected_means{"means", {}}, expected_m2{"m2", {}};
      std::vector<double> mean_bounds, m2_bounds;
      for (Index i = 0; i < chunks; ++i)
        for (Index k = 0; k < g.K; ++k) {
          const Index begin = i * chunk, end = std::min(begin + chunk, g.pixels());
          const auto pixels = static_cast<double>(end - begin);
          const auto over_pixels = [&](const auto& of) {
            double total = 0;
            for (Index p = begin; p < end; ++p) total += of(result.values[static_cast<std::size_t>(p * g.K + k)]);
            return total;
          };
          const double mean = over_pixels([](double v) { return v; }) / pixels;
          const double sum_of_magnitudes = over_pixels([](double v) { return std::abs(v); });
          const double deviations = over_pixels([mean](double v) { return (v - mean) * (v - mean); });
          const double largest = std::sqrt(deviations) + std::abs(mean);
          expected_means.values.push_back(mean);
          mean_bounds.push_back(float_bound(sum_of_magnitudes, pixels) / pixels);
          // Squares of deviations from a mean that is off by mean_bound, themselves rounded: v - mean at |v| <=
          // largest.
          expected_m2.values.push_back(deviations);
          m2_bounds.push_back(float_bound(deviations, pixels) + pixels * mean_bounds.back() * mean_bounds.back() +
                              2 * std::sqrt(deviations * pixels) * 0x1p-24 * largest);
        }
      EXPECT_TRUE(close(actual_means, expected_means, mean_bounds));
      EXPECT_TRUE(close(actual_m2, expected_m2, m2_bounds));
    }
}

// With ReLU: the bits of the product and then ReLU; added to what was there, those of the sum, which is rounded last.
TYPED_TEST(Conv2dTensorCore, ActivatesAndAddsAsItWrites) {
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    for (const Conv2dGeometry& g : all_shapes()) {
      SCOPED_TRACE(text(g));
      const Data d(g, 27);
      typename TypeParam::Device device(precision);
      const auto x = gradcheck::upload<TypeParam>(device, d.x), w = gradcheck::upload<TypeParam>(device, d.w);
      const auto b = gradcheck::upload<TypeParam>(device, d.b);
      const auto run = [&](Write write, Activation activation) {
        auto y = write == Write::add ? gradcheck::upload<TypeParam>(device, d.dy)
                                     : gradcheck::poisoned<TypeParam>(device, g.pixels() * g.K);
        cuda::tensor_core::conv2d_forward(device, values(y.data(), g.pixels(), g.K), values(x.data(), g.pixels(), g.C),
                                          w.data(), {b.data(), write, activation}, nullptr, g);
        return gradcheck::download<TypeParam>(device, "y", y).values;
      };
      std::vector<double> expected = run(Write::set, Activation::none);
      const auto clipped = [](std::vector<double> numbers) {
        for (double& number : numbers) number = std::max(number, 0.0);
        return numbers;
      };
      EXPECT_EQ(run(Write::set, Activation::relu), clipped(expected));
      for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] = static_cast<float>(d.dy.values[i]) + static_cast<float>(expected[i]);
      EXPECT_EQ(run(Write::add, Activation::none), expected);
      EXPECT_EQ(run(Write::add, Activation::relu), clipped(expected));
    }
}

// The same bits in every run, and whatever the workspace holds.
TYPED_TEST(Conv2dTensorCore, SameBitsEveryTime) {
  const Conv2dGeometry g = large[0];
  const Data d(g, 23);
  typename TypeParam::Device device(Precision::tf32);
  const auto x = gradcheck::upload<TypeParam>(device, d.x), dy = gradcheck::upload<TypeParam>(device, d.dy);
  std::vector<std::vector<double>> results;
  for (int run = 0; run < 2; ++run) {
    auto workspace = gradcheck::poisoned<TypeParam>(device, cuda::tensor_core::conv2d_workspace(device, g));
    auto dw = gradcheck::poisoned<TypeParam>(device, g.weights());
    cuda::tensor_core::conv2d_backward_weights(device, dw.data(), nullptr, gradients(dy.data(), g.pixels(), g.K),
                                               values(x.data(), g.pixels(), g.C), workspace.data(), g);
    results.push_back(gradcheck::download<TypeParam>(device, "dw", dw).values);
  }
  EXPECT_EQ(results[0], results[1]);
}

// Infinities and NaN of the operands come out as such, not as numbers.
TYPED_TEST(Conv2dTensorCore, NanStaysNan) {
  const Conv2dGeometry g = {1, 2, 2, 4, 4, 1};
  Data d(g, 24);
  d.x.values[5] = std::numeric_limits<double>::quiet_NaN();
  d.x.values[8] = std::numeric_limits<double>::infinity();
  for (const Precision precision : {Precision::tf32, Precision::bf16}) {
    typename TypeParam::Device device(precision);
    const auto x = gradcheck::upload<TypeParam>(device, d.x), w = gradcheck::upload<TypeParam>(device, d.w);
    auto y = gradcheck::poisoned<TypeParam>(device, g.pixels() * g.K);
    cuda::tensor_core::conv2d_forward(device, values(y.data(), g.pixels(), g.K), values(x.data(), g.pixels(), g.C),
                                      w.data(), {}, nullptr, g);
    const Array result = gradcheck::download<TypeParam>(device, "y", y);
    for (std::size_t i = 0; i < result.values.size(); ++i) {
      EXPECT_EQ(std::isnan(result.values[i]), i / 4 == 1) << i;
      EXPECT_EQ(std::isinf(result.values[i]), i / 4 == 2) << i;
    }
  }
}

// What the network calls: rounded where on_tensor_cores says so, else the bits of exact float32.
TYPED_TEST(Conv2dTensorCore, TheOperationsChooseByPrecisionAndShape) {
  using B = TypeParam;
  for (const Conv2dGeometry& g : {shapes[5], shapes[8], Conv2dGeometry{1, 5, 7, 1, 8, 3}, {2, 3, 5, 8, 1, 1}}) {
    SCOPED_TRACE(text(g));
    const Data d(g, 26);
    const auto run = [&](Precision precision) {
      typename B::Device device(precision);
      const auto x = gradcheck::upload<B>(device, d.x), w = gradcheck::upload<B>(device, d.w);
      const auto b = gradcheck::upload<B>(device, d.b), dy = gradcheck::upload<B>(device, d.dy);
      auto workspace =
          gradcheck::poisoned<B>(device, std::max(conv2d_workspace(device, g), conv2d_statistics_workspace(device, g)));
      auto y = gradcheck::poisoned<B>(device, dy.size()), normed_y = gradcheck::poisoned<B>(device, dy.size());
      auto dx = gradcheck::poisoned<B>(device, x.size()), dw = gradcheck::poisoned<B>(device, w.size());
      auto mean = gradcheck::poisoned<B>(device, g.K), inv_std = gradcheck::poisoned<B>(device, g.K);
      auto running_mean = gradcheck::upload<B>(device, d.b), running_var = gradcheck::upload<B>(device, d.b);
      const auto x_values = values(x.data(), g.pixels(), g.C);
      const auto dy_gradients = gradients(dy.data(), g.pixels(), g.K);
      conv2d_forward(device, values(y.data(), g.pixels(), g.K), x_values, w.data(), {b.data()}, workspace.data(), g);
      conv2d_backward_data(device, gradients(dx.data(), g.pixels(), g.C), dy_gradients, w.data(), workspace.data(), g,
                           Write::set);
      conv2d_backward_weights(device, dw.data(), static_cast<float*>(nullptr), dy_gradients, x_values, workspace.data(),
                              g);
      conv2d_statistics_forward(
          device, values(normed_y.data(), g.pixels(), g.K), BatchStatistics<float>{mean.data(), inv_std.data()},
          RunningStatistics<float>{running_mean.data(), running_var.data()}, x_values, w.data(), workspace.data(), g);
      std::vector<std::vector<double>> results;
      for (const auto* buffer : {&y, &dx, &dw, &normed_y, &mean, &inv_std})
        results.push_back(gradcheck::download<B>(device, "", *buffer).values);
      return results;
    };
    const auto exact = run(Precision::float32), tf32 = run(Precision::tf32), bf16 = run(Precision::bf16);
    const bool thin = g.C == 1 || g.K == 1;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      EXPECT_EQ(exact[i] == tf32[i], thin) << i;
      EXPECT_EQ(exact[i] == bf16[i], thin) << i;
      EXPECT_EQ(tf32[i] == bf16[i], thin) << i;
      double difference = 0, largest = 0;
      for (std::size_t k = 0; k < exact[i].size(); ++k) {
        difference = std::max(difference, std::abs(exact[i][k] - bf16[i][k]));
        largest = std::max(largest, std::abs(exact[i][k]));
      }
      EXPECT_LE(difference, 0.02 * largest) << i;  // rounded, not something else; the bounds are above
    }
  }
}

TEST(TensorCoreLayers, ThinOnesAndFloat32StayExact) {
  using cuda::tensor_core::on_tensor_cores;
  for (const Precision precision : {Precision::tf32, Precision::bf16}) {
    EXPECT_TRUE(on_tensor_cores(precision, Conv2dGeometry{1, 1, 1, 2, 2, 3}));
    EXPECT_FALSE(on_tensor_cores(precision, Conv2dGeometry{1, 1, 1, 1, 32, 3}));
    EXPECT_FALSE(on_tensor_cores(precision, Conv2dGeometry{1, 1, 1, 32, 1, 1}));
  }
  EXPECT_FALSE(on_tensor_cores(Precision::float32, Conv2dGeometry{1, 1, 1, 32, 32, 3}));
}

}  // namespace TEST_FILE
}  // namespace attnunet
