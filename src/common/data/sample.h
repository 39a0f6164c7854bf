// The pixels of one case.
#pragma once

#include "common/core/image_size.h"
#include "common/data/dataset.h"
#include "common/data/png.h"

namespace attnunet::data {

struct Sample {
  Grey image;
  Grey mask;  ///< 0 or 1
};

/// The image in a file as networks see it, in training and in predict alike: grey, and of a file that names the region
/// of the picture that region alone.
Grey image_of(const RawImage& file, const Reading& reading);

/// The image of the case at its own size, as the case's reading says.
Grey load_image(const Case& one);

/// The case at its own size, as its reading says: the mask is the union of its mask files. A mask of the size of the
/// image file is cropped to the region that the file names; it may also have the size of that region. Throws Error
/// naming both files if a mask has another size.
Sample load_full(const Case& one);

/// The case at the size of the network, as its reading says (fit.h).
Sample load(const Case& one, const ImageSize& size);

/// The size of an image file, and where the picture is in it.
struct Frame {
  int width = 0, height = 0;
  Region region;
};
Frame frame_of(const RawImage& image);

/// A mask of the size of the region, without lesion.
Grey empty_mask(const Frame& frame);
/// Adds to it what lesion is in one of the case's mask files. Throws as load_full does.
MaskReading add_mask(Grey& mask, const Frame& frame, const Case& one, const std::filesystem::path& path,
                     const RawImage& file);

}  // namespace attnunet::data
