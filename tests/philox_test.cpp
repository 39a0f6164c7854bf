#include "common/core/philox.h"

#include <gtest/gtest.h>

#include "common/core/random.h"

namespace attnunet {
namespace TEST_FILE {

void expect_words(const PhiloxWords& actual, std::uint32_t w0, std::uint32_t w1, std::uint32_t w2, std::uint32_t w3) {
  EXPECT_EQ(actual.word[0], w0);
  EXPECT_EQ(actual.word[1], w1);
  EXPECT_EQ(actual.word[2], w2);
  EXPECT_EQ(actual.word[3], w3);
}

// The known answers published with Random123 for philox4x32-10.
TEST(Philox, KnownAnswers) {
  expect_words(philox4x32({{0, 0, 0, 0}}, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  const std::uint32_t ones = 0xffffffff;
  expect_words(philox4x32({{ones, ones, ones, ones}}, ~std::uint64_t{0}), 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
               0x6d5451fd);
  expect_words(philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822ull), 0xd16cfe09,
               0x94fdcceb, 0x5001e420, 0x24126ea1);
}

TEST(Random, StreamsAreIndependentOfWhatWasDrawnElsewhere) {
  Random a(1, 2, 3), b(1, 2, 3), other(1, 2, 4);
  other.normal();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a.word(), b.word());
  EXPECT_NE(Random(1, 2, 3).word(), Random(1, 3, 3).word());
  EXPECT_NE(Random(1, 2, 3).word(), Random(2, 2, 3).word());
}

TEST(Random, MomentsAreRight) {
  Random random(9);
  const int n = 100000;
  double uniform = 0, normal = 0, square = 0;
  int counts[3] = {};
  for (int i = 0; i < n; ++i) {
    uniform += random.uniform();
    const double z = random.normal();
    normal += z;
    square += z * z;
    ++counts[random.below(3)];
  }
  EXPECT_NEAR(uniform / n, 0.5, 5 * 0.289 / 316);
  EXPECT_NEAR(normal / n, 0, 5.0 / 316);
  EXPECT_NEAR(square / n, 1, 5 * 1.414 / 316);
  for (const int count : counts) EXPECT_NEAR(count, n / 3.0, 5 * 150);
}

}  // namespace TEST_FILE
}  // namespace attnunet
