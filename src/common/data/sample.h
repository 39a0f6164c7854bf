// The pixels of one case.
#pragma once

#include "common/data/dataset.h"
#include "common/data/png.h"

namespace attnunet::data {

struct Sample {
  Grey image;
  Grey mask;  ///< 0 or 1
};

/// The image of the case at its own size, as the case's reading says.
Grey load_image(const Case& one);

/// The case at its own size, as its reading says: the mask is the union of its mask files. Throws Error naming both
/// files where a mask has another size than the image.
Sample load_full(const Case& one);

/// The case resized to size x size: the image bilinear, the mask nearest. What has that size already is untouched.
Sample load(const Case& one, int size);

/// The first step of load_full: the image, and a mask of its size without lesion.
Sample without_masks(Grey image);
/// The next steps: adds what lesion is in one of the case's mask files. Throws as load_full does.
MaskReading add_mask(Sample& sample, const Case& one, const std::filesystem::path& path, const RawImage& file);

}  // namespace attnunet::data
