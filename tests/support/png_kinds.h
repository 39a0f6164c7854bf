// PNG files of every colour type, for tests of what is read from them.
#pragma once

#include <gtest/gtest.h>
#include <lodepng.h>

#include <array>
#include <filesystem>
#include <vector>

namespace attnunet {

using PaletteColours = std::vector<std::array<unsigned char, 3>>;

/// `raw` is in the file's own colour type and depth. `significant_bits` > 0 writes an sBIT chunk.
inline void write_png_kind(const std::filesystem::path& path, const std::vector<unsigned char>& raw, unsigned width,
                           unsigned height, LodePNGColorType type, unsigned depth, const PaletteColours& palette = {},
                           unsigned significant_bits = 0) {
  lodepng::State state;
  state.encoder.auto_convert = 0;
  state.info_raw.colortype = state.info_png.color.colortype = type;
  state.info_raw.bitdepth = state.info_png.color.bitdepth = depth;
  for (LodePNGColorMode* mode : {&state.info_raw, &state.info_png.color})
    for (const auto& colour : palette) lodepng_palette_add(mode, colour[0], colour[1], colour[2], 255);
  state.info_png.sbit_defined = significant_bits > 0;
  state.info_png.sbit_r = state.info_png.sbit_g = state.info_png.sbit_b = significant_bits;
  std::vector<unsigned char> bytes;
  ASSERT_EQ(lodepng::encode(bytes, raw, width, height, state), 0u);
  std::filesystem::create_directories(path.parent_path());
  ASSERT_EQ(lodepng::save_file(bytes, path.string()), 0u);
}

/// 16-bit samples as PNG has them, the high byte first.
inline std::vector<unsigned char> big_endian(const std::vector<int>& values) {
  std::vector<unsigned char> bytes;
  for (const int value : values) {
    bytes.push_back(static_cast<unsigned char>(value >> 8));
    bytes.push_back(static_cast<unsigned char>(value & 255));
  }
  return bytes;
}

}  // namespace attnunet
