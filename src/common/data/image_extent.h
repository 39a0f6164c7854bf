// How large an image is, by the first bytes of its file: what is known before anything is decoded.
#pragma once

#include <cstdint>
#include <filesystem>

namespace attnunet::data {

/// Width times height as the header of a PNG, JPEG or BMP file has it; 0 if it is another kind of file or
/// damaged, which shows when it is decoded.
std::int64_t pixels_by_header(const std::filesystem::path& path);

}  // namespace attnunet::data
