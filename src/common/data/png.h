// PNG files: any of them read as 8-bit luma, 8-bit grey and RGB written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/core/error.h"
#include "common/io/atomic_file.h"

namespace attnunet::data {

/// A grey image, row by row, one byte a pixel.
struct Grey {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;
};

/// A colour image, row by row, three bytes (R, G, B) a pixel.
struct Rgb {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;
};

/// Images of more pixels are refused before anything is allocated for them.
constexpr std::int64_t largest_image = std::int64_t{1} << 28;

/// The luma (luma_of) of a PNG file of any colour type and bit depth.
/// Throws Error, one line naming the file, where it is missing, a folder, empty, not a PNG, damaged or too large.
Grey read_luma(const std::filesystem::path& path);

/// The bytes of a PNG file: 8 bits a channel, grey or RGB.
std::vector<std::uint8_t> encode_png(const Grey& image);
std::vector<std::uint8_t> encode_png(const Rgb& image);

/// At `path` there is the old file or the whole new one (io/atomic_file.h). Not synced unless asked for: predict and
/// data synth write hundreds of pictures that can be made again. Throws Error naming the file if it cannot be written
/// (folder missing, not permitted, disk full).
void write_png(const std::filesystem::path& path, const Grey& image, Durability durability = Durability::unsynced);
void write_png(const std::filesystem::path& path, const Rgb& image, Durability durability = Durability::unsynced);

/// The error of a file with wrong contents; `how` says what is wrong with them.
Error damaged(const std::filesystem::path& path, const std::string& how);

}  // namespace attnunet::data
