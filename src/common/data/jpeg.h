// JPEG files, decoded by libjpeg-turbo: baseline, extended and progressive, Huffman or arithmetic coding, any sampling
// of the colours; grey, YCbCr, RGB, CMYK and YCCK.
//
// As Pillow reads them: the accurate inverse cosine transform ("islow"), smooth upsampling of the colours, and CMYK
// taken as inverted (0 is full ink) whether or not an Adobe marker says that.
#pragma once

#include <filesystem>
#include <string>

#include "common/data/raw_image.h"

namespace attnunet::data {

/// The image in `bytes`, the contents of `path`, as it is stored. Throws Error naming the path if they are damaged, cut
/// or too large, or of a kind that is not read: lossless and hierarchical JPEG, JPEG-LS, 12 bits per sample.
RawImage read_jpeg(const std::filesystem::path& path, const std::string& bytes);

}  // namespace attnunet::data
