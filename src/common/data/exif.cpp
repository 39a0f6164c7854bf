#include "common/data/exif.h"

#include <cstdint>
#include <cstring>

namespace attnunet::data {

int exif_orientation(const unsigned char* block, std::size_t size) {
  constexpr std::size_t entry_bytes = 12;  // tag 2, type 2, count 4, value 4
  constexpr std::uint32_t orientation_tag = 0x112, type_short = 3;
  if (size < 8) return 1;
  const bool little = std::memcmp(block, "II*\0", 4) == 0;
  if (!little && std::memcmp(block, "MM\0*", 4) != 0) return 1;
  const auto number = [&](std::size_t at, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value << 8 | block[at + (little ? count - 1 - i : i)];
    return value;
  };
  const std::size_t directory = number(4, 4);
  if (directory > size - 2) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries && directory + 2 + (i + 1) * entry_bytes <= size; ++i) {
    const std::size_t entry = directory + 2 + i * entry_bytes;
    if (number(entry, 2) != orientation_tag || number(entry + 2, 2) != type_short) continue;
    const std::uint32_t value = number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace attnunet::data
