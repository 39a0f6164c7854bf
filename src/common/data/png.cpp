#include "common/data/png.h"

#ifdef ATTNUNET_HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif
#include <lodepng.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "common/core/quoting.h"
#include "common/data/exif.h"
#include "common/data/raw_image.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

constexpr unsigned char png_signature[8] = {137, 80, 78, 71, 13, 10, 26, 10};
constexpr unsigned char png_end[12] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
constexpr std::size_t header_bytes = 33;  // signature 8, IHDR: length 4, name 4, contents 13, checksum 4
constexpr std::size_t chunk_frame = 12;   // length 4, name 4, checksum 4

struct Header {
  std::int64_t width, height;
  int bit_depth, colour_type;
};

std::int64_t big_endian(const unsigned char* bytes) {
  return (std::int64_t{bytes[0]} << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3];
}

const unsigned char* unsigned_bytes(const std::string& bytes, std::size_t at = 0) {
  return reinterpret_cast<const unsigned char*>(bytes.data()) + at;
}

Header read_header(const fs::path& path, const std::string& bytes) {
  const std::size_t signed_bytes = std::min(bytes.size(), sizeof png_signature);
  if (!std::equal(png_signature, png_signature + signed_bytes, unsigned_bytes(bytes)))
    throw Error(quoted(path) + " is not a PNG image; convert it to PNG");
  if (bytes.size() < header_bytes) throw damaged(path, "it ends within the PNG header");
  if (bytes.compare(12, 4, "CgBI") == 0)
    throw Error(quoted(path) +
                " is a PNG file in Apple's form for apps (CgBI), which is not read; save it as plain PNG");
  if (bytes.compare(12, 4, "IHDR") != 0) throw damaged(path, "it does not begin with a PNG header");
  const Header header{big_endian(unsigned_bytes(bytes, 16)), big_endian(unsigned_bytes(bytes, 20)),
                      *unsigned_bytes(bytes, 24), *unsigned_bytes(bytes, 25)};
  check_size(path, header.width, header.height);
  // Deflate shrinks at most 1032 times (zlib's technical details), and a pixel takes at least one bit.
  if (header.width * header.height / 8 / 1032 > static_cast<std::int64_t>(bytes.size()))
    throw claims_too_much(path, header.width, header.height, bytes.size());
  return header;
}

/// What chunks besides the pixels say.
struct Beside {
  int orientation = 1;
  int significant_bits = 0;
};

/// Reads what is needed of the ancillary chunks and takes them all out of `bytes`: a damaged one must not matter, nor
/// must it matter if the chunk that marks the end is missing. Throws Error if a chunk that decides about pixels is cut
/// or unknown.
Beside take_out_ancillary_chunks(const fs::path& path, std::string& bytes, const Header& header) {
  Beside beside;
  std::size_t at = sizeof png_signature, kept = at;
  bool ended = false;
  while (!ended && bytes.size() - at >= chunk_frame) {
    const auto length = static_cast<std::size_t>(big_endian(unsigned_bytes(bytes, at)));
    const std::string name = bytes.substr(at + 4, 4);
    if (length > bytes.size() - at - chunk_frame)
      throw damaged(path, name == "IDAT" ? "it ends before its last pixel" : "it ends within one of its chunks");
    const unsigned char* const contents = unsigned_bytes(bytes, at + 8);
    const bool ancillary = (name[0] & 32) != 0;
    if (!ancillary) {
      if (name != "IHDR" && name != "PLTE" && name != "IDAT" && name != "IEND" &&
          lodepng_chunk_check_crc(unsigned_bytes(bytes, at)) == 0)
        throw Error(quoted(path) + " is a PNG file of an extended kind (with the chunk " + quoted(name) +
                    "), which is not read; save it as plain PNG");
      if (kept < at)
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), length + chunk_frame,
                    bytes.begin() + static_cast<std::ptrdiff_t>(kept));
      kept += length + chunk_frame;
    } else if ((name == "eXIf" || name == "sBIT") && lodepng_chunk_check_crc(unsigned_bytes(bytes, at)) == 0) {
      if (name == "eXIf") {
        beside.orientation = exif_orientation(contents, length);
      } else if (header.colour_type != LCT_PALETTE) {
        const std::size_t channels = (header.colour_type & 2) != 0 ? 3 : 1;  // alpha, the last, says nothing here
        int most = 0;
        for (std::size_t c = 0; c < std::min(channels, length); ++c) most = std::max(most, int{contents[c]});
        if (most <= header.bit_depth) beside.significant_bits = most;
      }
    }
    at += length + chunk_frame;
    ended = name == "IEND";
  }
  bytes.erase(kept, ended ? at - kept : std::string::npos);
  if (!ended) bytes.append(reinterpret_cast<const char*>(png_end), sizeof png_end);
  return beside;
}

/// Inflates as lodepng does, but finds the checksum behind the compressed stream wherever it is: lodepng itself takes
/// the last four bytes for it.
unsigned inflate_with_bytes_behind(unsigned char** out, std::size_t* out_size, const unsigned char* in,
                                   std::size_t size, const LodePNGDecompressSettings* settings) {
  constexpr std::size_t stream_header = 2;
  constexpr unsigned too_short = 53, wrong_checksum = 58;  // lodepng's codes
  if (size < stream_header) return too_short;
  LodePNGDecompressSettings inner = *settings;
  inner.custom_zlib = nullptr;
  if (const unsigned code = lodepng_inflate(out, out_size, in + stream_header, size - stream_header, &inner))
    return code;
  std::uint32_t a = 1, b = 0;  // RFC 1950
  for (std::size_t i = 0; i < *out_size; ++i) {
    a = (a + (*out)[i]) % 65521;
    b = (b + a) % 65521;
  }
  const std::uint32_t sum = b << 16 | a;
  const unsigned char checksum[4] = {static_cast<unsigned char>(sum >> 24), static_cast<unsigned char>(sum >> 16),
                                     static_cast<unsigned char>(sum >> 8), static_cast<unsigned char>(sum)};
  return std::search(in + stream_header, in + size, checksum, checksum + 4) != in + size ? 0 : wrong_checksum;
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

#ifdef ATTNUNET_HAVE_LIBDEFLATE
/// libdeflate in place of lodepng's own compression, which takes ten times as long. Level 3: as small as lodepng's.
unsigned compress(unsigned char** out, std::size_t* out_size, const unsigned char* in, std::size_t size,
                  const LodePNGCompressSettings*) {
  constexpr int level = 3;
  constexpr unsigned no_memory = 83;  // lodepng's code
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> compressor(
      libdeflate_alloc_compressor(level), libdeflate_free_compressor);
  if (!compressor) return no_memory;
  const std::size_t bound = libdeflate_zlib_compress_bound(compressor.get(), size);
  *out = static_cast<unsigned char*>(std::malloc(bound));  // which lodepng frees
  if (*out == nullptr) return no_memory;
  *out_size = libdeflate_zlib_compress(compressor.get(), in, size, *out, bound);
  return 0;
}
#endif

constexpr char result_keyword[] = "attnunet-result";

std::vector<std::uint8_t> encode(const std::vector<std::uint8_t>& pixels, int width, int height, LodePNGColorType type,
                                 const std::string& result) {
  lodepng::State state;
  if (!result.empty()) {
    state.encoder.text_compression = 0;
    lodepng_add_text(&state.info_png, result_keyword, result.c_str());
  }
  // Each row as its difference to the one above: nearly as small as the best filter for each row, which lodepng would
  // look for by trying all five.
  const std::vector<unsigned char> filters(static_cast<std::size_t>(height), 2);
  state.encoder.filter_strategy = LFS_PREDEFINED;
  state.encoder.predefined_filters = filters.data();
#ifdef ATTNUNET_HAVE_LIBDEFLATE
  state.encoder.zlibsettings.custom_zlib = compress;
#endif
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

RawImage decode_png(const fs::path& path, std::string bytes, const Header& header) {
  const Beside beside = take_out_ancillary_chunks(path, bytes, header);
  Decoder decoder;
  LodePNGState& state = decoder.state;
  state.decoder.color_convert = 0;
  unsigned width = 0, height = 0;
  const auto decode = [&] {
    return lodepng_decode(&decoder.pixels, &width, &height, &state, unsigned_bytes(bytes), bytes.size());
  };
  constexpr unsigned wrong_checksum = 58, no_memory = 83;
  unsigned code = decode();
  if (code == wrong_checksum) {
    state.decoder.zlibsettings.custom_zlib = inflate_with_bytes_behind;
    if (decode() == 0) code = 0;
  }
  if (code == no_memory) throw std::bad_alloc();
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
  image.orientation = beside.orientation;
  image.significant_bits = beside.significant_bits;
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

}  // namespace

RawImage read_png(const fs::path& path, std::string bytes) {
  const Header header = read_header(path, bytes);
  // The largest pixel takes 8 bytes where it is decoded and 8 in the result.
  return with_memory(path, header.width, header.height, 16 * header.width * header.height,
                     [&] { return decode_png(path, std::move(bytes), header); });
}

std::vector<std::uint8_t> encode_png(const Grey& image, const std::string& result) {
  return encode(image.pixels, image.width, image.height, LCT_GREY, result);
}

std::vector<std::uint8_t> encode_png(const Rgb& image, const std::string& result) {
  return encode(image.pixels, image.width, image.height, LCT_RGB, result);
}

bool is_result(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;  // a named pipe is not opened
  std::ifstream file(path, std::ios::binary);
  unsigned char head[8] = {};
  const auto read = [&](unsigned char* to, std::size_t count) {
    return static_cast<bool>(file.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(count)));
  };
  if (!read(head, sizeof head) || !std::equal(head, head + sizeof head, png_signature)) return false;
  while (read(head, sizeof head)) {  // length, then name
    const std::int64_t length = big_endian(head);
    const std::string name(head + 4, head + 8);
    std::int64_t passed = 0;
    if ((name == "tEXt" || name == "zTXt" || name == "iTXt") && length >= std::int64_t{sizeof result_keyword}) {
      unsigned char keyword[sizeof result_keyword] = {};
      if (!read(keyword, sizeof keyword)) return false;
      if (std::equal(keyword, keyword + sizeof keyword, result_keyword)) return true;
      passed = sizeof keyword;
    }
    if (name == "IEND") return false;
    file.seekg(length - passed + 4, std::ios::cur);  // the checksum has 4 bytes
  }
  return false;
}

void write_png(const fs::path& path, const Grey& image, Durability durability, const std::string& result) {
  write_file(path, encode_png(image, result), durability);
}

void write_png(const fs::path& path, const Rgb& image, Durability durability, const std::string& result) {
  write_file(path, encode_png(image, result), durability);
}

}  // namespace attnunet::data
