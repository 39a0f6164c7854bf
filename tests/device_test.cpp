// Memory and copies of a device, on every backend.
#include "cpu/device.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "cuda/device.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class DeviceCopies : public BackendTest<B> {};
TYPED_TEST_SUITE(DeviceCopies, FloatBackends);

// Uploads from one and the same host memory, overwritten as soon as each returns: more of them, and larger, than a
// device could hold back, from one byte to several megabytes.
TYPED_TEST(DeviceCopies, HostMemoryMayBeReusedAtOnce) {
  const std::vector<Index> sizes = {1, 4097, (Index{1} << 22) + 5, 3, (Index{9} << 20) + 1};
  constexpr int rounds = 5;
  std::vector<typename TypeParam::template Buffer<std::uint8_t>> buffers;
  std::vector<std::uint8_t> host;
  const auto value = [](std::size_t buffer, std::size_t i) {
    return static_cast<std::uint8_t>((i * 7 + i / 4096 + buffer * 31 + 1) % 251);
  };
  for (int round = 0; round < rounds; ++round)
    for (const Index size : sizes) {
      host.resize(static_cast<std::size_t>(size));
      for (std::size_t i = 0; i < host.size(); ++i) host[i] = value(buffers.size(), i);
      buffers.emplace_back(this->device, size);
      copy_to_device(this->device, buffers.back().data(), host.data(), size);
      host.assign(host.size(), 0xFF);
    }
  for (std::size_t b = 0; b < buffers.size(); ++b) {
    host.assign(static_cast<std::size_t>(buffers[b].size()), 0);
    copy_to_host(this->device, host.data(), buffers[b].data(), buffers[b].size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < host.size(); ++i) wrong += host[i] != value(b, i);
    EXPECT_EQ(wrong, 0u) << "upload " << b << " of " << host.size() << " bytes";
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
