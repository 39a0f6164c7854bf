// Resizing: images by a triangle filter, masks by the nearest pixel.
//
// Bilinear as Pillow does it for 8-bit images (Image.resize with BILINEAR), equal to the byte. Along one axis, with
// scale = in / out and width = max(scale, 1), output pixel i is centred at c = (i + 0.5) scale of the input and takes
// input pixel j, centred at j + 0.5, with the weight of a triangle whose half-width grows when shrinking:
//   w_ij = max(0, 1 - |j + 0.5 - c| / width),   y_i = sum_j w_ij x_j / sum_j w_ij.
// The sum runs over the pixels the image has, so weights are renormalised at the borders. Weights are rounded to
// 22 fractional bits (8 bits of pixel and 2 of headroom leave 22 of a 32-bit sum). The horizontal pass comes first and
// is rounded to 8 bits, then the vertical one; an axis whose size stays is not touched.
// Proven by resize_test.cpp against files made by Pillow (tools/make_resize_golden.py).
#pragma once

#include "common/data/png.h"

namespace attnunet::data {

/// width, height >= 1.
Grey resize_bilinear(const Grey& image, int width, int height);

/// Output pixel i takes source pixel floor((i + 0.5) in / out), for masks: no value appears that was not there.
Grey resize_nearest(const Grey& image, int width, int height);

}  // namespace attnunet::data
