// PNG files: any of them read as 8-bit luma, 8-bit grey and RGB written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/data/image_bytes.h"
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

/// The bytes of a PNG file: 8 bits per channel, grey or RGB. A `result` text that is not empty is stored in a text
/// chunk with the keyword `attnunet-result`, which marks the file as a result of predict (is_result).
std::vector<std::uint8_t> encode_png(const Grey& image, const std::string& result = {});
std::vector<std::uint8_t> encode_png(const Rgb& image, const std::string& result = {});

/// Whether the file is a PNG file with a text chunk `attnunet-result`. Reads the headers of its chunks only. False for
/// whatever cannot be read: that is for the reader of its pixels to report.
bool is_result(const std::filesystem::path& path);

/// At `path` there is the old file or the whole new one (io/atomic_file.h). Not synced unless asked for: predict and
/// data synth write hundreds of pictures that can be made again. Throws Error naming the file if it cannot be written
/// (folder missing, not permitted, disk full).
void write_png(const std::filesystem::path& path, const Grey& image, Durability durability = Durability::unsynced,
               const std::string& result = {});
void write_png(const std::filesystem::path& path, const Rgb& image, Durability durability = Durability::unsynced,
               const std::string& result = {});

}  // namespace attnunet::data
