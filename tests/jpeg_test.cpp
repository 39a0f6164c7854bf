#include "common/data/jpeg.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "common/core/error.h"
#include "common/data/exif.h"
#include "common/data/image_file.h"
#include "common/data/luma.h"
#include "support/files.h"
#include "support/jpeg_writer.h"

namespace attnunet::data {
namespace TEST_FILE {

constexpr int width = 37, height = 29;

using Pixels = std::vector<unsigned char>;

/// Slopes, so that coarse colours lose nothing.
Pixels slopes(int channels) {
  Pixels pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        pixels.push_back(static_cast<unsigned char>(c == 0   ? 40 + 4 * x
                                                    : c == 1 ? 200 - 3 * y
                                                    : c == 2 ? 60 + 2 * x + 2 * y
                                                             : 20 + y));
  return pixels;
}

/// The luma of `pixels` as a JPEG file is at most `bound` from that of the pixels themselves.
void expect_luma(const std::string& bytes, const Pixels& rgb, int bound) {
  const Grey grey = luma_of(read_jpeg("a.jpg", bytes));
  ASSERT_EQ(grey.width, width);
  ASSERT_EQ(grey.height, height);
  int largest = 0;
  for (std::size_t i = 0; i < grey.pixels.size(); ++i) {
    const int expected = rgb.size() == grey.pixels.size() ? rgb[i] : luma(&rgb[3 * i]);
    largest = std::max(largest, std::abs(grey.pixels[i] - expected));
  }
  EXPECT_LE(largest, bound);
}

std::string colour_jpeg(const std::function<void(jpeg_compress_struct&)>& choose) {
  return jpeg_bytes(width, height, 3, slopes(3), choose);
}

// At quality 100 a coefficient is off by at most a half, its value in the file by as much; the transform and the
// conversion of colours round once each. Coarse colours of slopes are off by their step at the border.
TEST(Jpeg, EverySampling) {
  for (const auto& [h, v] : {std::pair{1, 1}, {2, 1}, {1, 2}, {2, 2}, {4, 1}, {1, 4}, {4, 2}, {2, 4}}) {
    SCOPED_TRACE(std::to_string(h) + " x " + std::to_string(v));
    const int across = h, down = v;
    expect_luma(colour_jpeg([&](jpeg_compress_struct& info) {
                  info.comp_info[0].h_samp_factor = across;
                  info.comp_info[0].v_samp_factor = down;
                }),
                slopes(3), 3);
  }
}

TEST(Jpeg, EveryCoding) {
  expect_luma(colour_jpeg([](jpeg_compress_struct& info) { jpeg_simple_progression(&info); }), slopes(3), 3);
  expect_luma(colour_jpeg([](jpeg_compress_struct& info) { info.arith_code = TRUE; }), slopes(3), 3);
  expect_luma(colour_jpeg([](jpeg_compress_struct& info) {
                info.arith_code = TRUE;
                jpeg_simple_progression(&info);
              }),
              slopes(3), 3);
  expect_luma(colour_jpeg([](jpeg_compress_struct& info) { info.restart_interval = 2; }), slopes(3), 3);
  expect_luma(colour_jpeg([](jpeg_compress_struct& info) { jpeg_set_colorspace(&info, JCS_RGB); }), slopes(3), 3);
  expect_luma(jpeg_bytes(width, height, 1, slopes(1)), slopes(1), 1);
}

// 0 is full ink in such files, whether or not an Adobe marker says that.
TEST(Jpeg, CmykIsInvertedWithAndWithoutAdobeMarker) {
  const Pixels stored = slopes(4);
  Pixels rgb;
  for (std::size_t i = 0; i < stored.size(); i += 4)
    for (std::size_t c = 0; c < 3; ++c) rgb.push_back(static_cast<unsigned char>(stored[i + c] * stored[i + 3] / 255));
  for (const bool marker : {true, false})
    for (const J_COLOR_SPACE space : {JCS_CMYK, JCS_YCCK}) {
      if (!marker && space == JCS_YCCK) continue;  // the marker alone tells YCCK from CMYK
      const std::string bytes = jpeg_bytes(width, height, 4, stored, [&](jpeg_compress_struct& info) {
        jpeg_set_colorspace(&info, space);
        info.write_Adobe_marker = marker ? TRUE : FALSE;
      });
      expect_luma(bytes, rgb, 3);
      EXPECT_EQ(read_jpeg("a.jpg", bytes).format, "8-bit CMYK");
    }
}

TEST(Jpeg, OrientationIsReadFromExif) {
  for (const bool little : {true, false})
    for (int orientation = 0; orientation <= 9; ++orientation) {
      const std::string block = exif_block(orientation, little);
      const int expected = orientation >= 1 && orientation <= 8 ? orientation : 1;
      EXPECT_EQ(read_jpeg("a.jpg", jpeg_bytes(width, height, 1, slopes(1), {}, block)).orientation, expected);
      const auto* bytes = reinterpret_cast<const unsigned char*>(block.data());
      EXPECT_EQ(exif_orientation(bytes, block.size()), expected);
      for (std::size_t length = 0; length < block.size() - 4; ++length)
        EXPECT_LE(exif_orientation(std::vector<unsigned char>(bytes, bytes + length).data(), length), 8);
    }
  const TemporaryFolder folder;
  write_text(folder / "a.jpg", jpeg_bytes(width, height, 1, slopes(1), {}, exif_block(6)));
  const Grey shown = read_image(folder / "a.jpg"), stored = read_image(folder / "a.jpg", {true});
  EXPECT_EQ(shown.width, height);
  EXPECT_EQ(shown.height, width);
  EXPECT_EQ(stored.width, width);
  // The first row as it is stored is the last column that is shown.
  for (int x = 0; x < width; ++x)
    EXPECT_EQ(shown.pixels[static_cast<std::size_t>(x * height + height - 1)],
              stored.pixels[static_cast<std::size_t>(x)]);
}

void expect_refused(const std::string& bytes, const std::string& reason) {
  const std::string message = message_of<Error>([&] { read_jpeg("a.jpg", bytes); });
  EXPECT_NE(message.find("a.jpg"), std::string::npos) << message;
  EXPECT_NE(message.find(reason), std::string::npos) << message;
}

TEST(Jpeg, WhatIsNotReadIsNamed) {
  const std::string whole = jpeg_bytes(width, height, 1, slopes(1));
  const std::size_t frame = whole.find("\xff\xc0");
  const auto with_frame = [&](char marker) { return std::string(whole).replace(frame + 1, 1, 1, marker); };
  expect_refused(with_frame('\xc3'), "is a lossless JPEG (SOF3), which is not read");
  expect_refused(with_frame('\xcb'), "a lossless JPEG (SOF11)");
  expect_refused(with_frame('\xc5'), "a hierarchical JPEG (SOF5)");
  expect_refused(with_frame('\xf7'), "a JPEG-LS image");
  expect_refused(std::string(whole).replace(frame + 4, 1, 1, '\x0c'), "12 bits per sample");
  expect_refused(std::string(whole).replace(frame + 5, 2, 2, '\0'), "DNL");
}

TEST(Jpeg, FilesThatLackPixelsAreDamaged) {
  expect_refused(
      std::string("\xff\xd8\xff\xc9\0\x0b\x8\0\x11\0\x17\1\1\x11\0\xff\xda\0\x8\1\1\0\0\x3f\0\0\xff\xd9", 28),
      "damaged");
  for (const bool arithmetic : {false, true}) {
    const std::string whole = jpeg_bytes(
        width, height, 1, slopes(1), [&](jpeg_compress_struct& info) { info.arith_code = arithmetic ? TRUE : FALSE; });
    for (std::size_t length = 2; length < whole.size() - 2; length += 1 + length / 40)
      expect_refused(whole.substr(0, length), "damaged");
    expect_refused(whole.substr(0, whole.size() - 3), "damaged");
    if (arithmetic) expect_refused(whole.substr(0, whole.size() - 1), "damaged");  // it may end anywhere
  }
}

TEST(Jpeg, FilesThatLackOnlyTheirEndMarkerAreRead) {
  for (const int channels : {1, 3})
    for (const bool progressive : {false, true}) {
      const std::string whole = jpeg_bytes(width, height, channels, slopes(channels), [&](jpeg_compress_struct& info) {
        if (progressive) jpeg_simple_progression(&info);
      });
      const RawImage expected = read_jpeg("a.jpg", whole);
      for (const std::size_t lost : {1u, 2u})
        EXPECT_EQ(read_jpeg("a.jpg", whole.substr(0, whole.size() - lost)).samples, expected.samples);
      expect_refused(whole.substr(0, whole.size() - 3), "it ends before its last pixel");
      if (progressive) expect_refused(whole.substr(0, whole.rfind("\xff\xda")), "it ends before its last pixel");
    }
  const std::string apart = colour_jpeg([](jpeg_compress_struct& info) {
    static jpeg_scan_info scans[3];
    for (int i = 0; i < 3; ++i) scans[i] = {1, {i, 0, 0, 0}, 0, 63, 0, 0};
    info.scan_info = scans;
    info.num_scans = 3;
  });
  read_jpeg("a.jpg", apart);
  expect_refused(apart.substr(0, apart.rfind("\xff\xda")), "it ends before its last pixel");
}

// Progressive files may repeat a scan: a few bytes that take long.
TEST(Jpeg, ThousandsOfScansAreRefused) {
  const std::string whole =
      jpeg_bytes(width, height, 1, slopes(1), [](jpeg_compress_struct& info) { jpeg_simple_progression(&info); });
  const std::size_t last = whole.rfind("\xff\xda");
  std::string bytes = whole.substr(0, last);
  for (int i = 0; i < 1100; ++i) bytes += whole.substr(last, whole.size() - 2 - last);
  expect_refused(bytes + "\xff\xd9", "scans");
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
