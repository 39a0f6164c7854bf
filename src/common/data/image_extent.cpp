#include "common/data/image_extent.h"

#include <array>
#include <cstdlib>
#include <fstream>
#include <system_error>

namespace attnunet::data {
namespace {

using Bytes = std::array<unsigned char, 26>;

std::int64_t big_endian(const unsigned char* bytes, int count) {
  std::int64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

std::int64_t little_endian(const unsigned char* bytes, int count) {
  std::int64_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

/// Goes from segment to segment up to the frame's header (SOF0 to SOF15, which are not DHT, JPG and DAC).
std::int64_t pixels_of_jpeg(std::ifstream& file) {
  file.seekg(2);
  unsigned char segment[9];
  while (file.read(reinterpret_cast<char*>(segment), 4) && segment[0] == 0xff) {
    const int marker = segment[1];
    if (marker == 0xff) {  // a fill byte
      file.seekg(-3, std::ios::cur);
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
      if (!file.read(reinterpret_cast<char*>(segment + 4), 5)) return 0;
      return big_endian(segment + 5, 2) * big_endian(segment + 7, 2);
    }
    if (marker == 0xda) return 0;
    file.seekg(big_endian(segment + 2, 2) - 2, std::ios::cur);
  }
  return 0;
}

}  // namespace

std::int64_t pixels_by_header(const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none)) return 0;
  std::ifstream file(path, std::ios::binary);
  Bytes first{};
  if (!file.read(reinterpret_cast<char*>(first.data()), first.size())) return 0;
  if (big_endian(first.data(), 4) == 0x89504e47) return big_endian(&first[16], 4) * big_endian(&first[20], 4);
  if (big_endian(first.data(), 2) == 0xffd8) return pixels_of_jpeg(file);
  if (first[0] != 'B' || first[1] != 'M') return 0;
  if (little_endian(&first[14], 4) == 12) return little_endian(&first[18], 2) * little_endian(&first[20], 2);
  return little_endian(&first[18], 4) * std::abs(std::int64_t{static_cast<std::int32_t>(little_endian(&first[22], 4))});
}

}  // namespace attnunet::data
