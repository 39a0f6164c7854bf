#include "cpu/segmentation_counts.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "common/gradcheck/layer_case.h"
#include "cuda/segmentation_counts.h"
#include "support/against_cpu.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class SegmentationCounts : public BackendTest<B> {
 protected:
  std::vector<PixelCounts> count(const std::vector<double>& logits, const std::vector<double>& target, Index N) {
    const auto z = gradcheck::upload<B>(this->device, {"", logits});
    const auto t = gradcheck::upload<B>(this->device, {"", target});
    typename B::template Buffer<PixelCounts> counts(this->device, N);
    segmentation_counts(this->device, counts.data(), values(z.data(), z.size()), t.data(), N);
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

template <class B>
class SegmentationCountsAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(SegmentationCountsAgainstCpu, CudaBackends);

// Integers: the same, in images shorter and longer than a block of threads.
TYPED_TEST(SegmentationCountsAgainstCpu, Equal) {
  TestDevice<CpuLike<TypeParam>> cpu;
  const Index N = 3;
  for (const Index P : {1, 1024, 9001}) {
    Random random(4);
    const auto logits = gradcheck::random_array("logits", N * P, random, 0, 20);
    gradcheck::Array target{"target", {}};
    for (Index i = 0; i < N * P; ++i) target.values.push_back(random.below(2));
    const auto counted = [&](auto backend, auto& device) {
      using B = decltype(backend);
      const auto z = gradcheck::upload<B>(device, logits), t = gradcheck::upload<B>(device, target);
      typename B::template Buffer<PixelCounts> counts(device, N);
      segmentation_counts(device, counts.data(), values(z.data(), N * P), t.data(), N);
      std::vector<PixelCounts> host(static_cast<std::size_t>(N));
      copy_to_host(device, host.data(), counts.data(), N);
      return host;
    };
    const auto actual = counted(TypeParam{}, this->device), expected = counted(CpuLike<TypeParam>{}, cpu);
    for (std::size_t n = 0; n < 3; ++n)
      EXPECT_EQ(std::memcmp(&actual[n], &expected[n], sizeof(PixelCounts)), 0) << "image " << n << " of " << P;
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
