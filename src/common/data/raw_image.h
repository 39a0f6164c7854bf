// What an image file holds, before it becomes luma or a mask. Every reader of a format makes one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/data/png.h"

namespace attnunet::data {

struct ReadOptions {
  bool ignore_orientation = false;  ///< the pixels as they are stored, whatever EXIF says
};

/// A rectangle of pixels.
struct Region {
  int left = 0, top = 0, width = 0, height = 0;
};

struct RawImage {
  int width = 0, height = 0;
  int channels = 1;                    ///< 1: grey, 3: RGB. Palette images are RGB, with their indices beside it
  int bits = 8;                        ///< 1 to 16: samples are 0 to 2^bits - 1, as the file has them, not stretched
  std::vector<std::uint16_t> samples;  ///< [height, width, channels]
  std::vector<std::uint16_t> alpha;    ///< [height, width], of the same bits; empty if the file has no alpha channel
  std::vector<std::uint16_t> indices;  ///< [height, width], of a palette image; else empty
  /// As the file states them, of `bits`; 0: it does not. PNG's sBIT: `bits` are used all the same, the original samples
  /// are the high ones. DICOM's BitsStored: the samples are the low ones.
  int significant_bits = 0;
  double mm_per_column = 0, mm_per_row = 0;  ///< distance of pixels, as the file states it; 0: it does not
  Region region;                             ///< where the file says that the picture is; empty: all of it
  int orientation = 1;  ///< EXIF's, 1 to 8, as the file states it; read_raw has applied it unless told not to
  bool lossy = false;   ///< JPEG and the like: values are not exactly those that were stored
  std::string format;   ///< for people: "8-bit grey", "16-bit grey with alpha", "8-bit palette", ...
};

/// Any file that read_image reads, as a viewer shows it. Throws Error as read_image does.
RawImage read_raw(const std::filesystem::path& path, const ReadOptions& options = {});

/// The image as a viewer shows it, for pixels stored with this EXIF orientation: mirrored, turned or both, so that
/// width and height may change places. `image.orientation` stays.
RawImage oriented(RawImage image);

/// A PNG file alone, as it is stored; `bytes` are the contents of `path`. Throws Error, one line naming the file, if it
/// is no PNG, damaged or too large. Only chunks that are needed for the pixels must be whole.
RawImage read_png(const std::filesystem::path& path, std::string bytes);

/// 8-bit luma: colour as luma.h has it; 16 bits keep the high byte, fewer than 8 are stretched to 0..255; alpha is
/// ignored.
Grey luma_of(const RawImage& image);

/// Whether some pixel is not grey.
bool is_coloured(const RawImage& image);

/// Where the picture is in the image: the region that the file names, or all of it.
Region region_of(const RawImage& image);

/// The pixels of a region inside the image; of an empty region the image itself.
Grey crop(const Grey& image, const Region& region);

}  // namespace attnunet::data
