#include "cpu/adam.h"

#include <cmath>

#include "common/gradcheck/layer_case.h"
#include "cuda/adam.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

// One parameter's trajectory by the textbook formula, with mhat and vhat.
struct Scalar {
  double w, m = 0, v = 0;
  void step(double g, const AdamOptions& options) {
    const double t = static_cast<double>(options.step);
    w -= options.lr * options.weight_decay * w;
    m = options.beta1 * m + (1 - options.beta1) * g;
    v = options.beta2 * v + (1 - options.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(options.beta1, t)), v_hat = v / (1 - std::pow(options.beta2, t));
    w -= options.lr * m_hat / (std::sqrt(v_hat) + options.eps);
  }
};

template <class B>
class Adam : public BackendTest<B> {
 protected:
  // Largest |w - textbook| over ten steps of n parameters.
  double largest_error(AdamOptions options, Index n) {
    Random random(5);
    const auto start = rounded_to_float(gradcheck::random_array("w", n, random));
    std::vector<Scalar> expected;
    for (const double w : start.values) expected.push_back({w});
    auto w = gradcheck::upload<B>(this->device, start);
    auto m = gradcheck::upload<B>(this->device, {"", std::vector<double>(start.values.size(), 0.0)});
    auto v = gradcheck::upload<B>(this->device, {"", std::vector<double>(start.values.size(), 0.0)});
    double worst = 0;
    for (options.step = 1; options.step <= 10; ++options.step) {
      const auto g = rounded_to_float(gradcheck::random_array("g", n, random));
      const auto device_g = gradcheck::upload<B>(this->device, g);
      adam_step(this->device, w.data(), m.data(), v.data(), device_g.data(), n, options);
      const auto actual = gradcheck::download<B>(this->device, "w", w);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expected[i].step(g.values[i], options);
        const double error = std::abs(actual.values[i] - expected[i].w);
        if (!(error <= worst)) worst = error;
      }
    }
    return worst;
  }
};
TYPED_TEST_SUITE(Adam, AllBackends);

// Ten steps of size lr around |w| of up to 4: a float32 w is rounded ten times at 2^-22, a double one at 2^-51.
TYPED_TEST(Adam, MatchesTheTextbook) {
  const double bound = std::is_same<typename TypeParam::Scalar, float>::value ? 10 * 0x1p-22 : 10 * 0x1p-51;
  AdamOptions options;
  for (const Index n : {1, 3, 67, 1000}) {
    options.weight_decay = 0;
    EXPECT_LE(this->largest_error(options, n), bound);
    options.weight_decay = 0.05;
    EXPECT_LE(this->largest_error(options, n), bound);
  }
}

TYPED_TEST(Adam, ZeroGradientFromTheStartLeavesTheParameter) {
  auto w = gradcheck::upload<TypeParam>(this->device, {"", {1.5}});
  auto m = gradcheck::upload<TypeParam>(this->device, {"", {0.0}});
  auto v = gradcheck::upload<TypeParam>(this->device, {"", {0.0}});
  const auto g = gradcheck::upload<TypeParam>(this->device, {"", {0.0}});
  adam_step(this->device, w.data(), m.data(), v.data(), g.data(), Index{1}, AdamOptions{});
  EXPECT_EQ(gradcheck::download<TypeParam>(this->device, "", w).values[0], 1.5);
}

template <class B>
class AdamAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(AdamAgainstCpu, CudaBackends);

// Few roundings, each of them relative to |w|, |m| and v: a step is of size lr, and |w| stays below 8. `first` moves
// the parameters off the 16-byte boundaries.
TYPED_TEST(AdamAgainstCpu, Close) {
  using T = typename TypeParam::Scalar;
  TestDevice<CpuLike<TypeParam>> cpu;
  AdamOptions options;
  options.weight_decay = 0.05;
  options.step = 7;
  for (const Index n : {1, 3, 4, 67, 1030})
    for (const Index first : {0, 1}) {
      Random random(8);
      std::vector<gradcheck::Array> start;
      for (const char* name : {"w", "m", "v", "g"})
        start.push_back(rounded_to_float(gradcheck::random_array(name, n + first, random)));
      start[2] = magnitudes(start[2]);
      const auto stepped = [&](auto backend, auto& device) {
        using B = decltype(backend);
        auto w = gradcheck::upload<B>(device, start[0]), m = gradcheck::upload<B>(device, start[1]);
        auto v = gradcheck::upload<B>(device, start[2]);
        const auto g = gradcheck::upload<B>(device, start[3]);
        adam_step(device, w.data() + first, m.data() + first, v.data() + first, g.data() + first, n, options);
        return std::vector<gradcheck::Array>{gradcheck::download<B>(device, "w", w),
                                             gradcheck::download<B>(device, "m", m),
                                             gradcheck::download<B>(device, "v", v)};
      };
      const auto actual = stepped(TypeParam{}, this->device), expected = stepped(CpuLike<TypeParam>{}, cpu);
      for (std::size_t i = 0; i < 3; ++i)
        EXPECT_TRUE(close(actual[i], expected[i], everywhere(expected[i], bound_between<T>(8, 4))));
      if (first > 0) {
        EXPECT_EQ(actual[0].values[0], start[0].values[0]);
      }
    }
}

}  // namespace TEST_FILE
}  // namespace attnunet
