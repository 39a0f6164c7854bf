// The reader of golden vectors and its comparison.
#include <limits>

#include "support/golden.h"

namespace attnunet {
namespace TEST_FILE {

TEST(GoldenReader, ReadsShapesAndNumbers) {
  const Golden golden = read_golden("dropout");
  EXPECT_EQ(golden.at("x").shape, (std::vector<Index>{2, 3, 5, 7}));
  EXPECT_EQ(golden.at("x").values.size(), 210u);
  EXPECT_EQ(golden.number("rate"), 0.3);
  EXPECT_EQ(golden.number("seed"), 1099511640121.0);
  EXPECT_THROW(golden.at("nothing"), std::out_of_range);
  EXPECT_THROW(read_golden("nothing"), std::runtime_error);
}

// w[k][c][r][s] = 1000 k + 100 c + 10 r + s tells where every element went.
TEST(GoldenReader, PermutesWeights) {
  GoldenTensor conv{{2, 4, 3, 3}, {}};
  for (int k = 0; k < 2; ++k)
    for (int c = 0; c < 4; ++c)
      for (int r = 0; r < 3; ++r)
        for (int s = 0; s < 3; ++s) conv.values.push_back(1000 * k + 100 * c + 10 * r + s);
  const GoldenTensor ours = conv_weights_to_ours(conv);
  EXPECT_EQ(ours.shape, (std::vector<Index>{2, 3, 3, 4}));
  EXPECT_EQ(ours.values[((1 * 3 + 2) * 3 + 0) * 4 + 3], 1320);
  EXPECT_EQ(conv_weights_to_pytorch(ours).values, conv.values);

  GoldenTensor transposed{{5, 3, 2, 2}, {}};
  for (int c = 0; c < 5; ++c)
    for (int k = 0; k < 3; ++k)
      for (int r = 0; r < 2; ++r)
        for (int s = 0; s < 2; ++s) transposed.values.push_back(1000 * c + 100 * k + 10 * r + s);
  const GoldenTensor up = conv_transpose_weights_to_ours(transposed);
  EXPECT_EQ(up.shape, (std::vector<Index>{2, 2, 3, 5}));
  EXPECT_EQ(up.values[((1 * 2 + 0) * 3 + 2) * 5 + 4], 4210);
  EXPECT_EQ(conv_transpose_weights_to_pytorch(up).shape, transposed.shape);
  EXPECT_EQ(conv_transpose_weights_to_pytorch(up).values, transposed.values);
}

// What a golden test must not accept.
TEST(GoldenReader, BoundRejects) {
  const gradcheck::Array expected{"y", {1, -2, 3}};
  const auto accepted = [&](std::vector<double> values) {
    return static_cast<bool>(close({"y", std::move(values)}, expected, everywhere(expected, golden_bound(3, 3))));
  };
  EXPECT_TRUE(accepted({1, -2, 3}));
  EXPECT_FALSE(accepted({1, -2, 3 + 1e-9}));
  EXPECT_FALSE(accepted({1, std::numeric_limits<double>::quiet_NaN(), 3}));
  EXPECT_FALSE(accepted({1, -2}));
}

}  // namespace TEST_FILE
}  // namespace attnunet
