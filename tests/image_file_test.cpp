#include "common/data/image_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "common/core/error.h"
#include "common/core/random.h"
#include "common/data/image_bytes.h"
#include "common/data/image_extent.h"
#include "support/files.h"
#include "support/png_reader.h"

namespace attnunet::data {
namespace TEST_FILE {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) {
  return fs::path(source_folder()) / "tests/golden/images" / name;
}

/// The largest difference from what Pillow read.
int difference_from_pillow(const std::string& name) {
  const Grey actual = read_image(golden(name)), expected = read_luma(golden(name + "_luma.png"));
  EXPECT_EQ(actual.width, 37);
  EXPECT_EQ(actual.height, 29);
  EXPECT_EQ(actual.pixels.size(), expected.pixels.size());
  int largest = 0;
  for (std::size_t i = 0; i < std::min(actual.pixels.size(), expected.pixels.size()); ++i)
    largest = std::max(largest, std::abs(actual.pixels[i] - expected.pixels[i]));
  return largest;
}

TEST(ImageFile, BmpOfEveryKindIsExact) {
  for (const char* name :
       {"grey.bmp", "black_and_white.bmp", "palette.bmp", "colour.bmp", "alpha.bmp", "top_down.bmp"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(difference_from_pillow(name), 0);
  }
}

TEST(ImageFile, HeadersTellTheSize) {
  for (const char* name : {"grey.bmp", "palette.bmp", "alpha.bmp", "top_down.bmp", "grey.jpg", "colour_420.jpg",
                           "progressive.jpg", "cmyk.jpg", "grey.jpg_luma.png"})
    EXPECT_EQ(pixels_by_header(golden(name)), 37 * 29) << name;
  const TemporaryFolder folder;
  const std::string jpeg = read_text(golden("progressive.jpg"));
  for (const std::string& text : {std::string(), std::string("BM"), std::string(100, 'x'), jpeg.substr(0, 30)}) {
    write_text(folder / "x", text);
    EXPECT_EQ(pixels_by_header(folder / "x"), 0) << text.size();
  }
  EXPECT_EQ(pixels_by_header(folder.path()), 0);
}

// Pillow has libjpeg-turbo too.
TEST(ImageFile, JpegOfEveryKindIsExact) {
  for (const char* name : {"grey.jpg", "colour_444.jpg", "colour_420.jpg", "progressive.jpg", "cmyk.jpg"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(difference_from_pillow(name), 0);
  }
}

TEST(ImageFile, WhatAFileHoldsDecidesNotItsName) {
  const TemporaryFolder folder;
  fs::copy_file(golden("grey.jpg"), folder / "a.png");
  EXPECT_EQ(read_image(folder / "a.png").pixels, read_image(golden("grey.jpg")).pixels);
  write_png(folder / "b.jpeg", Grey{2, 1, {7, 9}});
  EXPECT_EQ(read_image(folder / "b.jpeg").pixels, (std::vector<std::uint8_t>{7, 9}));
}

TEST(ImageFile, NamesOfImages) {
  for (const char* name :
       {"a.png", "b/c.JPG", "a.b.jpeg", "a.Bmp", "a.PNG", "a.jfif", "a.JPE", "a.dib", "a.Tif", "a.TIFF"})
    EXPECT_TRUE(has_image_name(name)) << name;
  for (const char* name : {"a.txt", "png", ".png", "a.png.tmp", "a.gif", ""})
    EXPECT_FALSE(has_image_name(name)) << name;
}

void expect_refused(const fs::path& path, const std::string& reason) {
  const std::string message = message_of<Error>([&] { read_image(path); });
  EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message;
}

TEST(ImageFile, BadFilesAreNamed) {
  const TemporaryFolder folder;
  expect_refused(folder / "missing.jpg", "No such file");
  write_text(folder / "empty.jpg", "");
  expect_refused(folder / "empty.jpg", "empty");
  write_text(folder / "text.bmp", "Text, however long it goes on.");
  expect_refused(folder / "text.bmp", "neither PNG nor JPEG nor BMP");
  write_text(folder / "bm.txt", "BMI, age, and other things that a table may have\n");
  expect_refused(folder / "bm.txt", "neither PNG nor JPEG nor BMP");
  write_text(folder / "zeros.png", std::string(500, '\0'));
  expect_refused(folder / "zeros.png", "damaged (all its bytes are 0)");
  write_text(folder / "mangled.png", "\x89PNG\n\x1a\n and so on");
  expect_refused(folder / "mangled.png", "damaged (its PNG signature was changed");
  fs::create_directory(folder / "folder.jpg");
  expect_refused(folder / "folder.jpg", "is a folder");
  ASSERT_EQ(mkfifo((folder / "pipe.jpg").c_str(), 0600), 0);
  expect_refused(folder / "pipe.jpg", "not a regular file");
}

TEST(ImageFile, KindsThatAreNotReadAreNamed) {
  const TemporaryFolder folder;
  const struct {
    std::string bytes;
    const char* reason;
  } all[] = {
      {"GIF89a", "is a GIF image, which is not read; save its pictures as PNG"},
      {std::string("RIFF\x10\0\0\0WEBPVP8 ", 16), "a WebP image"},
      {std::string("\0\0\0\x18"
                   "ftypheic\0\0\0\0",
                   16),
       "a HEIC image"},
      {std::string("\0\0\0\x18"
                   "ftypavif\0\0\0\0",
                   16),
       "an AVIF image"},
      {std::string("\0\0\0\x18"
                   "ftypisom\0\0\0\0",
                   16),
       "a video"},
      {std::string("\0\0\0\xcjP  \r\n\x87\n", 12), "a JPEG 2000 image"},
      {"8BPS", "a Photoshop file"},
      {"%PDF-1.7", "a PDF document"},
      {"P5\n2 2\n255\nabcd", "a PGM image"},
      {std::string(344, 'x') + std::string("n+1\0", 4), "a NIfTI volume"},
      {"PK\3\4", "a ZIP archive; unpack it"},
      {"\x1f\x8b", "compressed by gzip; unpack it"},
      {"version https://git-lfs.github.com/spec/v1", "git lfs pull"},
      {"<!DOCTYPE html>", "a web page"},
  };
  for (const auto& one : all) {
    write_text(folder / "a.png", one.bytes);
    expect_refused(folder / "a.png", one.reason);
  }
}

// Cut anywhere they are refused, unless it is the marker behind the last pixel of a JPEG file that is gone.
TEST(ImageFile, CutFilesAreDamaged) {
  const TemporaryFolder folder;
  for (const char* name : {"grey.jpg", "progressive.jpg", "colour.bmp", "palette.bmp"}) {
    SCOPED_TRACE(name);
    const std::string whole = read_text(golden(name));
    const std::size_t needed = std::string(name).find(".jpg") != std::string::npos ? whole.size() - 2 : whole.size();
    for (std::size_t length = 2; length < needed; length += 1 + length / 40) {
      write_text(folder / "cut", whole.substr(0, length));
      expect_refused(folder / "cut", "damaged");
    }
    write_text(folder / "cut", whole.substr(0, needed - 1));
    expect_refused(folder / "cut", "damaged");
    write_text(folder / "cut", whole);
    EXPECT_EQ(read_image(folder / "cut").pixels, read_image(golden(name)).pixels);
  }
}

// Which is not damage.
TEST(ImageFile, TooLittleMemoryIsNamedWithTheNeed) {
  const std::string message = message_of<Error>([] {
    with_memory("a.png", 20000, 10000, std::int64_t{3200} << 20, []() -> RawImage { throw std::bad_alloc(); });
  });
  EXPECT_EQ(message,
            "'a.png' has 20000 x 10000 pixels and takes 3200 MiB of memory to read, more than there is; scale it down, "
            "or free some memory");
}

TEST(ImageFile, HugeClaimsAreRefusedBeforeAllocating) {
  const TemporaryFolder folder;
  std::string bmp = read_text(golden("colour.bmp"));
  const auto claim = [&](std::uint32_t width, std::uint32_t height) {
    for (std::size_t i = 0; i < 4; ++i) {
      bmp[18 + i] = static_cast<char>(width >> (8 * i));
      bmp[22 + i] = static_cast<char>(height >> (8 * i));
    }
    write_text(folder / "a.bmp", bmp);
  };
  claim(1u << 16, 1u << 15);
  expect_refused(folder / "a.bmp", "limit of 268435456");
  claim(1u << 13, 1u << 13);
  expect_refused(folder / "a.bmp", "bytes hold");
  claim(5, 0x80000000u);
  expect_refused(folder / "a.bmp", "limit of 268435456");
  claim(5, 0);
  expect_refused(folder / "a.bmp", "5 x 0");

  std::string jpeg = read_text(golden("progressive.jpg"));
  const std::size_t frame = jpeg.find("\xff\xc2");  // then length 2, depth 1, height 2, width 2
  for (std::size_t i = 5; i < 9; ++i) jpeg[frame + i] = '\x7f';
  write_text(folder / "a.jpg", jpeg);
  expect_refused(folder / "a.jpg", "limit of 268435456");
  for (std::size_t i = 5; i < 9; i += 2) jpeg[frame + i] = '\x20';
  write_text(folder / "a.jpg", jpeg);
  expect_refused(folder / "a.jpg", "bytes hold");
}

// Decoders have written beyond their tables for tables of more than 256 codes, and read beyond them for 256 short ones.
TEST(ImageFile, HuffmanTablesThatNoEncoderWritesAreRefused) {
  const TemporaryFolder folder;
  const std::string whole = read_text(golden("grey.jpg"));
  const std::size_t counts = whole.find("\xff\xc4") + 5;
  for (const auto& [length, count] : {std::pair<std::size_t, int>{16, 255}, {9, 245}}) {
    std::string bytes = whole;
    bytes[counts + length - 1] = static_cast<char>(count);
    write_text(folder / "a.jpg", bytes);
    expect_refused(folder / "a.jpg", "Huffman table");
  }
}

// Whatever is in a file: an image or one line, no crash (the sanitizers see this test too).
TEST(ImageFile, ScrambledFilesAreAnImageOrAnError) {
  const TemporaryFolder folder;
  Random random(3);
  int images = 0, errors = 0;
  for (const char* name : {"grey.jpg", "colour_420.jpg", "progressive.jpg", "palette.bmp", "alpha.bmp"}) {
    const std::string whole = read_text(golden(name));
    for (int i = 0; i < 100; ++i) {
      std::string bytes = whole;
      for (std::uint32_t changes = 1 + random.below(3); changes > 0; --changes)
        bytes[2 + random.below(static_cast<std::uint32_t>(bytes.size()) - 2)] = static_cast<char>(random.below(256));
      write_text(folder / "a", bytes);
      try {
        const Grey image = read_image(folder / "a");
        EXPECT_EQ(image.pixels.size(), static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
        ++images;
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        ++errors;
      }
    }
  }
  EXPECT_GT(images, 50);
  EXPECT_GT(errors, 50);
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
