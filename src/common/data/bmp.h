// BMP files, read by our own code: every header of Windows and OS/2 (12, 16 to 64, 108 and 124 bytes), 1 to 32 bits per
// pixel, RLE4 and RLE8, colour masks, rows from bottom to top or from top to bottom.
//
// No pixel comes from memory that the file did not write: colours beyond the palette are black, and pixels that a
// run-length code leaves out have index 0.
// Source: Microsoft's documentation of BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER, BITMAPV5HEADER and "Bitmap
// Compression"; IBM's of BITMAPINFOHEADER2 (OS/2).
#pragma once

#include <filesystem>
#include <string>

#include "common/data/raw_image.h"

namespace attnunet::data {

/// The image in `bytes`, the contents of `path`. Throws Error naming the path if they are damaged, cut or too large, or
/// if they hold what is not read: a JPEG or PNG image inside the BMP, OS/2's Huffman or RLE24 code.
RawImage read_bmp(const std::filesystem::path& path, const std::string& bytes);

}  // namespace attnunet::data
