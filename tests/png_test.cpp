#include "common/data/png.h"

#include <lodepng.h>
#include <sys/resource.h>

#include <csignal>
#include <iterator>

#include "common/core/error.h"
#include "common/core/random.h"
#include "support/files.h"

namespace attnunet::data {
namespace {

/// `raw` is in the file's own colour type and depth.
void write_raw(const std::filesystem::path& path, const std::vector<unsigned char>& raw, unsigned width,
               unsigned height, LodePNGColorType type, unsigned depth) {
  lodepng::State state;
  state.encoder.auto_convert = 0;
  state.info_raw.colortype = state.info_png.color.colortype = type;
  state.info_raw.bitdepth = state.info_png.color.bitdepth = depth;
  if (type == LCT_PALETTE)
    for (LodePNGColorMode* mode : {&state.info_raw, &state.info_png.color}) {
      lodepng_palette_add(mode, 10, 20, 30, 255);
      lodepng_palette_add(mode, 200, 100, 50, 0);
    }
  std::vector<unsigned char> bytes;
  ASSERT_EQ(lodepng::encode(bytes, raw, width, height, state), 0u);
  ASSERT_EQ(lodepng::save_file(bytes, path.string()), 0u);
}

using Pixels = std::vector<std::uint8_t>;

TEST(Png, EveryColourTypeAndDepthBecomesLuma) {
  const TemporaryFolder folder;
  const auto path = folder / "a.png";
  const auto read = [&] { return read_luma(path).pixels; };
  write_raw(path, {0, 1, 127, 128, 254, 255}, 3, 2, LCT_GREY, 8);
  EXPECT_EQ(read(), (Pixels{0, 1, 127, 128, 254, 255}));
  write_raw(path, {0b10100000}, 4, 1, LCT_GREY, 1);
  EXPECT_EQ(read(), (Pixels{255, 0, 255, 0}));
  write_raw(path, {0b00011011}, 4, 1, LCT_GREY, 2);
  EXPECT_EQ(read(), (Pixels{0, 85, 170, 255}));
  write_raw(path, {0x1f}, 2, 1, LCT_GREY, 4);
  EXPECT_EQ(read(), (Pixels{17, 255}));
  write_raw(path, {0x12, 0xff, 0xfe, 0x80}, 2, 1, LCT_GREY, 16);
  EXPECT_EQ(read(), (Pixels{0x12, 0xfe}));
  write_raw(path, {77, 0, 78, 255}, 2, 1, LCT_GREY_ALPHA, 8);
  EXPECT_EQ(read(), (Pixels{77, 78}));
  // (19595 * 10 + 38470 * 20 + 7471 * 30 + 32768) >> 16 = 18; (19595 * 200 + 38470 * 100 + 7471 * 50 + ...) >> 16 = 124
  write_raw(path, {10, 20, 30, 200, 100, 50, 9, 9, 9}, 3, 1, LCT_RGB, 8);
  EXPECT_EQ(read(), (Pixels{18, 124, 9}));
  write_raw(path, {10, 20, 30, 0, 200, 100, 50, 255}, 2, 1, LCT_RGBA, 8);
  EXPECT_EQ(read(), (Pixels{18, 124}));
  write_raw(path, {10, 255, 20, 255, 30, 255}, 1, 1, LCT_RGB, 16);
  EXPECT_EQ(read(), (Pixels{18}));
  write_raw(path, {0b01000000}, 3, 1, LCT_PALETTE, 1);
  EXPECT_EQ(read(), (Pixels{18, 124, 18}));
}

std::ptrdiff_t files_in(const TemporaryFolder& folder) {
  return std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator());
}

TEST(Png, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  Grey image{5, 3, {}};
  for (int i = 0; i < 15; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 17));
  write_png(folder / "grey.png", image);
  const Grey again = read_luma(folder / "grey.png");
  EXPECT_EQ(again.width, 5);
  EXPECT_EQ(again.height, 3);
  EXPECT_EQ(again.pixels, image.pixels);
  write_png(folder / "rgb.png", Rgb{2, 1, {10, 20, 30, 200, 100, 50}});
  EXPECT_EQ(read_luma(folder / "rgb.png").pixels, (Pixels{18, 124}));
  EXPECT_EQ(files_in(folder), 2) << "nothing but the pictures";
}

void expect_refused(const std::filesystem::path& path, const std::string& reason) {
  const std::string message = message_of<Error>([&] { read_luma(path); });
  EXPECT_NE(message.find(path.string()), std::string::npos) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message;
}

TEST(Png, BadFilesAreNamed) {
  const TemporaryFolder folder;
  expect_refused(folder / "missing.png", "No such file");
  write_text(folder / "empty.png", "");
  expect_refused(folder / "empty.png", "empty");
  write_text(folder / "text.png", "This is text and no image, however long it goes on.");
  expect_refused(folder / "text.png", "not a PNG");
  std::filesystem::create_directory(folder / "folder.png");
  expect_refused(folder / "folder.png", "is a folder");

  write_png(folder / "whole.png", Grey{16, 16, Pixels(256, 100)});
  const std::string whole = read_text(folder / "whole.png");
  for (std::size_t length = 1; length < whole.size(); ++length) {
    write_text(folder / "cut.png", whole.substr(0, length));
    expect_refused(folder / "cut.png", "damaged");
  }
  std::string flipped = whole;
  flipped[whole.find("IDAT") + 6] = static_cast<char>(flipped[whole.find("IDAT") + 6] ^ 1);
  write_text(folder / "flipped.png", flipped);
  expect_refused(folder / "flipped.png", "damaged");
}

TEST(Png, HugeClaimsAreRefusedBeforeAllocating) {
  const TemporaryFolder folder;
  write_png(folder / "a.png", Grey{16, 16, Pixels(256, 100)});
  std::string bytes = read_text(folder / "a.png");
  const auto claim = [&](unsigned width, unsigned height) {
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[16 + i] = static_cast<char>(width >> (24 - 8 * i));
      bytes[20 + i] = static_cast<char>(height >> (24 - 8 * i));
    }
    write_text(folder / "a.png", bytes);
  };
  claim(1u << 16, 1u << 15);
  expect_refused(folder / "a.png", "limit of 268435456");
  claim(0xffffffffu, 0xffffffffu);
  expect_refused(folder / "a.png", "limit of 268435456");
  claim(1u << 14, 1u << 14);
  expect_refused(folder / "a.png", "bytes hold");
  claim(0, 5);
  expect_refused(folder / "a.png", "0 x 5");
}

void expect_unwritable(const std::filesystem::path& path) {
  const std::string message = message_of<Error>([&] { write_png(path, Grey{1, 1, {0}}); });
  EXPECT_NE(message.find(path.string()), std::string::npos) << message;
}

TEST(Png, UnwritablePlacesAreNamed) {
  const TemporaryFolder folder;
  expect_unwritable(folder / "missing/a.png");
  std::filesystem::create_directory(folder / "folder.png");
  expect_unwritable(folder / "folder.png");
  EXPECT_EQ(files_in(folder), 1);
}

// A limit on file size stands for the full disk: the earlier file stays, no half of the new one is left.
TEST(Png, FullDiskKeepsTheEarlierFile) {
  const TemporaryFolder folder;
  write_png(folder / "a.png", Grey{1, 1, {7}});
  Grey noise{64, 64, {}};
  Random random(1);
  for (int i = 0; i < 64 * 64; ++i) noise.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));

  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limited = before;
  limited.rlim_cur = 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
  EXPECT_THROW(write_png(folder / "a.png", noise), Error);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);

  EXPECT_EQ(read_luma(folder / "a.png").pixels, Pixels{7});
  EXPECT_EQ(files_in(folder), 1);
}

}  // namespace
}  // namespace attnunet::data
