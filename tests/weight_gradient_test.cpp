#include "cpu/weight_gradient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/backends.h"

namespace attnunet {
namespace {

TEST(WeightGradient, PartsCoverEverythingOnce) {
  for (const Index size : {1, 5, 64, 1000})
    for (const Index parts : {1, 2, 3, 7, 64}) {
      Index next = 0;
      for (Index i = 0; i < parts; ++i) {
        const cpu::Part part(i, parts, size);
        EXPECT_EQ(part.begin, next);
        EXPECT_LE(part.size(), (size + parts - 1) / parts);
        next = part.end;
      }
      EXPECT_EQ(next, size);
    }
}

TEST(WeightGradient, TilesHaveAboutTheWantedColumns) {
  for (const Index columns : {1, 3, 16, 100, 257, 600, 5000})
    for (const Index rows : {1, 2, 17, 256}) {
      const Index height = cpu::tile_rows(columns, rows);
      EXPECT_GE(height, 1);
      EXPECT_LE(height, rows);
      EXPECT_TRUE(height == 1 || height * columns <= 3 * cpu::tile_columns / 2) << height << " x " << columns;
    }
}

TEST(WeightGradient, PartialSumsStayWithinTheirMemory) {
  for (const Index weights : {1, 288, 9216, 2359296, 10000000})
    for (const Index tiles : {1, 5, 4096}) {
      const Index chunks = cpu::weight_gradient_chunks(tiles, weights);
      EXPECT_GE(chunks, 1);
      EXPECT_LE(chunks, std::min<Index>(tiles, 64));
      EXPECT_LE(cpu::weight_gradient_workspace(chunks, weights), Index{1} << 21);
    }
}

template <class B>
class BiasGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(BiasGradient, AllBackends);

// Small integers add up exactly, over several blocks of pixels and in order.
TYPED_TEST(BiasGradient, IsTheColumnSum) {
  using T = typename TypeParam::Scalar;
  for (const Index pixels : {1, 255, 256, 1001})
    for (const Index channels : {1, 3, 40}) {
      std::vector<T> dy;
      std::vector<double> expected(static_cast<std::size_t>(channels), 0.0);
      for (Index i = 0; i < pixels * channels; ++i) {
        dy.push_back(static_cast<T>(i % 13 - 5));
        expected[static_cast<std::size_t>(i % channels)] += static_cast<double>(i % 13 - 5);
      }
      std::vector<T> db(expected.size()),
          workspace(static_cast<std::size_t>(cpu::bias_gradient_workspace(pixels, channels)));
      cpu::bias_gradient(this->device, db.data(), dy.data(), workspace.data(), pixels, channels, channels);
      EXPECT_EQ(std::vector<double>(db.begin(), db.end()), expected);
    }
}

}  // namespace
}  // namespace attnunet
