// The model that comes with the project: models/attention4-busi.safetensors.
#include <gtest/gtest.h>

#include "common/core/fnv.h"
#include "common/predict/mean_logits.h"
#include "common/train/checkpoint.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/predict.h"

namespace attnunet {
namespace TEST_FILE {

const std::string model = source_folder() + "/models/attention4-busi.safetensors";

TEST(ShippedModel, IsTheOneThatItsCardDescribes) {
  const std::string card = read_text(source_folder() + "/models/README.md"), bytes = read_text(model);
  Fnv hash;
  hash.take(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
  EXPECT_NE(card.find("FNV-1a " + hash.text()), std::string::npos) << hash.text();
  EXPECT_LE(bytes.size(), 9'000'000u);
  const Checkpoint checkpoint = load_checkpoint(model);
  EXPECT_NE(card.find(marking_text(checkpoint)), std::string::npos) << marking_text(checkpoint);
  EXPECT_TRUE(checkpoint.adam_m.empty());
  ASSERT_TRUE(checkpoint.case_list);
  EXPECT_FALSE(checkpoint.case_list->test.empty());
}

template <class B>
class ShippedModelOn : public BackendTest<B> {};
TYPED_TEST_SUITE(ShippedModelOn, FloatBackends);

// PyTorch's logits in float64. Rounding to float32 in some 30 layers adds up to far less than this share of the
// largest.
TYPED_TEST(ShippedModelOn, LogitsOfAPhantomAreThoseOfPyTorch) {
  const Golden golden = read_golden("model");
  const std::vector<double>&image = golden.at("image").values, &expected = golden.at("logits").values;
  const ImageSize size(64, 64);
  MeanLogits<TypeParam> network(this->device, {load_checkpoint(model)}, 1, size, false);
  const std::vector<float> logits = network.run(std::vector<float>(image.begin(), image.end()), [] { return true; });
  ASSERT_EQ(logits.size(), expected.size());
  const double bound = 1e-4 * largest_magnitude(expected);
  for (std::size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], bound) << i;
}

TEST_F(Predict, UsesTheShippedModelIfNoOtherIsNamed) {
  phantom("a.png", 96, 80);
  const Finished finished = attnunet_run({"predict", images, "--out", out, "--overlay"});
  expect_success(finished);
  EXPECT_EQ(finished.out.find("Model: " + model), 0u) << finished.out;
  EXPECT_EQ(result("a_mask.png").width, 96);
}

}  // namespace TEST_FILE
}  // namespace attnunet
