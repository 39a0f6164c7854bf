// How an image comes to the size of the network.
//
// Without keep_aspect each axis is resized by itself, so that the picture may be distorted. With it one factor serves
// both: the largest picture of the image's shape that the size holds, its sides rounded to whole pixels, stands in the
// middle (an odd line of padding is on the right or at the bottom). Around it the edge of the image is repeated; in a
// mask there is no lesion.
#pragma once

#include "common/core/image_size.h"
#include "common/data/raw_image.h"

namespace attnunet::data {

/// Where in the network's image an image of width x height, at least 1 each, comes to stand.
Region fitted_region(int width, int height, const ImageSize& size, bool keep_aspect);

/// The image at that place, bilinear (resize.h). What has the size already is untouched.
Grey fit_image(const Grey& image, const ImageSize& size, bool keep_aspect);

/// A mask, 0 outside, by the nearest pixels.
Grey fit_mask(const Grey& mask, const ImageSize& size, bool keep_aspect);

}  // namespace attnunet::data
