#include "cpu/batch_input.h"

#include <vector>

#include "common/gradcheck/layer_case.h"
#include "cuda/batch_input.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class BatchInput : public BackendTest<B> {
 protected:
  using T = typename B::Scalar;

  // Seven cases of 45 pixels: every value of a byte appears.
  static constexpr Index cases = 7, P = 45;

  BatchInput() : images(cases * P), masks(images.size()) {
    for (std::size_t i = 0; i < images.size(); ++i) {
      images[i] = static_cast<std::uint8_t>(31 * i);
      masks[i] = static_cast<std::uint8_t>(i % 3 == 0);
    }
  }

  template <class U>
  typename B::template Buffer<U> on_device(const std::vector<U>& host) {
    typename B::template Buffer<U> buffer(this->device, static_cast<Index>(host.size()));
    copy_to_device(this->device, buffer.data(), host.data(), buffer.size());
    return buffer;
  }

  // `order` on the device, null where empty; expected[i] is the case at i. One case more than asked for is poisoned and
  // must stay so.
  void check(const std::vector<std::int32_t>& order, const std::vector<std::int32_t>& expected) {
    const Index n = static_cast<Index>(expected.size());
    const auto device_images = on_device(images), device_masks = on_device(masks);
    const auto device_order = on_device(order);
    auto input = gradcheck::poisoned<B>(this->device, (n + 1) * P);
    auto target = gradcheck::poisoned<B>(this->device, (n + 1) * P);
    batch_input(this->device, values(input.data(), n * P), target.data(), device_images.data(), device_masks.data(),
                order.empty() ? nullptr : device_order.data(), n);
    std::vector<T> inputs(static_cast<std::size_t>(input.size())), targets(inputs.size());
    copy_to_host(this->device, inputs.data(), input.data(), input.size());
    copy_to_host(this->device, targets.data(), target.data(), target.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const std::size_t one = i / P;
      if (one == expected.size()) {
        EXPECT_TRUE(inputs[i] != inputs[i] && targets[i] != targets[i]) << "written beyond the batch";
        continue;
      }
      const std::size_t from = static_cast<std::size_t>(expected[one]) * P + i % P;
      EXPECT_EQ(inputs[i], static_cast<T>(images[from]) / T(255)) << i;
      EXPECT_EQ(targets[i], static_cast<T>(masks[from])) << i;
    }
  }

  std::vector<std::uint8_t> images, masks;
};
TYPED_TEST_SUITE(BatchInput, AllBackends);

TYPED_TEST(BatchInput, InOrder) {
  this->check({}, {0, 1, 2, 3, 4});
}

TYPED_TEST(BatchInput, ByIndexTwiceTheSameToo) {
  this->check({6, 0, 3, 3}, {6, 0, 3, 3});
  this->check({2}, {2});
}

}  // namespace TEST_FILE
}  // namespace attnunet
