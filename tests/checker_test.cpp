// The checkers themselves: a right layer passes, and every way of being wrong that has slipped through somebody's
// checker is rejected. The broken layers are a right one with its results tampered with.
#include "common/gradcheck/check.h"
#include "cpu/batch_norm.h"
#include "cpu/relu.h"
#include "cuda/batch_norm.h"
#include "cuda/relu.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/layer_cases.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::LayerCase;
using Values = std::vector<double>;

constexpr Index pixels = 35, C = 4;
const double nan = std::numeric_limits<double>::quiet_NaN();

struct Breakage {
  const char* name;
  std::function<void(Values&)> apply;
};

// Each changes a [pixels, C] tensor.
std::vector<Breakage> breakages() {
  return {
      {"all NaN", [](Values& v) { v.assign(v.size(), nan); }},
      {"not written", [](Values& v) { v.assign(v.size(), 0.0); }},
      {"one element not written", [](Values& v) { v[5] = nan; }},
      {"infinite", [](Values& v) { v[0] = std::numeric_limits<double>::infinity(); }},
      {"x 1.01",
       [](Values& v) {
         for (double& value : v) value *= 1.01;
       }},
      {"sign flipped",
       [](Values& v) {
         for (double& value : v) value = -value;
       }},
      {"one border pixel wrong",
       [](Values& v) {
         for (Index c = 0; c < C; ++c) v[v.size() - 1 - std::size_t(c)] *= 1.1;
       }},
      {"channels swapped",
       [](Values& v) {
         for (std::size_t i = 0; i < v.size(); i += C) std::swap(v[i], v[i + 1]);
       }},
      {"added to old contents",
       [](Values& v) {
         for (double& value : v) value += 0.5;
       }},
  };
}

template <class B>
class Checker : public SmallNetworkTest<B> {
 protected:
  LayerCase right() { return gradcheck::batch_norm_case<B>(this->device, pixels, C, 1); }
  LayerCase relu(Index n) { return gradcheck::relu_case<B>(this->device, n, 1); }
};
TYPED_TEST_SUITE(Checker, DoubleBackends);

bool accepted(const LayerCase& layer) {
  const auto results = gradcheck::check_layer(layer, 2);
  return !results.empty() &&
         std::all_of(results.begin(), results.end(), [](const gradcheck::Result& result) { return result.passed(); });
}

TYPED_TEST(Checker, AcceptsTheRightLayer) {
  EXPECT_TRUE(accepted(this->right()));
  EXPECT_TRUE(accepted(this->relu(100)));
}

TYPED_TEST(Checker, RejectsABrokenGradient) {
  for (const Breakage& breakage : breakages()) {
    LayerCase layer = this->right();
    layer.backward = [right = layer.backward, breakage](const auto& inputs, const auto& d_outputs) {
      auto gradients = right(inputs, d_outputs);
      breakage.apply(gradients[0].values);
      return gradients;
    };
    EXPECT_FALSE(accepted(layer)) << breakage.name;
  }
}

// A gradient that is right for another function than the one computed. A constant added to the output is not a
// gradient's business; comparing outputs finds it (below).
TYPED_TEST(Checker, RejectsABrokenForward) {
  for (const Breakage& breakage : breakages()) {
    const std::string name = breakage.name;
    if (name == "added to old contents") continue;
    LayerCase layer = this->right();
    layer.forward = [right = layer.forward, breakage](const auto& inputs) {
      auto result = right(inputs);
      breakage.apply(result.outputs[0].values);
      return result;
    };
    EXPECT_FALSE(accepted(layer)) << name;
  }
}

TYPED_TEST(Checker, RejectsASmallParameterGradientError) {
  for (std::size_t input : {1, 2}) {
    LayerCase layer = this->right();
    layer.backward = [right = layer.backward, input](const auto& inputs, const auto& d_outputs) {
      auto gradients = right(inputs, d_outputs);
      std::swap(gradients[input].values[0], gradients[input].values[1]);
      return gradients;
    };
    EXPECT_FALSE(accepted(layer)) << layer.inputs[input].name;
  }
}

TYPED_TEST(Checker, RejectsAnEmptyComparison) {
  EXPECT_FALSE(accepted(this->relu(0)));
  LayerCase nothing = this->relu(10);
  nothing.inputs.clear();
  nothing.forward = [](const auto&) { return gradcheck::Forward{}; };
  nothing.backward = [](const auto&, const auto&) { return std::vector<Array>{}; };
  EXPECT_FALSE(accepted(nothing));
}

TYPED_TEST(Checker, RejectsAllGradientsZero) {
  LayerCase layer = this->right();
  layer.forward = [right = layer.forward](const auto& inputs) {
    auto result = right(inputs);
    result.outputs[0].values.assign(result.outputs[0].values.size(), 1.0);
    return result;
  };
  layer.backward = [](const auto& inputs, const auto&) {
    auto gradients = inputs;
    for (Array& gradient : gradients) gradient.values.assign(gradient.values.size(), 0.0);
    return gradients;
  };
  EXPECT_FALSE(accepted(layer)) << "0 of 0 proves nothing";
}

// A coordinate closer to the kink than the step is skipped, and 2 % of them may be.
TYPED_TEST(Checker, SkipsKinksButNotMany) {
  for (int at_kink : {0, 2, 3, 100}) {
    LayerCase layer = this->relu(100);
    for (std::size_t i = 0; i < 100; ++i)
      layer.inputs[0].values[i] = static_cast<int>(i) < at_kink ? 1e-5 : (i % 2 == 0 ? 1.0 : -1.0);
    const auto result = gradcheck::check_layer(layer, 2).at(0);
    EXPECT_EQ(result.skipped, at_kink);
    EXPECT_EQ(result.checked, 100 - at_kink);
    EXPECT_EQ(result.passed(), at_kink <= 2) << at_kink;
  }
}

TYPED_TEST(Checker, CloseAcceptsUpToTheBound) {
  const Array expected{"y", {1, -2, 0}};
  EXPECT_TRUE(close(expected, expected, everywhere(expected, 0)));
  EXPECT_TRUE(close({"y", {1.25, -2, 0}}, expected, everywhere(expected, 0.25)));
  EXPECT_FALSE(close({"y", {1.25, -2, 0}}, expected, everywhere(expected, 0.2)));
}

TYPED_TEST(Checker, CloseRejectsABrokenOutput) {
  const LayerCase layer = this->right();
  const Array expected = layer.forward(layer.inputs).outputs[0];
  const auto bounds = everywhere(expected, 1e-3);
  for (const Breakage& breakage : breakages()) {
    Array actual = expected;
    breakage.apply(actual.values);
    EXPECT_FALSE(close(actual, expected, bounds)) << breakage.name;
    EXPECT_FALSE(close(expected, actual, bounds)) << breakage.name << ", in the expected values";
    EXPECT_FALSE(tightness(actual, expected, bounds) <= 1) << breakage.name;
  }
  EXPECT_FALSE(close(expected, expected, everywhere(expected, nan)));
}

TYPED_TEST(Checker, CloseRejectsEmptyAndDifferentLengths) {
  const Array two{"y", {1, 2}}, three{"y", {1, 2, 3}}, none{"y", {}};
  EXPECT_FALSE(close(none, none, {}));
  EXPECT_FALSE(close(two, three, everywhere(three, 1)));
  EXPECT_FALSE(close(three, two, everywhere(two, 1)));
  EXPECT_FALSE(close(three, three, everywhere(two, 1)));
}

}  // namespace TEST_FILE
}  // namespace attnunet
