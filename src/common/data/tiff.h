// TIFF files, read by libtiff if the build found it (package libtiff-dev): grey, palette and RGB of 1 to 16 bits, with
// or without alpha, CMYK and YCbCr of 8 bits; in strips or tiles, channels together or apart, with any compression that
// this libtiff has. Of several pages the first is read.
#pragma once

#include <filesystem>
#include <string>

#include "common/data/raw_image.h"

namespace attnunet::data {

/// The image in `bytes`, the contents of `path`, as it is stored. Throws Error naming the path if they are damaged, cut
/// or too large, or hold what is not read: floating point, signed numbers, more than 16 bits, other colours. Without
/// libtiff it throws an Error that says so.
RawImage read_tiff(const std::filesystem::path& path, const std::string& bytes);

/// "yes (libtiff 4.5.0)" or "no (...)", for --version.
std::string tiff_support();

}  // namespace attnunet::data
