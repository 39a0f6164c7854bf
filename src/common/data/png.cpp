#include "common/data/png.h"

#include <lodepng.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/raw_image.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t header_bytes = 33;  // signature 8, IHDR: length 4, name 4, contents 13, checksum 4

struct Header {
  std::int64_t width, height;
  int bit_depth, colour_type;
};

std::int64_t big_endian(const unsigned char* bytes) {
  return (std::int64_t{bytes[0]} << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3];
}

/// The header decides whether the rest is read at all. `bytes` holds the first header_bytes of the file, or fewer.
Header read_header(const fs::path& path, const std::vector<unsigned char>& bytes) {
  constexpr unsigned char signature[8] = {137, 80, 78, 71, 13, 10, 26, 10};
  const std::size_t signed_bytes = std::min(bytes.size(), sizeof signature);
  if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(signed_bytes), signature))
    throw Error(quoted(path) + " is not a PNG image; convert it to PNG");
  if (bytes.size() < header_bytes) throw damaged(path, "it ends within the PNG header");
  if (std::memcmp(&bytes[12], "IHDR", 4) != 0) throw damaged(path, "it does not begin with a PNG header");
  return {big_endian(&bytes[16]), big_endian(&bytes[20]), bytes[24], bytes[25]};
}

void check_header(const fs::path& path, const Header& header, std::int64_t file_bytes) {
  const std::string size = std::to_string(header.width) + " x " + std::to_string(header.height) + " pixels";
  if (header.width == 0 || header.height == 0) throw damaged(path, "its header says " + size);
  if (header.height > largest_image / header.width)
    throw Error(quoted(path) + " claims to have " + size + ", more than the limit of " + std::to_string(largest_image) +
                "; scale it down or remove it");
  // Deflate shrinks at most 1032 times (zlib's technical details), and a pixel takes at least one bit.
  if (header.width * header.height / 8 / 1032 > file_bytes)
    throw damaged(path, "its header claims " + size + ", more than its " + std::to_string(file_bytes) + " bytes hold");
}

std::vector<unsigned char> read_file(const fs::path& path, Header& header) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw Error(quoted(path) + " is a folder, not a PNG image; rename or remove it");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw Error("cannot open " + quoted(path) + ": " + std::strerror(errno) + "; check the name and its rights");

  std::vector<unsigned char> bytes(header_bytes);
  const auto read = [&](std::size_t from) {
    file.read(reinterpret_cast<char*>(bytes.data() + from), static_cast<std::streamsize>(bytes.size() - from));
    if (file.bad()) throw Error("cannot read " + quoted(path) + ": " + std::strerror(errno) + "; check the disk");
    bytes.resize(from + static_cast<std::size_t>(file.gcount()));
  };
  read(0);
  if (bytes.empty()) throw Error(quoted(path) + " is empty (0 bytes); copy or download it again");
  header = read_header(path, bytes);
  const auto file_bytes = static_cast<std::int64_t>(fs::file_size(path));
  check_header(path, header, file_bytes);
  bytes.resize(static_cast<std::size_t>(std::max<std::int64_t>(file_bytes, header_bytes)));
  read(header_bytes);
  return bytes;
}

/// lodepng's state and output are C; this frees them whatever is thrown.
struct Decoder {
  LodePNGState state;
  unsigned char* pixels = nullptr;
  Decoder() { lodepng_state_init(&state); }
  ~Decoder() {
    lodepng_state_cleanup(&state);
    std::free(pixels);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
};

void write_file(const fs::path& path, const std::vector<std::uint8_t>& bytes, Durability durability) {
  AtomicFile file(path, durability);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

std::vector<std::uint8_t> encode(const std::vector<std::uint8_t>& pixels, int width, int height,
                                 LodePNGColorType type) {
  lodepng::State state;
  state.encoder.auto_convert = 0;  // always 8 bits of the given type, whatever the contents
  state.info_raw.colortype = state.info_png.color.colortype = type;
  state.info_raw.bitdepth = state.info_png.color.bitdepth = 8;
  std::vector<std::uint8_t> bytes;
  const unsigned code =
      lodepng::encode(bytes, pixels, static_cast<unsigned>(width), static_cast<unsigned>(height), state);
  if (code != 0)
    throw Error("cannot encode " + std::to_string(width) + " x " + std::to_string(height) +
                " pixels as PNG: " + lodepng_error_text(code));
  return bytes;
}

std::string format_name(const Header& header) {
  const char* const types[] = {"grey", "", "RGB", "palette", "grey with alpha", "", "RGBA"};
  return std::to_string(header.bit_depth) + "-bit " + types[header.colour_type];
}

/// Samples as the decoder leaves them: high bits and high bytes first, without gaps between rows.
struct Stored {
  const unsigned char* bytes;
  unsigned bits;

  std::uint16_t value(std::size_t i) const {
    if (bits == 16) return static_cast<std::uint16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    if (bits == 8) return bytes[i];
    const std::size_t bit = i * bits;
    return static_cast<std::uint16_t>(bytes[bit / 8] >> (8 - bits - bit % 8) & ((1u << bits) - 1));
  }
};

}  // namespace

RawImage read_png(const fs::path& path) {
  Header header{};
  const std::vector<unsigned char> bytes = read_file(path, header);

  Decoder decoder;
  LodePNGState& state = decoder.state;
  state.decoder.color_convert = 0;
  state.decoder.read_text_chunks = 0;  // a few compressed bytes of comment could fill the memory
  unsigned width = 0, height = 0;
  const unsigned code = lodepng_decode(&decoder.pixels, &width, &height, &state, bytes.data(), bytes.size());
  if (code != 0) throw damaged(path, lodepng_error_text(code));

  const LodePNGColorMode& mode = state.info_png.color;
  const bool palette = mode.colortype == LCT_PALETTE;
  const bool alpha = mode.colortype == LCT_GREY_ALPHA || mode.colortype == LCT_RGBA;
  RawImage image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.channels = mode.colortype == LCT_GREY || mode.colortype == LCT_GREY_ALPHA ? 1 : 3;
  image.bits = palette ? 8 : static_cast<int>(mode.bitdepth);
  image.format = format_name(header);
  const std::size_t pixels = std::size_t{width} * height;
  const Stored stored{decoder.pixels, mode.bitdepth};
  if (palette) {
    image.indices.resize(pixels);
    image.samples.resize(3 * pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      const std::uint16_t index = image.indices[i] = stored.value(i);
      for (std::size_t c = 0; c < 3 && index < mode.palettesize; ++c)
        image.samples[3 * i + c] = mode.palette[4 * index + c];  // black beyond the palette
    }
    return image;
  }
  const auto channels = static_cast<std::size_t>(image.channels), together = channels + (alpha ? 1 : 0);
  image.samples.resize(channels * pixels);
  if (alpha) image.alpha.resize(pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t c = 0; c < channels; ++c) image.samples[channels * i + c] = stored.value(together * i + c);
    if (alpha) image.alpha[i] = stored.value(together * i + channels);
  }
  return image;
}

Grey read_luma(const fs::path& path) {
  return luma_of(read_png(path));
}

std::vector<std::uint8_t> encode_png(const Grey& image) {
  return encode(image.pixels, image.width, image.height, LCT_GREY);
}

std::vector<std::uint8_t> encode_png(const Rgb& image) {
  return encode(image.pixels, image.width, image.height, LCT_RGB);
}

void write_png(const fs::path& path, const Grey& image, Durability durability) {
  write_file(path, encode_png(image), durability);
}

void write_png(const fs::path& path, const Rgb& image, Durability durability) {
  write_file(path, encode_png(image), durability);
}

Error damaged(const fs::path& path, const std::string& how) {
  return Error(quoted(path) + " is damaged (" + how + "); copy or download it again");
}

}  // namespace attnunet::data
