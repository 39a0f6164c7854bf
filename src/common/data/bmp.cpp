#include "common/data/bmp.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/core/quoting.h"
#include "common/data/image_bytes.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t bmp_file_header = 14, bmp_masks_at = bmp_file_header + 40;

enum class BmpCode : std::uint32_t { none = 0, rle8 = 1, rle4 = 2, masks = 3, masks_with_alpha = 6 };

struct BmpHeader {
  std::int64_t width = 0, rows = 0;
  bool top_down = false;
  unsigned bits = 0;  ///< per pixel
  BmpCode code = BmpCode::none;
  std::size_t palette_at = 0, palette_entry = 4, colours = 0;
  std::size_t pixels_at = 0;
  std::array<std::uint32_t, 4> masks{};  ///< of red, green, blue and alpha in a pixel of 16, 24 or 32 bits; 0: none
};

std::uint32_t little_endian(const std::string& bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

Error not_read_in_bmp(const fs::path& path, const std::string& what) {
  return Error(quoted(path) + " is a BMP file that holds " + what +
               ", which is not read; open it in an image editor and save it as PNG");
}

/// Sizes, bits and code of pixels, as the header has them.
BmpHeader read_bmp_fields(const fs::path& path, const std::string& bytes) {
  const Error cut = damaged(path, "it ends within its header");
  if (bytes.size() < bmp_file_header + 4) throw cut;
  const std::size_t header_bytes = little_endian(bytes, bmp_file_header, 4);
  const bool core = header_bytes == 12;
  if (!core && (header_bytes < 16 || header_bytes > 64) && header_bytes != 108 && header_bytes != 124)
    throw damaged(path, "a header of " + std::to_string(header_bytes) + " bytes");
  if (bytes.size() < bmp_file_header + header_bytes) throw cut;
  // Fields that a short header of OS/2 lacks are 0.
  const auto field = [&](std::size_t at, std::size_t count) {
    return at + count <= header_bytes ? little_endian(bytes, bmp_file_header + at, count) : 0;
  };
  BmpHeader header;
  header.pixels_at = little_endian(bytes, 10, 4);
  header.palette_at = bmp_file_header + header_bytes;
  if (core) {
    header.width = field(4, 2);
    header.rows = field(6, 2);
    header.bits = field(10, 2);
    header.palette_entry = 3;
  } else {
    header.width = static_cast<std::int32_t>(field(4, 4));
    header.rows = static_cast<std::int32_t>(field(8, 4));
    header.bits = field(14, 2);
    header.code = static_cast<BmpCode>(field(16, 4));
    header.colours = field(32, 4);
  }
  header.top_down = header.rows < 0;
  header.rows = std::abs(header.rows);

  const auto code = static_cast<unsigned>(header.code);
  const bool os2 = !core && header_bytes != 40 && header_bytes != 52 && header_bytes != 56 && header_bytes <= 64;
  if (os2 && code == 3) throw not_read_in_bmp(path, "OS/2's Huffman code");
  if (os2 && code == 4) throw not_read_in_bmp(path, "OS/2's RLE24 code");
  if (code == 4) throw not_read_in_bmp(path, "a JPEG image");
  if (code == 5) throw not_read_in_bmp(path, "a PNG image");
  const unsigned bits = header.bits;
  const bool indexed = bits == 1 || bits == 2 || bits == 4 || bits == 8,
             coloured = bits == 16 || bits == 24 || bits == 32;
  const bool fits = code == 0   ? indexed || coloured
                    : code == 1 ? bits == 8
                    : code == 2 ? bits == 4
                                : (code == 3 || code == 6) && (bits == 16 || bits == 32);
  if (!fits) throw damaged(path, "code " + std::to_string(code) + " with " + std::to_string(bits) + " bits per pixel");
  return header;
}

/// Whether the bits of a mask are side by side.
bool is_one_field(std::uint32_t mask) {
  if (mask == 0) return true;
  while ((mask & 1) == 0) mask >>= 1;
  return (mask & (mask + 1)) == 0;
}

void read_bmp_masks(const fs::path& path, const std::string& bytes, BmpHeader& header) {
  if (header.code == BmpCode::none) {
    if (header.bits == 16)
      header.masks = {0x7c00, 0x3e0, 0x1f, 0};
    else
      header.masks = {0xff0000, 0xff00, 0xff, 0};
    return;
  }
  // The same place whether they are part of a long header or follow one of 40 bytes.
  const bool alpha = header.code == BmpCode::masks_with_alpha || header.palette_at >= bmp_masks_at + 16;
  const std::size_t count = alpha ? 4 : 3;
  if (bytes.size() < bmp_masks_at + 4 * count) throw damaged(path, "it ends within its header");
  std::uint32_t together = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t mask = header.masks[i] = little_endian(bytes, bmp_masks_at + 4 * i, 4);
    if (!is_one_field(mask) || (mask & together) != 0) throw damaged(path, "its colour masks overlap or have gaps");
    together |= mask;
  }
  if (together == 0) throw damaged(path, "its colour masks are empty");
}

BmpHeader read_bmp_header(const fs::path& path, const std::string& bytes) {
  BmpHeader header = read_bmp_fields(path, bytes);
  check_size(path, header.width, header.rows);
  if (header.pixels_at < header.palette_at) throw damaged(path, "its pixels begin within its header");
  if (header.pixels_at > bytes.size()) throw damaged(path, "it ends before its first pixel");
  if (header.bits > 8) {
    read_bmp_masks(path, bytes, header);
  } else {
    const std::size_t most = std::size_t{1} << header.bits;
    if (header.colours == 0 || header.colours > most) header.colours = most;
    header.colours = std::min(header.colours, (header.pixels_at - header.palette_at) / header.palette_entry);
  }
  const std::size_t pixel_bytes = bytes.size() - header.pixels_at;
  const std::int64_t row_bytes = (header.width * header.bits + 31) / 32 * 4;
  // Four bytes of a run-length code pass over 255 x 255 pixels at most.
  const std::int64_t needed = header.code == BmpCode::rle4 || header.code == BmpCode::rle8
                                  ? header.width * header.rows / (255 * 255 / 4)
                                  : row_bytes * header.rows;
  if (needed > static_cast<std::int64_t>(pixel_bytes))
    throw claims_too_much(path, header.width, header.rows, bytes.size());
  return header;
}

/// Where the pixels of a row go; rows are counted as the file stores them.
std::size_t bmp_row_begins(const BmpHeader& header, std::int64_t row) {
  return static_cast<std::size_t>((header.top_down ? row : header.rows - 1 - row) * header.width);
}

/// Runs, copied pixels and jumps; what they leave out stays 0.
void decode_runs(const fs::path& path, const std::string& bytes, const BmpHeader& header,
                 std::vector<std::uint16_t>& indices) {
  std::size_t at = header.pixels_at;
  std::int64_t x = 0, row = 0;
  const auto next = [&]() -> unsigned {
    if (at == bytes.size()) throw damaged(path, "it ends before its last pixel");
    return static_cast<unsigned char>(bytes[at++]);
  };
  const auto put = [&](unsigned index) {  // what goes beyond the right edge is left out
    if (x < header.width && row < header.rows)
      indices[bmp_row_begins(header, row) + static_cast<std::size_t>(x)] = static_cast<std::uint16_t>(index);
    ++x;
  };
  const bool nibbles = header.code == BmpCode::rle4;
  while (row < header.rows && !(row == header.rows - 1 && x >= header.width)) {
    const unsigned count = next(), value = next();
    if (count > 0) {
      for (unsigned i = 0; i < count; ++i) put(!nibbles ? value : i % 2 == 0 ? value >> 4 : value & 15);
    } else if (value == 0) {  // end of the row
      x = 0;
      ++row;
    } else if (value == 1) {  // end of the image
      return;
    } else if (value == 2) {  // a jump
      x += next();
      row += next();
    } else {  // `value` pixels as they are, padded to two bytes
      const std::size_t begin = at;
      for (unsigned i = 0, two = 0; i < value; ++i) {
        if (!nibbles || i % 2 == 0) two = next();
        put(!nibbles ? two : i % 2 == 0 ? two >> 4 : two & 15);
      }
      at = std::min(bytes.size(), at + (at - begin) % 2);
    }
  }
}

void decode_indices(const std::string& bytes, const BmpHeader& header, std::vector<std::uint16_t>& indices) {
  const auto row_bytes = static_cast<std::size_t>((header.width * header.bits + 31) / 32 * 4);
  const unsigned last = (1u << header.bits) - 1;
  for (std::int64_t row = 0; row < header.rows; ++row) {
    const std::size_t from = header.pixels_at + static_cast<std::size_t>(row) * row_bytes;
    std::uint16_t* to = &indices[bmp_row_begins(header, row)];
    for (std::size_t x = 0; x < static_cast<std::size_t>(header.width); ++x) {
      const std::size_t bit = x * header.bits;
      const auto byte = static_cast<unsigned char>(bytes[from + bit / 8]);
      to[x] = static_cast<std::uint16_t>(byte >> (8 - header.bits - bit % 8) & last);
    }
  }
}

void colour_indices(const std::string& bytes, const BmpHeader& header, RawImage& image) {
  image.samples.resize(3 * image.indices.size());  // black
  std::uint16_t* to = image.samples.data();
  for (const std::uint16_t index : image.indices) {
    const std::size_t entry = header.palette_at + index * header.palette_entry;
    for (std::size_t c = 0; c < 3 && index < header.colours; ++c)  // stored as blue, green, red
      to[c] = static_cast<unsigned char>(bytes[entry + 2 - c]);
    to += 3;
  }
}

/// One colour of a pixel as 8 bits.
struct BmpChannel {
  std::uint32_t mask = 0, largest = 0;
  unsigned shift = 0, dropped = 0;  ///< bits below the mask; bits of it beyond eight

  explicit BmpChannel(std::uint32_t of) : mask(of), largest(of) {
    if (mask == 0) return;
    for (; (largest & 1) == 0; largest >>= 1) ++shift;
    for (; largest >> dropped > 255; ++dropped) {
    }
  }
  std::uint16_t value(std::uint32_t pixel) const {
    if (mask == 0) return 0;
    const std::uint32_t stored = (pixel & mask) >> shift;
    return static_cast<std::uint16_t>(largest < 255 ? stored * 255 / largest : stored >> dropped);
  }
};

void decode_colours(const std::string& bytes, const BmpHeader& header, RawImage& image) {
  const std::size_t pixel_bytes = header.bits / 8;
  const auto row_bytes = static_cast<std::size_t>((header.width * header.bits + 31) / 32 * 4);
  const BmpChannel channels[3] = {BmpChannel(header.masks[0]), BmpChannel(header.masks[1]),
                                  BmpChannel(header.masks[2])};
  const BmpChannel alpha(header.masks[3]);
  const auto pixels = static_cast<std::size_t>(header.width * header.rows);
  image.samples.resize(3 * pixels);
  if (alpha.mask != 0) image.alpha.resize(pixels);
  for (std::int64_t row = 0; row < header.rows; ++row) {
    std::size_t from = header.pixels_at + static_cast<std::size_t>(row) * row_bytes;
    const std::size_t begin = bmp_row_begins(header, row);
    std::uint16_t* to = &image.samples[3 * begin];
    for (std::size_t x = 0; x < static_cast<std::size_t>(header.width); ++x, from += pixel_bytes) {
      const std::uint32_t pixel = little_endian(bytes, from, pixel_bytes);
      for (const BmpChannel& channel : channels) *to++ = channel.value(pixel);
      if (alpha.mask != 0) image.alpha[begin + x] = alpha.value(pixel);
    }
  }
}

}  // namespace

RawImage read_bmp(const fs::path& path, const std::string& bytes) {
  const BmpHeader header = read_bmp_header(path, bytes);
  RawImage image;
  image.width = static_cast<int>(header.width);
  image.height = static_cast<int>(header.rows);
  image.channels = 3;
  const std::int64_t pixels = header.width * header.rows;
  return with_memory(path, header.width, header.rows, 8 * pixels, [&] {
    if (header.bits > 8) {
      decode_colours(bytes, header, image);
      image.format = image.alpha.empty() ? "8-bit RGB" : "8-bit RGBA";
      return std::move(image);
    }
    image.indices.resize(static_cast<std::size_t>(pixels));
    if (header.code == BmpCode::none)
      decode_indices(bytes, header, image.indices);
    else
      decode_runs(path, bytes, header, image.indices);
    colour_indices(bytes, header, image);
    image.format = std::to_string(header.bits) + "-bit palette";
    return std::move(image);
  });
}

}  // namespace attnunet::data
