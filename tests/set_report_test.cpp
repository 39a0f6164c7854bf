#include "common/app/set_report.h"

#include <gtest/gtest.h>

namespace attnunet::app {
namespace TEST_FILE {

// 2 rows of 8: the two pixels are 5 columns apart. In 8 rows of 2 they would be 2 rows and a column apart.
TEST(SetReport, DistancesInWhatIsNoSquare) {
  std::vector<float> truth(16, 0.0f), logits(16, -1.0f);
  truth[0] = 1;
  std::vector<std::uint8_t> mask(16, 0);
  mask[5] = 255;
  ImageReports images;
  images.see(logits.data(), mask, truth.data(), {2, 8});
  ASSERT_TRUE(images.hd95.at(0));
  EXPECT_DOUBLE_EQ(*images.hd95[0], 5);
}

}  // namespace TEST_FILE
}  // namespace attnunet::app
