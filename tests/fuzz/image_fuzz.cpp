// Bytes as a PNG, JPEG, BMP or TIFF file: an image, or an Error. What was read survives writing and reading, and can be
// resized.
#include <lodepng.h>

#include <cstdint>
#include <cstdlib>

#include "common/core/error.h"
#include "common/data/image_file.h"
#include "common/data/resize.h"
#include "fuzz/memory_file.h"
#include "support/png_reader.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace {

using namespace attnunet;

constexpr std::size_t signature_bytes = 8, chunk_frame = 12;

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

std::uint64_t little_endian(const std::uint8_t* bytes, int count) {
  std::uint64_t value = 0;
  while (count-- > 0) value = value << 8 | bytes[count];
  return value;
}

// Between this and the largest image that is read lie seconds of decoding and nothing new.
bool is_large(std::uint64_t width, std::uint64_t height) {
  return width * height > 1 << 18 && width * height <= static_cast<std::uint64_t>(data::largest_image);
}

bool is_png(const std::uint8_t* data) {
  return data[0] == 137;
}

bool takes_long(const std::uint8_t* data, std::size_t size) {
  if (size < 26) return false;
  if (is_png(data)) return is_large(big_endian(data + 16), big_endian(data + 20));
  if (data[0] == 'B') {  // two kinds of header; a negative height is a picture from top to bottom
    const auto height = static_cast<std::int32_t>(little_endian(data + 22, 4));
    return is_large(little_endian(data + 18, 2), little_endian(data + 20, 2)) ||
           is_large(little_endian(data + 18, 4), static_cast<std::uint64_t>(std::abs(std::int64_t{height})));
  }
  for (std::size_t at = 0; at + 9 <= size; ++at)  // what may be taken for the beginning of a JPEG's frame
    if (data[at] == 0xff && (data[at + 1] & 0xf0) == 0xc0 &&
        is_large(big_endian(data + at + 5) & 0xffff, big_endian(data + at + 5) >> 16))
      return true;
  return false;
}

}  // namespace

// Wrong checksums hide what lies behind them: most mutants get right ones.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (seed % 8 == 0 || size == 0 || !is_png(data)) return size;
  for (std::size_t at = signature_bytes; at + chunk_frame <= size;) {
    const std::size_t length = big_endian(data + at);
    if (length > size - at - chunk_frame) break;
    lodepng_chunk_generate_crc(data + at);
    at += chunk_frame + length;
  }
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (takes_long(bytes, size)) return -1;
  const MemoryFile file(bytes, size);
  data::Grey image;
  try {
    image = data::read_image(file.path());
  } catch (const Error&) {
    return 0;
  }
  data::resize_bilinear(image, 32, 24);
  data::resize_nearest(image, 24, 32);
  const std::vector<std::uint8_t> written = data::encode_png(image);
  const MemoryFile again(written.data(), written.size());
  const data::Grey back = data::read_luma(again.path());
  if (back.width != image.width || back.height != image.height || back.pixels != image.pixels) std::abort();
  return 0;
}
