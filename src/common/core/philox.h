// Philox4x32-10, the counter-based random generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011). A pure function (counter, key) -> 4 words: any element of the stream can be had without the ones before
// it, so every backend and every thread draws the same numbers.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define ATTNUNET_HOST_DEVICE __host__ __device__
#else
#define ATTNUNET_HOST_DEVICE
#endif

namespace attnunet {

struct PhiloxWords {
  std::uint32_t word[4];
};

/// One of the ten rounds; philox_next_key follows each.
ATTNUNET_HOST_DEVICE inline PhiloxWords philox_round(PhiloxWords c, std::uint32_t key0, std::uint32_t key1) {
  const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * c.word[0];
  const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * c.word[2];
  return {{static_cast<std::uint32_t>(product1 >> 32) ^ c.word[1] ^ key0, static_cast<std::uint32_t>(product1),
           static_cast<std::uint32_t>(product0 >> 32) ^ c.word[3] ^ key1, static_cast<std::uint32_t>(product0)}};
}

ATTNUNET_HOST_DEVICE inline void philox_next_key(std::uint32_t& key0, std::uint32_t& key1) {
  key0 += 0x9E3779B9u;
  key1 += 0xBB67AE85u;
}

ATTNUNET_HOST_DEVICE inline PhiloxWords philox4x32(PhiloxWords counter, std::uint64_t key) {
  std::uint32_t key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    counter = philox_round(counter, key0, key1);
    philox_next_key(key0, key1);
  }
  return counter;
}

}  // namespace attnunet
