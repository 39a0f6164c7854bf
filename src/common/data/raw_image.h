// What an image file holds, before it becomes luma or a mask. Every reader of a format makes one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/data/png.h"

namespace attnunet::data {

struct RawImage {
  int width = 0, height = 0;
  int channels = 1;                    ///< 1: grey, 3: RGB. Palette images are RGB, with their indices beside it
  int bits = 8;                        ///< 1 to 16: samples are 0 to 2^bits - 1, as the file has them, not stretched
  std::vector<std::uint16_t> samples;  ///< [height, width, channels]
  std::vector<std::uint16_t> alpha;    ///< [height, width], of the same bits; empty if the file has no alpha channel
  std::vector<std::uint16_t> indices;  ///< [height, width], of a palette image; else empty
  int significant_bits = 0;            ///< as the file states them (PNG's sBIT, DICOM's BitsStored); 0: it does not
  double mm_per_column = 0, mm_per_row = 0;  ///< distance of pixels, as the file states it; 0: it does not
  std::string format;  ///< for people: "8-bit grey", "16-bit grey with alpha", "8-bit palette", ...
};

/// Any file that read_image reads. Throws Error as read_image does.
RawImage read_raw(const std::filesystem::path& path);

/// A PNG file alone. Throws as read_luma does.
RawImage read_png(const std::filesystem::path& path);

/// 8-bit luma: colour as luma.h has it; 16 bits keep the high byte, fewer than 8 are stretched to 0..255; alpha is
/// ignored.
Grey luma_of(const RawImage& image);

/// Whether some pixel is not grey.
bool is_coloured(const RawImage& image);

}  // namespace attnunet::data
