// Bytes as a PNG file: an image, or an Error. What was read survives writing and reading, and can be resized.
#include <lodepng.h>

#include <cstdint>
#include <cstdlib>

#include "common/data/png.h"
#include "common/data/resize.h"
#include "common/error.h"
#include "fuzz/memory_file.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace {

using namespace attnunet;

constexpr std::size_t signature_bytes = 8, chunk_frame = 12;

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

// Between this and the largest image that is read lie seconds of decoding and nothing new.
bool takes_long(const std::uint8_t* data, std::size_t size) {
  if (size < 24) return false;
  const std::uint64_t pixels = std::uint64_t{big_endian(data + 16)} * big_endian(data + 20);
  return pixels > 1 << 18 && pixels <= static_cast<std::uint64_t>(data::largest_image);
}

}  // namespace

// Wrong checksums hide what lies behind them: most mutants get right ones.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (seed % 8 == 0) return size;
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
    image = data::read_luma(file.path());
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
