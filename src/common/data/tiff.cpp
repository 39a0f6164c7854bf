#include "common/data/tiff.h"

#include "common/core/quoting.h"

#ifndef ATTNUNET_HAVE_TIFF

namespace attnunet::data {

RawImage read_tiff(const std::filesystem::path& path, const std::string&) {
  throw Error(
      quoted(path) +
      " is a TIFF image, and this program was built without libtiff; build it again with libtiff-dev installed, "
      "or save the image as PNG");
}

std::string tiff_support() {
  return "no (built without libtiff; install libtiff-dev and build again)";
}

}  // namespace attnunet::data

#else

#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

#include "common/data/cmyk.h"
#include "common/data/image_bytes.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

/// The file in memory, as libtiff reads it, and the first error that it reports.
struct TiffSource {
  const std::string& bytes;
  std::size_t next = 0;
  std::string error;
};

TiffSource& source_of(thandle_t handle) {
  return *static_cast<TiffSource*>(handle);
}

tmsize_t tiff_read(thandle_t handle, void* to, tmsize_t count) {
  TiffSource& source = source_of(handle);
  const std::size_t left = source.bytes.size() - std::min(source.next, source.bytes.size());
  const std::size_t got = std::min(static_cast<std::size_t>(count), left);
  if (got > 0) std::memcpy(to, source.bytes.data() + source.next, got);
  source.next += got;
  return static_cast<tmsize_t>(got);
}

tmsize_t tiff_write(thandle_t, void*, tmsize_t) {
  return 0;
}

toff_t tiff_seek(thandle_t handle, toff_t to, int from) {
  TiffSource& source = source_of(handle);
  source.next = from == SEEK_CUR ? source.next + to : from == SEEK_END ? source.bytes.size() + to : to;
  return source.next;
}

int tiff_close(thandle_t) {
  return 0;
}

toff_t tiff_size(thandle_t handle) {
  return source_of(handle).bytes.size();
}

void keep_tiff_error(thandle_t handle, const char*, const char* format, va_list arguments) {
  char text[200];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (handle != nullptr && source_of(handle).error.empty()) source_of(handle).error = text;
}

/// An open file; its messages do not reach stderr.
class TiffFile {
 public:
  explicit TiffFile(const std::string& bytes) : source_{bytes, 0, {}} {
    static const bool silent = [] {
      TIFFSetErrorHandler(nullptr);
      TIFFSetWarningHandler(nullptr);
      TIFFSetErrorHandlerExt(keep_tiff_error);
      return true;
    }();
    static_cast<void>(silent);
    // m: read, do not map
    file_ = TIFFClientOpen("TIFF", "rm", &source_, tiff_read, tiff_write, tiff_seek, tiff_close, tiff_size, nullptr,
                           nullptr);
  }
  ~TiffFile() {
    if (file_ != nullptr) TIFFClose(file_);
  }
  TiffFile(const TiffFile&) = delete;
  TiffFile& operator=(const TiffFile&) = delete;

  TIFF* get() const { return file_; }
  std::string error() const { return source_.error.empty() ? "libtiff cannot read it" : source_.error; }

  template <class T>
  T field(std::uint32_t tag, T otherwise) const {
    T value = otherwise;
    return TIFFGetFieldDefaulted(file_, tag, &value) == 1 ? value : otherwise;
  }

 private:
  TiffSource source_;
  TIFF* file_ = nullptr;
};

struct TiffLayout {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, channels = 1, colours = 1, photometric = PHOTOMETRIC_MINISBLACK;
  std::uint16_t alpha = 0;  ///< the channel that holds it; 0: none
  bool apart = false;       ///< every channel by itself
  bool tiled = false;
  bool converted = false;  ///< libtiff makes 8-bit RGBA of it
  bool lossy = false;      ///< by its compression
};

Error not_read_in_tiff(const fs::path& path, const std::string& what) {
  return Error(quoted(path) + " is a TIFF image with " + what +
               ", which is not read; save it as 8-bit or 16-bit grey or RGB");
}

std::string compression_name(std::uint16_t compression) {
  if (compression == 33003 || compression == 33005 || compression == 34712) return "JPEG 2000";
  if (compression == 50002 || compression == 52546) return "JPEG XL";
  const TIFFCodec* const codec = TIFFFindCODEC(compression);
  return codec != nullptr ? codec->name : "number " + std::to_string(compression);
}

void check_compression(const fs::path& path, std::uint16_t compression) {
  if (TIFFIsCODECConfigured(compression) == 0)
    throw Error(quoted(path) + " is a TIFF image whose compression (" + compression_name(compression) +
                ") is not read; save it without compression or with LZW");
}

std::string colours_name(std::uint16_t photometric) {
  switch (photometric) {
    case PHOTOMETRIC_CIELAB:
    case PHOTOMETRIC_ICCLAB:
    case PHOTOMETRIC_ITULAB:
      return "CIELAB colours";
    case PHOTOMETRIC_LOGL:
    case PHOTOMETRIC_LOGLUV:
      return "logarithmic colours (LogL, LogLuv)";
    case 32803:  // TIFF/EP's, which older headers of libtiff do not have
    case 34892:
      return "a camera's raw pixels";
    default:
      return "colours of kind " + std::to_string(photometric);
  }
}

/// The fewest bytes that can hold `bits` bits in `rows` rows under a compression; 0 if there is no useful bound.
std::int64_t fewest_bytes(std::uint16_t compression, std::int64_t bits, std::int64_t rows) {
  switch (compression) {
    case COMPRESSION_NONE:
      return bits / 8;
    case COMPRESSION_PACKBITS:  // two bytes for a run of 128
      return bits / 8 / 64;
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE:  // two bits for a run of 258
      return bits / 8 / 1032;
    case COMPRESSION_LZW:  // about 4000 codes, each for one byte more than the one before, before the table is cleared
      return bits / 8 / 1400;
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4:  // one bit for a row like the one above it
      return rows / 8;
    default:
      return 0;
  }
}

void check_tiff_samples(const fs::path& path, const TiffFile& file, const TiffLayout& layout) {
  const auto format = file.field<std::uint16_t>(TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  const std::string bits = std::to_string(layout.bits);
  if (format == SAMPLEFORMAT_IEEEFP) throw not_read_in_tiff(path, bits + "-bit floating-point numbers");
  if (format == SAMPLEFORMAT_INT) throw not_read_in_tiff(path, "signed numbers of " + bits + " bits");
  if (format == SAMPLEFORMAT_COMPLEXINT || format == SAMPLEFORMAT_COMPLEXIEEEFP)
    throw not_read_in_tiff(path, "complex numbers");
  if (layout.bits == 0 || layout.bits > 16) throw not_read_in_tiff(path, bits + " bits per channel");
}

std::uint16_t colours_of(const fs::path& path, const TiffLayout& layout) {
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_PALETTE:
    case PHOTOMETRIC_MASK:
      return 1;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
      return 3;
    case PHOTOMETRIC_SEPARATED:
      return 4;
    default:
      throw not_read_in_tiff(path, colours_name(layout.photometric));
  }
}

TiffLayout read_tiff_layout(const fs::path& path, const TiffFile& file, std::size_t file_bytes) {
  TIFF* const tiff = file.get();
  TiffLayout layout;
  layout.width = file.field<std::uint32_t>(TIFFTAG_IMAGEWIDTH, 0);
  layout.height = file.field<std::uint32_t>(TIFFTAG_IMAGELENGTH, 0);
  check_size(path, layout.width, layout.height);
  layout.bits = file.field<std::uint16_t>(TIFFTAG_BITSPERSAMPLE, 1);
  layout.channels = file.field<std::uint16_t>(TIFFTAG_SAMPLESPERPIXEL, 1);
  layout.apart = file.field<std::uint16_t>(TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE &&
                 layout.channels > 1;
  layout.tiled = TIFFIsTiled(tiff) != 0;
  layout.photometric =
      file.field<std::uint16_t>(TIFFTAG_PHOTOMETRIC, layout.channels >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
  check_tiff_samples(path, file, layout);
  const auto compression = file.field<std::uint16_t>(TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  check_compression(path, compression);
  layout.lossy = compression == COMPRESSION_JPEG || compression == COMPRESSION_OJPEG || compression == COMPRESSION_WEBP;
  layout.colours = colours_of(path, layout);
  if (layout.channels < layout.colours) throw damaged(path, "it has too few channels for its colours");
  std::uint16_t others = 0;
  std::uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &others, &kinds);
  for (std::uint16_t i = 0; i < others && layout.alpha == 0; ++i)
    if (kinds[i] == EXTRASAMPLE_ASSOCALPHA || kinds[i] == EXTRASAMPLE_UNASSALPHA)
      layout.alpha = static_cast<std::uint16_t>(layout.channels - others + i);
  // One more channel without a stated meaning is left out, as by viewers. More are not a picture.
  if (layout.channels > layout.colours + 1 + (layout.alpha != 0 ? 1 : 0) || layout.alpha >= layout.channels ||
      (layout.alpha != 0 && layout.alpha < layout.colours))
    throw not_read_in_tiff(path, std::to_string(layout.channels) + " channels");
  if (layout.photometric == PHOTOMETRIC_SEPARATED && layout.bits != 8)
    throw not_read_in_tiff(path, "CMYK of " + std::to_string(layout.bits) + " bits");
  if (layout.photometric == PHOTOMETRIC_YCBCR) {
    if (layout.bits != 8) throw not_read_in_tiff(path, "YCbCr of " + std::to_string(layout.bits) + " bits");
    if (compression == COMPRESSION_JPEG && !layout.apart)
      TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    else
      layout.converted = true;
  }

  std::int64_t bits = std::int64_t{layout.width} * layout.height * layout.bits * layout.channels;
  if (layout.converted) bits /= 8;  // YCbCr may be sampled
  if (fewest_bytes(compression, bits, layout.height) > static_cast<std::int64_t>(file_bytes))
    throw claims_too_much(path, layout.width, layout.height, file_bytes);
  return layout;
}

/// `count` numbers of `bits` bits, from the first bit of the row on. libtiff has put those of 16 bits into this
/// machine's order of bytes.
void unpack_samples(const unsigned char* row, unsigned bits, std::size_t count, std::uint16_t* to) {
  if (bits == 16) {
    std::memcpy(to, row, 2 * count);
  } else if (bits == 8) {
    std::copy_n(row, count, to);
  } else {
    std::size_t bit = 0;
    for (std::size_t i = 0; i < count; ++i) {
      unsigned value = 0;
      for (unsigned left = bits; left > 0; --left, ++bit) value = value << 1 | (row[bit / 8] >> (7 - bit % 8) & 1u);
      to[i] = static_cast<std::uint16_t>(value);
    }
  }
}

/// All channels of all pixels, [height, width, channels].
class TiffPixels {
 public:
  TiffPixels(const fs::path& path, const TiffFile& file, const TiffLayout& layout)
      : path_(path),
        file_(file),
        layout_(layout),
        planes_(layout.apart ? layout.channels : 1),
        together_(layout.apart ? 1u : layout.channels) {
    pixels_.resize(std::size_t{layout.width} * layout.height * layout.channels);
    for (std::uint16_t plane = 0; plane < planes_; ++plane)
      if (layout.tiled)
        read_tiles(plane);
      else
        read_rows(plane);
  }
  std::vector<std::uint16_t> take() { return std::move(pixels_); }

 private:
  void read_rows(std::uint16_t plane) {
    const tmsize_t row_bytes = TIFFScanlineSize(file_.get());
    check(row_bytes > 0 &&
          static_cast<std::uint64_t>(row_bytes) * 8 >= std::uint64_t{layout_.width} * together_ * layout_.bits);
    std::vector<unsigned char> row(static_cast<std::size_t>(row_bytes));
    for (std::uint32_t y = 0; y < layout_.height; ++y) {
      check(TIFFReadScanline(file_.get(), row.data(), y, plane) == 1);
      place(row.data(), plane, y, 0, layout_.width);
    }
  }
  void read_tiles(std::uint16_t plane) {
    const auto width = file_.field<std::uint32_t>(TIFFTAG_TILEWIDTH, 0);
    const auto height = file_.field<std::uint32_t>(TIFFTAG_TILELENGTH, 0);
    const tmsize_t row_bytes = TIFFTileRowSize(file_.get()), tile_bytes = TIFFTileSize(file_.get());
    check(width > 0 && height > 0 && row_bytes > 0 && tile_bytes / row_bytes >= static_cast<tmsize_t>(height));
    check(static_cast<std::uint64_t>(row_bytes) * 8 >= std::uint64_t{width} * together_ * layout_.bits);
    if (std::int64_t{width} > largest_image / height)
      throw damaged(path_, "tiles of " + std::to_string(width) + " x " + std::to_string(height) + " pixels");
    std::vector<unsigned char> tile(static_cast<std::size_t>(tile_bytes));
    for (std::uint32_t top = 0; top < layout_.height; top += std::min(height, layout_.height - top))
      for (std::uint32_t left = 0; left < layout_.width; left += std::min(width, layout_.width - left)) {
        check(TIFFReadTile(file_.get(), tile.data(), left, top, 0, plane) == tile_bytes);
        for (std::uint32_t y = 0; y < std::min(height, layout_.height - top); ++y)
          place(tile.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(row_bytes), plane, top + y, left,
                std::min(width, layout_.width - left));
      }
  }
  /// `count` pixels of row y from `left` on.
  void place(const unsigned char* row, std::uint16_t plane, std::uint32_t y, std::uint32_t left, std::uint32_t count) {
    std::uint16_t* to = &pixels_[(std::size_t{y} * layout_.width + left) * layout_.channels];
    if (!layout_.apart) return unpack_samples(row, layout_.bits, std::size_t{count} * layout_.channels, to);
    plane_row_.resize(count);
    unpack_samples(row, layout_.bits, count, plane_row_.data());
    for (std::uint32_t x = 0; x < count; ++x) to[std::size_t{x} * layout_.channels + plane] = plane_row_[x];
  }
  void check(bool fine) const {
    if (!fine) throw damaged(path_, file_.error());
  }

  const fs::path& path_;
  const TiffFile& file_;
  const TiffLayout& layout_;
  std::uint16_t planes_;
  unsigned together_;  ///< channels in a row as it is read
  std::vector<std::uint16_t> pixels_, plane_row_;
};

/// libtiff's own way to RGB, for YCbCr that is not JPEG.
void decode_converted(const fs::path& path, const TiffFile& file, RawImage& image) {
  std::vector<std::uint32_t> pixels(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
  // In the order in which they are stored: its own orientation is asked for.
  const int orientation = file.field<std::uint16_t>(TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  if (TIFFReadRGBAImageOriented(file.get(), static_cast<std::uint32_t>(image.width),
                                static_cast<std::uint32_t>(image.height), pixels.data(), orientation, 1) == 0)
    throw damaged(path, file.error());
  image.samples.reserve(3 * pixels.size());
  for (const std::uint32_t pixel : pixels)
    for (const std::uint32_t value : {TIFFGetR(pixel), TIFFGetG(pixel), TIFFGetB(pixel)})
      image.samples.push_back(static_cast<std::uint16_t>(value));
}

/// Indices become colours; those beyond the palette are black.
void colour_tiff_indices(const fs::path& path, const TiffFile& file, const TiffLayout& layout, RawImage& image) {
  std::uint16_t* colours[3] = {};
  if (TIFFGetField(file.get(), TIFFTAG_COLORMAP, &colours[0], &colours[1], &colours[2]) != 1)
    throw damaged(path, "it has no palette");
  const std::size_t count = std::size_t{1} << layout.bits;
  // Colours have 16 bits, but some programs write 8.
  bool wide = false;
  for (const std::uint16_t* channel : colours)
    wide = wide || std::any_of(channel, channel + count, [](std::uint16_t value) { return value > 255; });
  image.samples.reserve(3 * image.indices.size());
  for (const std::uint16_t index : image.indices)
    for (const std::uint16_t* channel : colours)
      image.samples.push_back(static_cast<std::uint16_t>(wide ? channel[index] >> 8 : channel[index]));
}

void decode_plain(const fs::path& path, const TiffFile& file, const TiffLayout& layout, RawImage& image) {
  std::vector<std::uint16_t> stored = TiffPixels(path, file, layout).take();
  const std::size_t pixels = std::size_t{layout.width} * layout.height;
  if (layout.alpha != 0) {
    image.alpha.resize(pixels);
    for (std::size_t i = 0; i < pixels; ++i) image.alpha[i] = stored[i * layout.channels + layout.alpha];
  }
  if (layout.photometric == PHOTOMETRIC_SEPARATED) {
    image.samples.resize(3 * pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      const std::uint16_t* const inks = &stored[i * layout.channels];
      cmyk_to_rgb({inks[0], inks[1], inks[2], inks[3]}, &image.samples[3 * i]);
    }
    return;
  }
  if (layout.channels > layout.colours) {
    for (std::size_t i = 0; i < pixels; ++i)
      for (std::size_t c = 0; c < layout.colours; ++c) stored[i * layout.colours + c] = stored[i * layout.channels + c];
    stored.resize(pixels * layout.colours);
  }
  if (layout.photometric == PHOTOMETRIC_PALETTE) {
    image.indices = std::move(stored);
    return colour_tiff_indices(path, file, layout, image);
  }
  if (layout.photometric == PHOTOMETRIC_MINISWHITE)
    for (std::uint16_t& value : stored) value = static_cast<std::uint16_t>((1u << layout.bits) - 1 - value);
  image.samples = std::move(stored);
}

/// To the first page that is not a reduced copy of another.
void skip_thumbnails(const TiffFile& file) {
  while ((file.field<std::uint32_t>(TIFFTAG_SUBFILETYPE, 0) & FILETYPE_REDUCEDIMAGE) != 0)
    if (TIFFReadDirectory(file.get()) == 0) {
      TIFFSetDirectory(file.get(), 0);
      return;
    }
}

std::string tiff_format(const TiffLayout& layout) {
  const std::string bits = std::to_string(layout.bits) + "-bit ";
  switch (layout.photometric) {
    case PHOTOMETRIC_PALETTE:
      return bits + "palette";
    case PHOTOMETRIC_SEPARATED:
      return bits + "CMYK";
    case PHOTOMETRIC_RGB:
      return bits + (layout.alpha != 0 ? "RGBA" : "RGB");
    case PHOTOMETRIC_YCBCR:
      return bits + "RGB";
    default:
      return bits + (layout.alpha != 0 ? "grey with alpha" : "grey");
  }
}

}  // namespace

RawImage read_tiff(const fs::path& path, const std::string& bytes) {
  const TiffFile file(bytes);
  if (file.get() == nullptr) throw damaged(path, file.error());
  skip_thumbnails(file);
  const TiffLayout layout = read_tiff_layout(path, file, bytes.size());
  RawImage image;
  image.width = static_cast<int>(layout.width);
  image.height = static_cast<int>(layout.height);
  const bool palette = layout.photometric == PHOTOMETRIC_PALETTE;
  image.channels = layout.colours == 1 && !palette ? 1 : 3;
  image.bits = palette ? 8 : layout.bits;
  image.format = tiff_format(layout);
  const auto orientation = file.field<std::uint16_t>(TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  if (orientation >= 1 && orientation <= 8) image.orientation = orientation;
  image.lossy = layout.lossy;
  const std::int64_t pixels = std::int64_t{image.width} * image.height;
  return with_memory(path, image.width, image.height, pixels * 4 * layout.channels, [&] {
    if (layout.converted)
      decode_converted(path, file, image);
    else
      decode_plain(path, file, layout, image);
    return std::move(image);
  });
}

std::string tiff_support() {
  // "LIBTIFF, Version 4.5.0", then lines about copyright
  const std::string text = TIFFGetVersion();
  const std::size_t begin = text.find_first_of("0123456789");
  const std::string version = begin == std::string::npos ? "" : text.substr(begin, text.find('\n') - begin);
  return "yes (libtiff " + version + ")";
}

}  // namespace attnunet::data

#endif
