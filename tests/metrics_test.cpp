#include "common/scores/metrics.h"

#include <algorithm>

#include "common/core/error.h"
#include "common/data/sample.h"
#include "common/data/split.h"
#include "common/train/lr_schedule.h"
#include "support/files.h"

namespace attnunet {
namespace TEST_FILE {

PixelCounts counts(std::int64_t tp, std::int64_t fp, std::int64_t fn, std::int64_t tn, std::int64_t keras_tp = 0,
                   std::int64_t keras_fp = 0) {
  PixelCounts c{};
  c.tp = tp, c.fp = fp, c.fn = fn, c.tn = tn, c.keras_tp = keras_tp, c.keras_fp = keras_fp;
  return c;
}

// loss, accuracy, iou, dice, precision, recall, specificity
void expect_means(const Metrics& m, const double (&expected)[7]) {
  const double actual[7] = {m.loss, m.accuracy, m.iou, m.dice, m.precision, m.recall, m.specificity};
  for (int i = 0; i < 7; ++i) EXPECT_DOUBLE_EQ(actual[i], expected[i]) << "metric " << i;
}

TEST(Metrics, OneImage) {
  expect_means(image_metrics({0.5, counts(6, 2, 4, 8)}), {0.5, 0.7, 0.5, 12.0 / 18, 0.75, 0.6, 0.8});
}

// Nothing there and nothing found is right; where only one side is empty, nothing is.
TEST(Metrics, EmptySets) {
  expect_means(image_metrics({0, counts(0, 0, 0, 9)}), {0, 1, 1, 1, 1, 1, 1});
  expect_means(image_metrics({0, counts(0, 3, 0, 6)}), {0, 6.0 / 9, 0, 0, 0, 0, 6.0 / 9});
  expect_means(image_metrics({0, counts(0, 0, 3, 6)}), {0, 6.0 / 9, 0, 0, 0, 0, 1});
  expect_means(image_metrics({0, counts(9, 0, 0, 0)}), {0, 1, 1, 1, 1, 1, 1});
  expect_means(image_metrics({0, counts(6, 0, 3, 0)}), {0, 6.0 / 9, 6.0 / 9, 0.8, 1, 6.0 / 9, 0});
}

TEST(Metrics, MeansAndPooled) {
  MetricSums sums;
  sums.add({1, counts(6, 2, 4, 8)});
  sums.add({2, counts(0, 0, 0, 20)});
  const Metrics m = sums.metrics();
  EXPECT_EQ(sums.images(), 2);
  expect_means(m, {1.5, 0.85, 0.75, (12.0 / 18 + 1) / 2, 0.875, 0.8, 0.9});
  EXPECT_DOUBLE_EQ(m.pooled_iou, 0.5);
  EXPECT_DOUBLE_EQ(m.pooled_dice, 12.0 / 18);
}

// One confusion matrix; Keras' prediction has its own counts; a class nowhere present is left out of the mean.
TEST(Metrics, KerasMeanIou) {
  const auto keras = [](const PixelCounts& c) {
    MetricSums sums;
    sums.add({0, c});
    return sums.metrics().keras_mean_iou;
  };
  // Truth 10 of 20; Keras marks 3 of them and 1 other. Lesion 3 / 11, background 9 / 17.
  EXPECT_DOUBLE_EQ(keras(counts(6, 2, 4, 8, 3, 1)), (3.0 / 11 + 9.0 / 17) / 2);
  // Every probability truncated to 0: half the share of background.
  EXPECT_DOUBLE_EQ(keras(counts(6, 2, 4, 8)), (0.0 + 10.0 / 20) / 2);
  EXPECT_DOUBLE_EQ(keras(counts(0, 0, 0, 9)), 1);
  EXPECT_DOUBLE_EQ(keras(counts(9, 0, 0, 0, 9, 0)), 1);
  EXPECT_DOUBLE_EQ(keras(counts(9, 0, 0, 0)), 0);

  MetricSums two;
  two.add({0, counts(0, 0, 0, 20)});
  two.add({0, counts(10, 0, 0, 0, 10, 0)});
  EXPECT_DOUBLE_EQ(two.metrics().keras_mean_iou, 1);
}

// The paper's Table I without any network: on its validation cases, predicting nothing scores 0.4908 and 0.9816.
TEST(Metrics, NothingPredictedOnThePapersSplit) {
  const auto busi = shared_data() / "busi-256";
  ATTNUNET_SKIP_WITHOUT(busi);
  const data::Dataset dataset = data::scan(busi);
  data::SplitOptions options;
  options.kind = data::SplitKind::paper;
  MetricSums sums;
  for (std::size_t one : data::make_split(dataset, options).val) {
    const data::Grey mask = data::load(dataset.cases[one], 256).mask;
    const auto lesion = std::count(mask.pixels.begin(), mask.pixels.end(), 1);
    sums.add({0, counts(0, 0, lesion, 256 * 256 - lesion)});
  }
  EXPECT_EQ(sums.images(), 156);
  EXPECT_NEAR(sums.metrics().keras_mean_iou, 0.4908, 5e-5);
  EXPECT_NEAR(sums.metrics().accuracy, 0.9816, 5e-5);
}

// Interrupted after any image and restored from text, the sums end up with the same bits.
TEST(MetricSums, TextKeepsEveryBit) {
  for (int stop = 0; stop <= 7; ++stop) {
    MetricSums whole, parts;
    for (int i = 0; i < 7; ++i) {
      if (i == stop) parts = MetricSums::from_text(parts.to_text());
      const ImageScore score{1.0 / (3 + i), counts(i, 2, 3 * i, 1000000007LL + i, i / 2, 1)};
      whole.add(score);
      parts.add(score);
    }
    EXPECT_EQ(whole.to_text(), parts.to_text());
    EXPECT_EQ(whole.metrics().iou, parts.metrics().iou);
  }
}

TEST(MetricSums, DamagedText) {
  MetricSums sums;
  sums.add({0.1, counts(1, 2, 3, 4)});
  const std::string good = sums.to_text();
  EXPECT_EQ(MetricSums::from_text(good).to_text(), good);
  for (const std::string& bad :
       {std::string(), good + " 1", good.substr(0, good.rfind(' ')), "x" + good, "-" + good, "nan" + good.substr(1),
        std::string("1 nan 0 0 0 0 0 0 1 2 3 4 5 6"), std::string("1 inf 0 0 0 0 0 0 1 2 3 4 5 6"),
        std::string("1 0 0 0 0 0 0 0 99999999999999999999 2 3 4 5 6")})
    EXPECT_THROW(MetricSums::from_text(bad), Error) << bad;
}

TEST(LearningRate, Schedules) {
  EXPECT_EQ(learning_rate(LrSchedule::constant, 0.1, 7, 10), 0.1);
  EXPECT_EQ(learning_rate(LrSchedule::cosine, 0.1, 0, 10), 0.1);
  EXPECT_NEAR(learning_rate(LrSchedule::cosine, 0.1, 5, 10), 0.05, 1e-16);
  EXPECT_NEAR(learning_rate(LrSchedule::cosine, 0.1, 9, 10), 0.1 * 0.024471741852423234, 1e-16);
  EXPECT_EQ(learning_rate(LrSchedule::poly, 0.1, 0, 10), 0.1);
  EXPECT_NEAR(learning_rate(LrSchedule::poly, 0.1, 5, 10), 0.1 * 0.53588673126814657, 1e-16);
  EXPECT_GT(learning_rate(LrSchedule::poly, 0.1, 9, 10), 0);
}

TEST(LearningRate, Warmup) {
  for (const Index step : {1, 2, 1000}) EXPECT_EQ(warmup_factor(step, 0), 1);
  EXPECT_EQ(warmup_factor(1, 4), 0.25);
  EXPECT_EQ(warmup_factor(3, 4), 0.75);
  EXPECT_EQ(warmup_factor(4, 4), 1);
  EXPECT_EQ(warmup_factor(5, 4), 1);
  EXPECT_EQ(warmup_factor(2, 2.5), 0.8);
  EXPECT_EQ(warmup_factor(3, 2.5), 1);
}

}  // namespace TEST_FILE
}  // namespace attnunet
