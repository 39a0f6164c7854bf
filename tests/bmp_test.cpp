#include "common/data/bmp.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/core/error.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

using Values = std::vector<std::uint16_t>;

std::string number(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

/// A header of `bytes` bytes: 12 of the first OS/2, 16 to 64 of OS/2 or Windows, 108, 124. What it has no room for is
/// cut off; what it has beyond 40 bytes is `rest`, then zeros.
std::string header(std::uint32_t bytes, int width, int height, int bits, std::uint32_t code = 0,
                   std::uint32_t colours = 0, const std::string& rest = "") {
  const auto depth = static_cast<std::uint32_t>(bits);
  if (bytes == 12)
    return number(12, 4) + number(static_cast<std::uint32_t>(width), 2) +
           number(static_cast<std::uint32_t>(height), 2) + number(1, 2) + number(depth, 2);
  std::string text = number(bytes, 4) + number(static_cast<std::uint32_t>(width), 4) +
                     number(static_cast<std::uint32_t>(height), 4) + number(1, 2) + number(depth, 2) + number(code, 4) +
                     number(0, 4) + number(2835, 4) + number(2835, 4) + number(colours, 4) + number(0, 4) + rest;
  text.resize(bytes);
  return text;
}

/// `gap` bytes lie between what comes before the pixels and the pixels.
std::string bmp(const std::string& header, const std::string& palette, const std::string& pixels, std::size_t gap = 0) {
  const auto offset = static_cast<std::uint32_t>(14 + header.size() + palette.size() + gap);
  return "BM" + number(0, 4) + number(0, 4) + number(offset, 4) + header + palette + std::string(gap, '\xee') + pixels;
}

/// `entry` bytes per colour: blue, green, red, and if there is room a byte that must not matter.
std::string palette_of(std::size_t colours, std::size_t entry) {
  std::string text;
  for (std::size_t i = 0; i < colours; ++i) {
    text += {static_cast<char>(255 - i), static_cast<char>(i + 20), static_cast<char>(i + 100)};
    if (entry == 4) text += '\x77';
  }
  return text;
}

/// What palette_of gives these indices; black if they are beyond it.
Values colours_of(const Values& indices, std::size_t colours) {
  Values samples;
  for (const std::uint16_t i : indices) {
    const bool known = i < colours;
    for (const int value : {i + 100, i + 20, 255 - i})
      samples.push_back(known ? static_cast<std::uint16_t>(value & 255) : std::uint16_t{0});
  }
  return samples;
}

RawImage read(const std::string& bytes) {
  return read_bmp("a.bmp", bytes);
}

void expect_refused(const std::string& bytes, const std::string& reason) {
  const std::string message = message_of<Error>([&] { read(bytes); });
  EXPECT_NE(message.find("a.bmp"), std::string::npos) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message;
}

/// Cut anywhere, and whole.
void expect_damaged_if_cut(const std::string& bytes) {
  for (std::size_t length = 2; length < bytes.size(); ++length) expect_refused(bytes.substr(0, length), "damaged");
  read(bytes);
}

/// 5 x 2 indices, the lower row first and padded to four bytes.
struct Indexed {
  int bits;
  std::string pixels;
  Values indices;
};
const Indexed indexed[] = {
    {1, std::string("\xa8\0\0\0\x50\0\0\0", 8), {0, 1, 0, 1, 0, 1, 0, 1, 0, 1}},
    {2, std::string("\x1b\xc0\0\0\xe4\0\0\0", 8), {3, 2, 1, 0, 0, 0, 1, 2, 3, 3}},
    {4, std::string("\x12\x34\x50\0\xfe\xdc\xb0\0", 8), {15, 14, 13, 12, 11, 1, 2, 3, 4, 5}},
    {8, std::string("\1\2\3\4\5\0\0\0\xfe\x80\0\x7f\xff\0\0\0", 16), {254, 128, 0, 127, 255, 1, 2, 3, 4, 5}},
};

TEST(Bmp, EveryHeaderAndDepthOfPalettes) {
  for (const Indexed& one : indexed)
    for (const std::uint32_t bytes : {12u, 16u, 24u, 40u, 52u, 56u, 64u, 108u, 124u})
      for (const std::size_t gap : {0u, 10u}) {
        SCOPED_TRACE(std::to_string(one.bits) + " bits, header of " + std::to_string(bytes));
        const std::size_t colours = std::size_t{1} << one.bits;
        const RawImage image =
            read(bmp(header(bytes, 5, 2, one.bits), palette_of(colours, bytes == 12 ? 3 : 4), one.pixels, gap));
        EXPECT_EQ(image.width, 5);
        EXPECT_EQ(image.height, 2);
        EXPECT_EQ(image.bits, 8);
        EXPECT_EQ(image.channels, 3);
        EXPECT_EQ(image.indices, one.indices);
        EXPECT_EQ(image.samples, colours_of(one.indices, colours));
        EXPECT_EQ(image.format, std::to_string(one.bits) + "-bit palette");
      }
}

// Never what happens to be in memory, nor what follows the palette in the file.
TEST(Bmp, ColoursBeyondThePaletteAreBlack) {
  for (const Indexed& one : indexed)
    for (const std::uint32_t bytes : {12u, 40u, 124u}) {
      const std::size_t entry = bytes == 12 ? 3 : 4;
      // A header of 12 bytes does not say how many colours there are: as many as come before the pixels.
      const RawImage image = read(bmp(header(bytes, 5, 2, one.bits, 0, 1), palette_of(1, entry), one.pixels));
      EXPECT_EQ(image.samples, colours_of(one.indices, 1));
      EXPECT_EQ(image.indices, one.indices);
    }
  const Indexed& eight = indexed[3];
  EXPECT_EQ(read(bmp(header(40, 5, 2, 8, 0, 100), palette_of(3, 4), eight.pixels)).samples,
            colours_of(eight.indices, 3));
  EXPECT_EQ(read(bmp(header(40, 5, 2, 8, 0, 3), palette_of(256, 4), eight.pixels)).samples,
            colours_of(eight.indices, 3));
  EXPECT_EQ(read(bmp(header(40, 5, 2, 8, 0, 4000), palette_of(256, 4), eight.pixels)).samples,
            colours_of(eight.indices, 256));
}

TEST(Bmp, RunsOf8Bits) {
  const auto indices = [](const std::string& code) {
    return read(bmp(header(40, 4, 3, 8, 1), palette_of(256, 4), code)).indices;
  };
  // The lowest row as a run and a pixel; three and one pixels as they are, padded; a run.
  EXPECT_EQ(indices(std::string("\3\7\1\xff\0\0\0\3abc\0\1d\0\0\4\2\0\0\0\1", 22)),
            (Values{2, 2, 2, 2, 'a', 'b', 'c', 'd', 7, 7, 7, 255}));
  // A jump by one pixel to the right and two rows up; the image ends early. What is left out is index 0.
  EXPECT_EQ(indices(std::string("\1\7\0\2\1\2\1\x9\0\1", 10)), (Values{0, 0, 9, 0, 0, 0, 0, 0, 7, 0, 0, 0}));
  // What goes beyond the right edge or above the image is left out; no end of the image is needed after the last pixel.
  EXPECT_EQ(indices(std::string("\xff\1\0\0\0\2\0\1\5\3", 10)), (Values{3, 3, 3, 3, 0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(indices(std::string("\0\2\0\xff\1\5", 6)), Values(12, 0));
  EXPECT_EQ(indices(std::string("\0\1", 2)), Values(12, 0));
}

TEST(Bmp, RunsOf4Bits) {
  const auto indices = [](const std::string& code) {
    return read(bmp(header(40, 5, 2, 4, 2), palette_of(16, 4), code)).indices;
  };
  // A run alternates its two pixels; five pixels as they are take three bytes and one of padding.
  EXPECT_EQ(indices(std::string("\5\x12\0\0\0\5\x34\x56\x70\0\0\1", 12)), (Values{3, 4, 5, 6, 7, 1, 2, 1, 2, 1}));
  EXPECT_EQ(indices(std::string("\0\2\2\1\2\xfe\0\1", 8)), (Values{0, 0, 15, 14, 0, 0, 0, 0, 0, 0}));
}

TEST(Bmp, MasksAndTheirDefaults) {
  const auto samples = [](const std::string& header, const std::string& masks, const std::string& pixels) {
    return read(bmp(header, masks, pixels)).samples;
  };
  const auto masks = [](std::uint32_t red, std::uint32_t green, std::uint32_t blue) {
    return number(red, 4) + number(green, 4) + number(blue, 4);
  };
  // 5 bits of each, of 0 to 31
  const std::string sixteen = number(0x7fff, 2) + number(1 << 10 | 2 << 5 | 3, 2);
  EXPECT_EQ(samples(header(40, 2, 1, 16), "", sixteen), (Values{255, 255, 255, 8, 16, 24}));
  // 5, 6 and 5 bits; behind a header of 40 bytes and as a part of longer ones
  const std::string widest = masks(0xf800, 0x7e0, 0x1f), pixels = number(0xf81f, 2) + number(1 << 11 | 2 << 5 | 3, 2);
  const Values expected = {255, 0, 255, 8, 8, 24};
  EXPECT_EQ(samples(header(40, 2, 1, 16, 3), widest, pixels), expected);
  for (const std::uint32_t bytes : {52u, 56u, 108u, 124u})
    EXPECT_EQ(samples(header(bytes, 2, 1, 16, 3, 0, widest), "", pixels), expected) << bytes;
  EXPECT_EQ(samples(header(40, 1, 1, 24), "", std::string("\x10\x20\x30\0", 4)), (Values{0x30, 0x20, 0x10}));
  EXPECT_EQ(samples(header(40, 1, 1, 32), "", "\x10\x20\x30\x40"), (Values{0x30, 0x20, 0x10}));
  EXPECT_EQ(samples(header(40, 1, 1, 32, 3), masks(0xff, 0xff00, 0xff0000), "\x10\x20\x30\x40"),
            (Values{0x10, 0x20, 0x30}));
  // 10 bits keep the eight high ones; a colour without a mask is 0.
  EXPECT_EQ(samples(header(40, 1, 1, 32, 3), masks(0x3ff00000, 0xffc00, 0), number(0x2ffu << 20 | 0x103u << 10 | 5, 4)),
            (Values{0xbf, 0x40, 0}));
}

TEST(Bmp, AlphaIsWhatAMaskNamesAlpha) {
  const std::string masks = number(0xff0000, 4) + number(0xff00, 4) + number(0xff, 4) + number(0xff000000, 4);
  for (const std::uint32_t bytes : {56u, 108u, 124u}) {
    const RawImage image = read(bmp(header(bytes, 1, 1, 32, 3, 0, masks), "", "\x10\x20\x30\x40"));
    EXPECT_EQ(image.samples, (Values{0x30, 0x20, 0x10}));
    EXPECT_EQ(image.alpha, (Values{0x40}));
    EXPECT_EQ(image.format, "8-bit RGBA");
  }
  EXPECT_EQ(read(bmp(header(40, 1, 1, 32, 6), masks, "\x10\x20\x30\x40")).alpha, (Values{0x40}));
  EXPECT_TRUE(read(bmp(header(40, 1, 1, 32), "", "\x10\x20\x30\x40")).alpha.empty());
}

TEST(Bmp, RowsFromTopToBottomAndPalettesThatAreOnlySuggested) {
  const std::string pixels("\1\2\3\4\5\6\0\0\7\x8\x9\xa\xb\xc\0\0", 16);
  const Values first = {3, 2, 1, 6, 5, 4}, second = {9, 8, 7, 12, 11, 10};
  const auto samples = [&](int height, const std::string& palette) {
    return read(bmp(header(40, 2, height, 24, 0, static_cast<std::uint32_t>(palette.size() / 4)), palette, pixels))
        .samples;
  };
  const auto joined = [](Values a, const Values& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  EXPECT_EQ(samples(2, ""), joined(second, first));
  EXPECT_EQ(samples(-2, ""), joined(first, second));
  EXPECT_EQ(samples(2, palette_of(16, 4)), joined(second, first));
}

TEST(Bmp, CutFilesAreDamaged) {
  expect_damaged_if_cut(bmp(header(12, 5, 2, 4), palette_of(16, 3), indexed[2].pixels));
  expect_damaged_if_cut(bmp(header(124, 5, 2, 8), palette_of(4, 4), indexed[3].pixels, 3));
  expect_damaged_if_cut(bmp(header(40, 2, 1, 16, 3), std::string(12, '\0').replace(0, 1, "\7"), "abcd"));
  expect_damaged_if_cut(bmp(header(40, 4, 1, 8, 1), palette_of(2, 4), std::string("\0\3abc\0\1d", 8)));
  expect_damaged_if_cut(bmp(header(40, 5, 1, 4, 2), palette_of(2, 4), std::string("\4\x12\1\x30", 4)));
}

TEST(Bmp, WhatIsNotReadIsNamed) {
  expect_refused(bmp(header(40, 8, 8, 24, 4), "", "JPEG"), "a JPEG image");
  expect_refused(bmp(header(40, 8, 8, 24, 5), "", "PNG"), "a PNG image");
  expect_refused(bmp(header(64, 8, 8, 1, 3), "", "code"), "Huffman");
  expect_refused(bmp(header(64, 8, 8, 24, 4), "", "code"), "RLE24");
}

TEST(Bmp, ImpossibleHeadersAreDamaged) {
  expect_refused(bmp(header(40, 5, 2, 5), "", "pixels"), "5 bits per pixel");
  expect_refused(bmp(header(40, 5, 2, 4, 1), "", "pixels"), "code 1 with 4 bits");
  expect_refused(bmp(header(40, 5, 2, 24, 77), "", "pixels"), "code 77");
  expect_refused(bmp(header(100, 5, 2, 24), "", "pixels"), "a header of 100 bytes");
  expect_refused(bmp(header(40, -5, 2, 24), "", "pixels"), "-5 x 2");
  const auto masked = [](std::uint32_t red, std::uint32_t green) {
    return bmp(header(40, 2, 1, 16, 3), number(red, 4) + number(green, 4) + number(0, 4), "abcd");
  };
  expect_refused(masked(0xf0, 0x18), "overlap");
  expect_refused(masked(0xf5, 0), "gaps");
  expect_refused(masked(0, 0), "masks are empty");
  std::string inside = bmp(header(40, 1, 1, 24), "", "abcd");
  inside[10] = 20;
  expect_refused(inside, "begin within its header");
  inside[10] = 100;
  expect_refused(inside, "ends before its first pixel");
}

TEST(Bmp, HugeClaimsAreRefusedBeforeAllocating) {
  expect_refused(bmp(header(40, 1 << 16, 1 << 15, 8, 1), palette_of(2, 4), std::string("\0\1", 2)),
                 "limit of 268435456");
  expect_refused(bmp(header(40, 1 << 14, 1 << 14, 8, 1), palette_of(2, 4), std::string("\0\1", 2)), "bytes hold");
  expect_refused(bmp(header(40, 1 << 14, 1 << 14, 1), palette_of(2, 4), "pixels"), "bytes hold");
  expect_refused(bmp(header(40, 5, INT32_MIN, 24), "", "pixels"), "limit of 268435456");
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
