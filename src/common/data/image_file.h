// Images as people have them: PNG, JPEG (baseline and progressive) and BMP, read as 8-bit luma.
//
// Datasets are PNG (png.h); this is for one's own images. What a file holds decides how it is read, not its name.
// JPEG and BMP are decoded by stb_image, which reads what is missing as zeros: we tell such files from whole ones by
// whether it asked for bytes after the last. Colour becomes luma as in PNG; an orientation that a camera noted beside
// the pixels (EXIF) is not applied.
#pragma once

#include <filesystem>

#include "common/data/png.h"

namespace attnunet::data {

/// Throws Error, one line naming the file, where it is missing, no regular file, empty, of another kind, damaged or
/// larger than largest_image.
Grey read_image(const std::filesystem::path& path);

/// Whether a name ends as those of such files do: .png, .jpg, .jpeg, .bmp, in small letters or capitals.
bool has_image_name(const std::filesystem::path& path);

}  // namespace attnunet::data
