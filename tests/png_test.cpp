#include "common/data/png.h"

#include <lodepng.h>
#include <sys/resource.h>

#include <csignal>
#include <iterator>

#include "common/core/error.h"
#include "common/core/random.h"
#include "common/data/raw_image.h"
#include "support/files.h"
#include "support/jpeg_writer.h"
#include "support/png_reader.h"

namespace attnunet::data {
namespace TEST_FILE {

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

TEST(Png, ResultsAreKnownByTheirTextChunk) {
  const TemporaryFolder folder;
  const Grey grey{2, 1, {7, 9}};
  write_png(folder / "result.png", grey, Durability::unsynced, "mask");
  EXPECT_TRUE(is_result(folder / "result.png"));
  EXPECT_EQ(read_luma(folder / "result.png").pixels, grey.pixels);
  write_png(folder / "rgb.png", Rgb{1, 1, {1, 2, 3}}, Durability::unsynced, "overlay");
  EXPECT_TRUE(is_result(folder / "rgb.png"));
  write_png(folder / "image.png", grey);
  EXPECT_FALSE(is_result(folder / "image.png"));

  const std::string bytes = read_text(folder / "result.png");
  const std::size_t text = bytes.find("tEXtattnunet-result");
  ASSERT_NE(text, std::string::npos);
  for (const std::string& other : {std::string("tEXtattnunet-resultS"), std::string("teXtattnunet-result")}) {
    write_text(folder / "other.png", std::string(bytes).replace(text, other.size(), other));
    EXPECT_FALSE(is_result(folder / "other.png"));
  }
  write_text(folder / "cut.png", bytes.substr(0, text + 10));
  EXPECT_FALSE(is_result(folder / "cut.png"));
  write_text(folder / "named.png", "attnunet-result");
  EXPECT_FALSE(is_result(folder / "named.png"));
  EXPECT_FALSE(is_result(folder / "missing.png"));
  EXPECT_FALSE(is_result(folder.path()));
}

/// A chunk with the right checksum, or a wrong one.
std::string chunk(const std::string& name, const std::string& contents, bool right = true) {
  std::string bytes(4, '\0');
  for (int i = 0; i < 4; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(contents.size() >> (24 - 8 * i));
  bytes += name + contents + "????";
  if (right) lodepng_chunk_generate_crc(reinterpret_cast<unsigned char*>(bytes.data()));
  return bytes;
}

TEST(Png, ChunksBesideThePixelsMayBeDamaged) {
  const TemporaryFolder folder;
  const Pixels pixels = {1, 2, 3, 4, 5, 6};
  const std::string whole = [&] {
    const std::vector<std::uint8_t> bytes = encode_png(Grey{3, 2, pixels});
    return std::string(bytes.begin(), bytes.end());
  }();
  constexpr std::size_t behind_header = 33;
  for (const std::string& odd :
       {chunk("iCCP", std::string("x\0\0not a zlib stream", 20)), chunk("tEXt", "text without end"),
        chunk("tEXt", "a wrong checksum", false), chunk("gAMA", "short"), chunk("sBIT", std::string("\7\7\7\7\7", 5)),
        chunk("eXIf", "no EXIF"), chunk("eXIf", exif_block(6), false), chunk("pHYs", "1"),
        chunk("tRNS", "much too long"), chunk("zTXt", std::string("comment\0\0damaged", 16)),
        chunk("abCd", "unknown")}) {
    write_text(folder / "a.png", std::string(whole).insert(behind_header, odd));
    const RawImage image = read_png(folder / "a.png");
    EXPECT_EQ(image.samples, std::vector<std::uint16_t>(pixels.begin(), pixels.end()));
    EXPECT_EQ(image.orientation, 1);
    write_text(folder / "a.png", std::string(whole).insert(whole.size() - 12, odd));
    EXPECT_EQ(read_luma(folder / "a.png").pixels, pixels);
  }
  write_text(folder / "a.png", whole + "more");
  EXPECT_EQ(read_luma(folder / "a.png").pixels, pixels);
}

TEST(Png, FilesThatLackOnlyTheirEndAreRead) {
  const TemporaryFolder folder;
  const Pixels pixels = {1, 2, 3, 4, 5, 6};
  const std::vector<std::uint8_t> bytes = encode_png(Grey{3, 2, pixels});
  const std::string whole(bytes.begin(), bytes.end());
  for (std::size_t lost = 1; lost <= 12; ++lost) {
    write_text(folder / "a.png", whole.substr(0, whole.size() - lost));
    EXPECT_EQ(read_luma(folder / "a.png").pixels, pixels) << lost;
  }
  const auto refusal = [&](const std::string& contents) {
    write_text(folder / "a.png", contents);
    return message_of<Error>([&] { read_luma(folder / "a.png"); });
  };
  EXPECT_NE(refusal(whole.substr(0, whole.size() - 13)).find("it ends before its last pixel"), std::string::npos);
  EXPECT_NE(refusal(whole.substr(0, 33)).find("damaged"), std::string::npos);
}

// Whole files of kinds that are not read are not called damaged.
TEST(Png, KindsThatAreNotReadAreNamed) {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> bytes = encode_png(Grey{3, 2, {1, 2, 3, 4, 5, 6}});
  const std::string whole(bytes.begin(), bytes.end());
  const auto refusal = [&](std::size_t at, const std::string& more) {
    write_text(folder / "a.png", std::string(whole).insert(at, more));
    return message_of<Error>([&] { read_luma(folder / "a.png"); });
  };
  EXPECT_NE(refusal(8, chunk("CgBI", "0000")).find("(CgBI), which is not read"), std::string::npos);
  EXPECT_NE(refusal(33, chunk("JDAT", "x")).find("(with the chunk 'JDAT'), which is not read"), std::string::npos);
  EXPECT_NE(refusal(33, chunk("JDAT", "x", false)).find("damaged"), std::string::npos);
}

TEST(Png, BytesBehindTheCompressedStreamDoNotMatter) {
  const TemporaryFolder folder;
  const Pixels pixels(100, 7);
  const std::vector<std::uint8_t> bytes = encode_png(Grey{10, 10, pixels});
  const std::string whole(bytes.begin(), bytes.end());
  const std::size_t begin = whole.find("IDAT") - 4, length = static_cast<unsigned char>(whole[begin + 3]);
  const std::string stream = whole.substr(begin + 8, length);
  const auto with_stream = [&](const std::string& other) {
    write_text(folder / "a.png", std::string(whole).replace(begin, length + 12, chunk("IDAT", other)));
    return folder / "a.png";
  };
  EXPECT_EQ(read_luma(with_stream(stream + std::string(8, '\0'))).pixels, pixels);
  EXPECT_EQ(read_luma(with_stream(stream + "?")).pixels, pixels);
  std::string wrong = stream;
  wrong.back() = static_cast<char>(wrong.back() ^ 1);
  EXPECT_NE(message_of<Error>([&] { read_luma(with_stream(wrong)); }).find("damaged"), std::string::npos);
  EXPECT_NE(message_of<Error>([&] { read_luma(with_stream(wrong + "more")); }).find("damaged"), std::string::npos);
}

TEST(Png, OrientationAndSignificantBits) {
  const TemporaryFolder folder;
  const auto with_chunk = [&](const std::string& bytes) {
    write_raw(folder / "a.png", {0x12, 0x30, 0xff, 0xf0}, 2, 1, LCT_GREY, 16);
    write_text(folder / "a.png", read_text(folder / "a.png").insert(33, bytes));
    return read_raw(folder / "a.png");
  };
  EXPECT_EQ(with_chunk("").significant_bits, 0);
  EXPECT_EQ(with_chunk(chunk("sBIT", "\x0c")).significant_bits, 12);
  EXPECT_EQ(with_chunk(chunk("sBIT", "\x11")).significant_bits, 0);
  EXPECT_EQ(with_chunk(chunk("sBIT", "\x0c", false)).significant_bits, 0);
  const RawImage shown = with_chunk(chunk("eXIf", exif_block(8)));
  EXPECT_EQ(shown.orientation, 8);
  EXPECT_EQ(shown.width, 1);
  EXPECT_EQ(shown.height, 2);
  EXPECT_EQ(shown.samples, (std::vector<std::uint16_t>{0xfff0, 0x1230}));
  EXPECT_EQ(read_raw(folder / "a.png", {true}).width, 2);
  // A distance of pixels on a screen is no distance in the body.
  EXPECT_EQ(with_chunk(chunk("pHYs", std::string("\0\0\x0b\x12\0\0\x0b\x12\1", 9))).mm_per_column, 0);
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
  for (std::size_t length = 1; length < whole.size() - 12; ++length) {  // the chunk that marks the end has no pixels
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

}  // namespace TEST_FILE
}  // namespace attnunet::data
