// PNG files alone, as they are stored: what tests compare with.
#pragma once

#include "common/data/image_bytes.h"
#include "common/data/raw_image.h"

namespace attnunet::data {

inline RawImage read_png(const std::filesystem::path& path) {
  return read_png(path, read_image_bytes(path));
}

inline Grey read_luma(const std::filesystem::path& path) {
  return luma_of(read_png(path));
}

}  // namespace attnunet::data
