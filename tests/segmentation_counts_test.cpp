#include "cpu/segmentation_counts.h"

#include <cmath>
#include <limits>

#include "common/gradcheck/layer_case.h"
#include "support/backends.h"

namespace attnunet {
namespace {

template <class B>
class SegmentationCounts : public BackendTest<B> {
 protected:
  std::vector<PixelCounts> count(const std::vector<double>& logits, const std::vector<double>& target, Index N) {
    const auto z = gradcheck::upload<B>(this->device, {"", logits});
    const auto t = gradcheck::upload<B>(this->device, {"", target});
    typename B::template Buffer<PixelCounts> counts(this->device, N);
    segmentation_counts(this->device, counts.data(), z.data(), t.data(), N, static_cast<Index>(logits.size()) / N);
    std::vector<PixelCounts> host(static_cast<std::size_t>(N));
    copy_to_host(this->device, host.data(), counts.data(), N);
    return host;
  }
};
TYPED_TEST_SUITE(SegmentationCounts, AllBackends);

TYPED_TEST(SegmentationCounts, EveryKindOnce) {
  // Two images: lesion found, missed, false alarm, background; then zeros, which are background, and NaN.
  const double nan = std::nan("");
  const auto counts = this->count({1, -1, 17, -1, 0, nan, 17, 3}, {1, 1, 0, 0, 1, 0, 1, 1}, 2);
  EXPECT_EQ(counts[0].tp, 1);
  EXPECT_EQ(counts[0].fn, 1);
  EXPECT_EQ(counts[0].fp, 1);
  EXPECT_EQ(counts[0].tn, 1);
  EXPECT_EQ(counts[0].keras_tp, 0);
  EXPECT_EQ(counts[0].keras_fp, 1);
  EXPECT_EQ(counts[1].tp, 2);
  EXPECT_EQ(counts[1].fn, 1);
  EXPECT_EQ(counts[1].fp, 0);
  EXPECT_EQ(counts[1].tn, 1);
  EXPECT_EQ(counts[1].keras_tp, 1);
  EXPECT_EQ(counts[1].keras_fp, 0);
}

TYPED_TEST(SegmentationCounts, MatchesTheDefinition) {
  Random random(3);
  const Index N = 3, P = 1001;
  std::vector<double> logits, target;
  for (Index i = 0; i < N * P; ++i) {
    logits.push_back(20 * random.normal());
    target.push_back(random.below(2));
  }
  const auto counts = this->count(logits, target, N);
  for (Index n = 0; n < N; ++n) {
    PixelCounts expected{};
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const bool truth = target[at] == 1, found = logits[at] > 0, keras = logits[at] >= 24 * std::log(2.0);
      (truth ? (found ? expected.tp : expected.fn) : (found ? expected.fp : expected.tn))++;
      if (keras) (truth ? expected.keras_tp : expected.keras_fp)++;
    }
    const PixelCounts& actual = counts[static_cast<std::size_t>(n)];
    EXPECT_EQ(actual.tp, expected.tp);
    EXPECT_EQ(actual.fp, expected.fp);
    EXPECT_EQ(actual.fn, expected.fn);
    EXPECT_EQ(actual.tn, expected.tn);
    EXPECT_EQ(actual.keras_tp, expected.keras_tp);
    EXPECT_EQ(actual.keras_fp, expected.keras_fp);
  }
}

// The threshold is where a float32 sigmoid becomes exactly 1: there and not one float below.
TEST(KerasLesionLogit, IsWhereTheFloatSigmoidIsOne) {
  const auto sigmoid = [](float z) {
    // e^-z correctly rounded to float32, then sum and quotient in float32.
    const float e = static_cast<float>(std::exp(-static_cast<double>(z)));
    return 1.0f / (1.0f + e);
  };
  EXPECT_EQ(keras_lesion_logit, static_cast<float>(24 * std::log(2.0)));
  EXPECT_EQ(sigmoid(keras_lesion_logit), 1.0f);
  EXPECT_LT(sigmoid(std::nextafter(keras_lesion_logit, 0.0f)), 1.0f);
}

}  // namespace
}  // namespace attnunet
