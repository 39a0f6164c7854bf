// The pixels of one case.
#pragma once

#include "common/data/dataset.h"
#include "common/data/png.h"

namespace attnunet::data {

struct Sample {
  Grey image;
  Grey mask;  ///< 0 or 1
};

/// The case at its own size. Lesion is where the luma of any of its masks is over 127. Throws Error naming both files
/// where a mask has another size than the image.
Sample load_full(const Case& one);

/// The case resized to size x size: the image bilinear, the mask nearest. What has that size already is untouched.
Sample load(const Case& one, int size);

}  // namespace attnunet::data
