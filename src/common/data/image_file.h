// Images as people have them: PNG, JPEG, BMP, TIFF, DICOM (docs/files.md lists what is read of each). What a file holds
// decides how it is read, not its name.
#pragma once

#include <filesystem>

#include "common/data/raw_image.h"

namespace attnunet::data {

/// 8-bit luma (luma_of), as a viewer shows it. Throws Error, one line naming the file, if it is missing, no regular
/// file, empty, of another kind (which is named if it is a common one), damaged, larger than largest_image or than the
/// memory.
Grey read_image(const std::filesystem::path& path, const ReadOptions& options = {});

/// Whether a name ends as those of such files do: .png, .jpg, .jpeg, .jpe, .jfif, .bmp, .dib, .tif, .tiff, .dcm,
/// .dicom, in small letters or capitals.
bool has_image_name(const std::filesystem::path& path);

}  // namespace attnunet::data
