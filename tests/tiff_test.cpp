#include "common/data/tiff.h"

#include <gtest/gtest.h>

#include "common/core/error.h"
#include "common/data/image_file.h"
#include "support/files.h"

#ifdef ATTNUNET_HAVE_TIFF
#include <tiffio.h>
#endif

namespace attnunet::data {
namespace TEST_FILE {

using Values = std::vector<std::uint16_t>;

void expect_refused(const std::string& bytes, const std::string& reason) {
  const std::string message = message_of<Error>([&] { read_tiff("a.tif", bytes); });
  EXPECT_NE(message.find("a.tif"), std::string::npos) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message;
}

#ifndef ATTNUNET_HAVE_TIFF

TEST(Tiff, ABuildWithoutLibtiffSaysSo) {
  EXPECT_EQ(tiff_support().substr(0, 4), "no (");
  expect_refused("II*", "built without libtiff");
}

#else

struct TiffKind {
  int width = 19, height = 13;
  int bits = 8, channels = 1;
  int photometric = PHOTOMETRIC_MINISBLACK;
  int compression = COMPRESSION_NONE;
  int tile = 0;  ///< width and height of tiles; 0: strips of 4 rows
  bool apart = false;
  int alpha = 0;  ///< EXTRASAMPLE_... of the last channel
  int sample_format = SAMPLEFORMAT_UINT;
  int orientation = 0;
  bool big_endian = false;
};

/// The value of channel c at (x, y), of `bits` bits.
std::uint16_t value_at(const TiffKind& kind, int x, int y, int c) {
  return static_cast<std::uint16_t>((x * 7 + y * 29 + c * 101 + x * y * 513) & ((std::int64_t{1} << kind.bits) - 1));
}

Values channel_of(const TiffKind& kind, int c) {
  Values values;
  for (int y = 0; y < kind.height; ++y)
    for (int x = 0; x < kind.width; ++x) values.push_back(value_at(kind, x, y, c));
  return values;
}

/// The first `channels` channels of all pixels.
Values samples_of(const TiffKind& kind, int channels) {
  Values values;
  for (int y = 0; y < kind.height; ++y)
    for (int x = 0; x < kind.width; ++x)
      for (int c = 0; c < channels; ++c) values.push_back(value_at(kind, x, y, c));
  return values;
}

/// `across` pixels of row y from x on, packed as TIFF packs them; channel c, or all for -1. Pixels beyond the image are
/// 0.
std::vector<unsigned char> packed(const TiffKind& kind, int x, int y, int across, int channel) {
  std::vector<unsigned char> bytes;
  int filled = 8;
  const auto put = [&](int value) {
    if (kind.bits == 16) {
      const auto two = static_cast<std::uint16_t>(value);  // libtiff swaps as the file wants it
      bytes.insert(bytes.end(), reinterpret_cast<const unsigned char*>(&two),
                   reinterpret_cast<const unsigned char*>(&two) + 2);
      return;
    }
    for (int bit = kind.bits; bit-- > 0; ++filled) {
      if (filled == 8) {
        bytes.push_back(0);
        filled = 0;
      }
      bytes.back() = static_cast<unsigned char>(bytes.back() | (value >> bit & 1) << (7 - filled));
    }
  };
  for (int i = x; i < x + across; ++i)
    for (int c = 0; c < kind.channels; ++c)
      if (channel < 0 || c == channel) put(i < kind.width && y < kind.height ? value_at(kind, i, y, c) : 0);
  return bytes;
}

std::string tiff_bytes(const TiffKind& kind) {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.tif").string();
  TIFF* const tiff = TIFFOpen(path.c_str(), kind.big_endian ? "wb" : "wl");
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, kind.width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, kind.height);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, kind.bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, kind.channels);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, kind.sample_format);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, kind.photometric);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, kind.compression);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, kind.apart ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
  if (kind.orientation != 0) TIFFSetField(tiff, TIFFTAG_ORIENTATION, kind.orientation);
  const auto alpha = static_cast<std::uint16_t>(kind.alpha);
  if (kind.alpha != 0) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &alpha);
  if (kind.photometric == PHOTOMETRIC_PALETTE) {
    Values colours[3];
    for (int i = 0; i < 1 << kind.bits; ++i)
      for (int c = 0; c < 3; ++c) colours[c].push_back(static_cast<std::uint16_t>(((i + c) % 256) << 8));
    TIFFSetField(tiff, TIFFTAG_COLORMAP, colours[0].data(), colours[1].data(), colours[2].data());
  }
  const int planes = kind.apart ? kind.channels : 1;
  if (kind.tile != 0) {
    TIFFSetField(tiff, TIFFTAG_TILEWIDTH, kind.tile);
    TIFFSetField(tiff, TIFFTAG_TILELENGTH, kind.tile);
    for (int plane = 0; plane < planes; ++plane)
      for (int top = 0; top < kind.height; top += kind.tile)
        for (int left = 0; left < kind.width; left += kind.tile) {
          std::vector<unsigned char> bytes;
          for (int y = 0; y < kind.tile; ++y) {
            const auto row = packed(kind, left, top + y, kind.tile, kind.apart ? plane : -1);
            bytes.insert(bytes.end(), row.begin(), row.end());
          }
          TIFFWriteTile(tiff, bytes.data(), static_cast<std::uint32_t>(left), static_cast<std::uint32_t>(top), 0,
                        static_cast<std::uint16_t>(plane));
        }
  } else {
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, kind.compression == COMPRESSION_JPEG ? 8 : 4);
    for (int plane = 0; plane < planes; ++plane)
      for (int y = 0; y < kind.height; ++y)
        TIFFWriteScanline(tiff, packed(kind, 0, y, kind.width, kind.apart ? plane : -1).data(),
                          static_cast<std::uint32_t>(y), static_cast<std::uint16_t>(plane));
  }
  TIFFClose(tiff);
  return read_text(path);
}

RawImage read(const TiffKind& kind) {
  return read_tiff("a.tif", tiff_bytes(kind));
}

TEST(Tiff, GreyOfEveryDepth) {
  for (int bits = 1; bits <= 16; ++bits)
    for (const int photometric : {PHOTOMETRIC_MINISBLACK, PHOTOMETRIC_MINISWHITE})
      for (const bool big_endian : {false, true}) {
        TiffKind kind;
        kind.bits = bits;
        kind.photometric = photometric;
        kind.big_endian = big_endian;
        SCOPED_TRACE(bits);
        const RawImage image = read(kind);
        EXPECT_EQ(image.width, kind.width);
        EXPECT_EQ(image.height, kind.height);
        EXPECT_EQ(image.channels, 1);
        EXPECT_EQ(image.bits, bits);
        EXPECT_EQ(image.format, std::to_string(bits) + "-bit grey");
        Values expected = channel_of(kind, 0);
        if (photometric == PHOTOMETRIC_MINISWHITE)
          for (auto& value : expected) value = static_cast<std::uint16_t>((1 << bits) - 1 - value);
        EXPECT_EQ(image.samples, expected);
      }
}

TEST(Tiff, EveryCompressionStripsAndTilesTogetherAndApart) {
  for (const int compression :
       {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE, COMPRESSION_PACKBITS})
    for (const int tile : {0, 16})
      for (const bool apart : {false, true})
        for (const int bits : {8, 16}) {
          TiffKind kind;
          kind.compression = compression;
          kind.tile = tile;
          kind.apart = apart;
          kind.bits = bits;
          kind.channels = 3;
          kind.photometric = PHOTOMETRIC_RGB;
          SCOPED_TRACE("compression " + std::to_string(compression) + " tile " + std::to_string(tile) +
                       (apart ? " apart" : "") + ", bits " + std::to_string(bits));
          const RawImage image = read(kind);
          EXPECT_EQ(image.channels, 3);
          EXPECT_EQ(image.samples, samples_of(kind, 3));
          EXPECT_TRUE(image.alpha.empty());
        }
}

TEST(Tiff, Jpeg) {
  TiffKind kind;
  kind.width = kind.height = 16;
  kind.compression = COMPRESSION_JPEG;
  const RawImage image = read(kind);
  ASSERT_EQ(image.samples.size(), 256u);
  EXPECT_EQ(image.bits, 8);
  for (const std::uint16_t value : image.samples) EXPECT_LE(value, 255);
  EXPECT_TRUE(image.lossy);
  kind.compression = COMPRESSION_LZW;
  EXPECT_FALSE(read(kind).lossy);
}

/// A black image in one strip.
std::string blank_tiff(int side, int bits, int compression) {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.tif").string();
  TIFF* const tiff = TIFFOpen(path.c_str(), "w");
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, side);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, side);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
  TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, side);
  std::vector<unsigned char> row(static_cast<std::size_t>(side * bits / 8), 0);
  for (int y = 0; y < side; ++y) TIFFWriteScanline(tiff, row.data(), static_cast<std::uint32_t>(y), 0);
  TIFFClose(tiff);
  return read_text(path);
}

// Masks without a lesion: no other picture is so small in a file.
TEST(Tiff, BlankImagesOfEveryCompressionAreWhole) {
  for (const int compression : {COMPRESSION_PACKBITS, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_CCITTFAX3,
                                COMPRESSION_CCITTFAX4, COMPRESSION_LZMA, COMPRESSION_ZSTD}) {
    if (TIFFIsCODECConfigured(static_cast<std::uint16_t>(compression)) == 0) continue;
    const bool fax = compression == COMPRESSION_CCITTFAX3 || compression == COMPRESSION_CCITTFAX4;
    const int side = fax ? 2000 : 1024;
    const RawImage image = read_tiff("a.tif", blank_tiff(side, fax ? 1 : 8, compression));
    EXPECT_EQ(image.width, side) << compression;
    EXPECT_TRUE(image.samples == Values(static_cast<std::size_t>(side * side))) << compression;
  }
}

TEST(Tiff, CompressionsThatAreNotReadAreNamed) {
  std::string bytes = tiff_bytes({});
  const std::size_t entry = bytes.rfind(std::string("\3\1\3\0\1\0\0\0", 8));
  ASSERT_NE(entry, std::string::npos);
  for (const auto& [number, name] :
       {std::pair{34712, "(JPEG 2000)"}, {50002, "(JPEG XL)"}, {12345, "(number 12345)"}}) {
    bytes[entry + 8] = static_cast<char>(number & 255);
    bytes[entry + 9] = static_cast<char>(number >> 8);
    expect_refused(bytes, std::string("is a TIFF image whose compression ") + name + " is not read; save it without");
  }
}

TEST(Tiff, AlphaIsAChannelOfItsOwn) {
  for (const int channels : {2, 4})
    for (const bool apart : {false, true})
      for (const int alpha : {EXTRASAMPLE_ASSOCALPHA, EXTRASAMPLE_UNASSALPHA, EXTRASAMPLE_UNSPECIFIED}) {
        TiffKind kind;
        kind.channels = channels;
        kind.photometric = channels == 2 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB;
        kind.apart = apart;
        kind.alpha = alpha;
        const RawImage image = read(kind);
        EXPECT_EQ(image.samples, samples_of(kind, channels - 1));
        EXPECT_EQ(image.alpha, alpha == EXTRASAMPLE_UNSPECIFIED ? Values() : channel_of(kind, channels - 1));
      }
}

TEST(Tiff, Palettes) {
  for (const int bits : {1, 2, 4, 8}) {
    TiffKind kind;
    kind.bits = bits;
    kind.photometric = PHOTOMETRIC_PALETTE;
    const RawImage image = read(kind);
    EXPECT_EQ(image.indices, channel_of(kind, 0));
    EXPECT_EQ(image.bits, 8);
    EXPECT_EQ(image.format, std::to_string(bits) + "-bit palette");
    ASSERT_EQ(image.samples.size(), 3 * image.indices.size());
    for (std::size_t i = 0; i < image.indices.size(); ++i)
      for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(image.samples[3 * i + c], (image.indices[i] + c) % 256);
  }
}

TEST(Tiff, Cmyk) {
  TiffKind kind;
  kind.channels = 4;
  kind.photometric = PHOTOMETRIC_SEPARATED;
  const RawImage image = read(kind);
  const Values inks = samples_of(kind, 4);
  ASSERT_EQ(image.samples.size(), inks.size() / 4 * 3);
  for (std::size_t i = 0; i < inks.size() / 4; ++i)
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(image.samples[3 * i + c], (255 - inks[4 * i + c]) * (255 - inks[4 * i + 3]) / 255.0, 0.51);
}

TEST(Tiff, OrientationIsAppliedOnReading) {
  const TemporaryFolder folder;
  for (int orientation = 1; orientation <= 8; ++orientation) {
    TiffKind kind;
    kind.orientation = orientation;
    write_text(folder / "a.tif", tiff_bytes(kind));
    const RawImage shown = read_raw(folder / "a.tif"), stored = read_raw(folder / "a.tif", {true});
    EXPECT_EQ(stored.orientation, orientation);
    EXPECT_EQ(stored.samples, samples_of(kind, 1));
    EXPECT_EQ(shown.width, orientation < 5 ? kind.width : kind.height);
    EXPECT_EQ(shown.samples, oriented(stored).samples);
  }
}

TEST(Tiff, ThumbnailsBeforeTheImageAreSkipped) {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.tif").string();
  TIFF* const tiff = TIFFOpen(path.c_str(), "w");
  for (const auto& [side, kind] : {std::pair{4, FILETYPE_REDUCEDIMAGE}, {9, 0}, {5, FILETYPE_REDUCEDIMAGE}}) {
    TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, kind);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, side);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, side);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    std::vector<unsigned char> row(static_cast<std::size_t>(side), 7);
    for (int y = 0; y < side; ++y) TIFFWriteScanline(tiff, row.data(), static_cast<std::uint32_t>(y), 0);
    TIFFWriteDirectory(tiff);
  }
  TIFFClose(tiff);
  EXPECT_EQ(read_tiff("a.tif", read_text(path)).width, 9);
}

TEST(Tiff, WhatIsNotReadIsNamed) {
  TiffKind kind;
  kind.bits = 32;
  expect_refused(tiff_bytes(kind), "32 bits per channel");
  kind.sample_format = SAMPLEFORMAT_IEEEFP;
  expect_refused(tiff_bytes(kind), "32-bit floating-point numbers");
  kind.bits = 16;
  kind.sample_format = SAMPLEFORMAT_INT;
  expect_refused(tiff_bytes(kind), "signed numbers of 16 bits");
  kind.sample_format = SAMPLEFORMAT_UINT;
  kind.channels = 5;
  expect_refused(tiff_bytes(kind), "5 channels");
  kind.channels = 3;
  kind.photometric = PHOTOMETRIC_CIELAB;
  expect_refused(tiff_bytes(kind), "CIELAB colours");
}

TEST(Tiff, CutFilesAreDamagedAndNothingReachesStderr) {
  TiffKind kind;
  kind.compression = COMPRESSION_LZW;
  const std::string whole = tiff_bytes(kind);
  testing::internal::CaptureStderr();
  // libtiff writes the directory last, so that a cut file has none.
  for (std::size_t length = 4; length < whole.size(); length += 7) expect_refused(whole.substr(0, length), "damaged");
  std::string wrong = whole;
  for (std::size_t i = 8; i < 200; ++i) wrong[i] = '\xff';
  expect_refused(wrong, "damaged");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Tiff, HugeClaimsAreRefusedBeforeAllocating) {
  const TiffKind kind;
  const auto claim = [&](std::uint32_t width, std::uint32_t height) {
    std::string bytes = tiff_bytes(kind);
    for (const auto& [tag, value] : {std::pair<char, std::uint32_t>{'\0', width}, {'\1', height}}) {
      const std::size_t entry = bytes.rfind(std::string{tag, '\1'} + std::string{'\3', '\0', '\1', '\0', '\0', '\0'});
      if (entry == std::string::npos) continue;
      bytes[entry + 2] = 4;  // a long number
      for (std::size_t i = 0; i < 4; ++i) bytes[entry + 8 + i] = static_cast<char>(value >> (8 * i));
    }
    return bytes;
  };
  expect_refused(claim(1u << 16, 1u << 15), "limit of 268435456");
  expect_refused(claim(1u << 14, 1u << 14), "bytes hold");
}

TEST(Tiff, TheVersionIsNamed) {
  EXPECT_EQ(tiff_support().substr(0, 13), "yes (libtiff ");
}

#endif

}  // namespace TEST_FILE
}  // namespace attnunet::data
