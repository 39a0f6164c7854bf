#include "cpu/weight_gradient.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "common/gradcheck/layer_case.h"
#include "cuda/weight_gradient.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

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

TEST(WeightGradient, PartialSumsOfThePlainKernelsStayWithinTheirMemory) {
  for (const Index weights : {1, 288, 9216, 2359296, 10000000})
    for (const Index pixels : {1, 256, 257, 1048576}) {
      const Index chunks = cuda::weight_gradient_chunks(pixels, weights);
      EXPECT_GE(chunks, 1);
      EXPECT_LE(chunks, std::min<Index>(pixels, 64));
      EXPECT_LE(cuda::weight_gradient_workspace(chunks, weights), Index{1} << 21);
    }
}

Index bias_workspace(const cpu::Device&, Index pixels, Index channels) {
  return cpu::bias_gradient_workspace(pixels, channels);
}
template <class M>
Index bias_workspace(const cuda::Device<M>&, Index pixels, Index channels) {
  return cuda::bias_gradient_workspace(pixels, channels);
}

template <class B>
class AddWeightGradients : public BackendTest<B> {};
TYPED_TEST_SUITE(AddWeightGradients, AllBackends);

// Small integers add up exactly.
TYPED_TEST(AddWeightGradients, SumsTheChunks) {
  for (const Index chunks : {2, 3, 9, 64, 1000})  // 1, 1, 2, 8 and 32 threads a weight on a GPU
    for (const Index weights : {1, 255, 1030}) {
      gradcheck::Array partials{"partials", {}};
      std::vector<double> expected(static_cast<std::size_t>(weights), 0.0);
      for (Index i = 0; i < chunks * weights; ++i) {
        partials.values.push_back(static_cast<double>(i % 17 - 6));
        expected[static_cast<std::size_t>(i % weights)] += partials.values.back();
      }
      const auto memory = gradcheck::upload<TypeParam>(this->device, partials);
      auto dw = gradcheck::poisoned<TypeParam>(this->device, weights);
      add_weight_gradients(this->device, dw.data(), memory.data(), chunks, weights);
      EXPECT_EQ(gradcheck::download<TypeParam>(this->device, "dw", dw).values, expected);
    }
}

template <class B>
class BiasGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(BiasGradient, AllBackends);

// Small integers add up exactly, over several chunks of pixels and blocks of channels.
TYPED_TEST(BiasGradient, IsTheColumnSum) {
  for (const Index pixels : {1, 255, 256, 1001, 20000})
    for (const Index channels : {1, 3, 40, 300}) {
      gradcheck::Array dy{"dy", {}};
      std::vector<double> expected(static_cast<std::size_t>(channels), 0.0);
      for (Index i = 0; i < pixels * channels; ++i) {
        dy.values.push_back(static_cast<double>(i % 13 - 5));
        expected[static_cast<std::size_t>(i % channels)] += dy.values.back();
      }
      const auto memory = gradcheck::upload<TypeParam>(this->device, dy);
      auto db = gradcheck::poisoned<TypeParam>(this->device, channels);
      auto workspace = gradcheck::poisoned<TypeParam>(this->device, bias_workspace(this->device, pixels, channels));
      bias_gradient(this->device, db.data(), gradients(memory.data(), pixels, channels), workspace.data());
      EXPECT_EQ(gradcheck::download<TypeParam>(this->device, "db", db).values, expected);
    }
}

}  // namespace TEST_FILE
}  // namespace attnunet
