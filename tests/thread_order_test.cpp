// Every kernel in every order: threads, blocks and what happens between two barriers in ascending, descending and
// random order must give the same bits. What differs is a missing barrier, a race, or a sum whose order is left to
// chance. Run under the thread sanitizer, which then sees every kernel of the project, the same file finds races by
// name.
#include "support/conv_methods.h"
#include "support/layer_cases.h"
#include "support/simulator.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class ThreadOrder : public ::testing::Test {
 protected:
  TestDevice<B> device;
};
using Simulators = ::testing::Types<CudaSim<double>, CudaSim<float>, CudaIn<CudaSim<float>, Precision::tf32>,
                                    CudaIn<CudaSim<float>, Precision::bf16>>;
TYPED_TEST_SUITE(ThreadOrder, Simulators);

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr const char* orders[] = {"ascending"};  // they find what they look for in whatever order
#else
constexpr const char* orders[] = {"ascending", "descending", "random:1"};
#endif

void expect_same_bits(const std::vector<gradcheck::LayerCase>& cases) {
  ASSERT_FALSE(cases.empty());
  for (const gradcheck::LayerCase& layer : cases) {
    std::vector<gradcheck::Array> first;
    for (const char* order : orders) {
      const SimulatorOrder set(order);
      std::vector<gradcheck::Array> now = layer.forward(layer.inputs).outputs;
      for (const gradcheck::Array& gradient : layer.backward(layer.inputs, now)) now.push_back(gradient);
      if (first.empty()) first = now;
      ASSERT_EQ(now.size(), first.size());
      for (std::size_t i = 0; i < now.size(); ++i)  // NaN differs from itself, so none gets through
        EXPECT_TRUE(now[i].values == first[i].values) << layer.name << ", " << now[i].name << ", " << order;
    }
  }
}

TYPED_TEST(ThreadOrder, Layers) {
  expect_same_bits(gradcheck::layer_cases<Code<TypeParam>>(this->device, 3));
}

// Channels enough for the tiles of the tuned kernels, with ragged edges.
TYPED_TEST(ThreadOrder, TunedKernels) {
  expect_same_bits({
      gradcheck::conv2d_case<Code<TypeParam>>(this->device, {1, 5, 9, 16, 36, 3}, true, 4),
      gradcheck::conv2d_case<Code<TypeParam>>(this->device, {1, 5, 9, 20, 32, 1}, false, 4),
      gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, {1, 3, 5, 32, 16}, true, 4),
      gradcheck::conv2d_statistics_case<Code<TypeParam>>(this->device, {1, 9, 15, 16, 32, 3}, 4),
      gradcheck::batch_norm_relu_dropout_case<Code<TypeParam>>(this->device, 1100, 16, {0.3, {5, 1, 3}}, 4),
  });
}

#if !defined(__SANITIZE_THREAD__)  // hundreds of launches of the same kernels, a minute each
TYPED_TEST(ThreadOrder, Networks) {
  expect_same_bits(gradcheck::network_cases<Code<TypeParam>>(this->device, 3));
}
#endif

}  // namespace TEST_FILE
}  // namespace attnunet
