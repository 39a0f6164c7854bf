// A thumbnail in 128 bytes: enough to recognise a near-duplicate (similarity.h), too little to show the image, which
// the owner of a dataset may not want in a file of weights.
//
// A thumbnail x, with its mean removed, is multiplied by random signs and by Hadamard's matrix, twice. The signs of the
// result's first 1024 numbers are the sketch: each tells on which side of a random hyperplane x is. Of two thumbnails
// at an angle t, a share t / pi of the bits differs (Charikar 2002), so the correlation, cos t, is estimated from that
// share. At a correlation of 0.95 the estimate's standard deviation is pi sqrt(p (1 - p) / 1024) sin t = 0.009, with p
// = t / pi. Proof: tests/sketch_test.cpp
#pragma once

#include <array>
#include <cstdint>

#include "common/data/png.h"

namespace attnunet::data {

using Sketch = std::array<std::uint8_t, 128>;

/// Of thumbnail_size x thumbnail_size pixels. An image of one grey level has all bits 0.
Sketch sketch_of(const Grey& thumbnail);

/// The estimate of two thumbnails' correlation. 0 if one of them is an image of one grey level.
double correlation_of(const Sketch& a, const Sketch& b);

}  // namespace attnunet::data
