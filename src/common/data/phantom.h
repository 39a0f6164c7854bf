// Phantoms: made-up breast ultrasound in BUSI's layout, to try everything without the data and to test learning.
//
// The picture is made as the scanner makes it. An echo level in dB is laid out for every point: skin, fat with bright
// septa, gland, muscle with striations, with wavy borders; lesions darker than the gland around them. Speckle is fully
// developed (Goodman 1975): every pixel holds scatterers with a complex Gaussian amplitude of that level, the beam's
// point spread function (wider across than along the beam) smears them, the detector sees the squared magnitude, here
// the mean of four looks as in spatial compounding; the logarithm brings 50 dB onto 0..255.
// What a lesion does to the beam is summed down each column: benign ones (smooth ellipses with a thin bright capsule)
// weaken it less than tissue, so that what lies behind is brighter; malignant ones (irregular, spiculated, with a
// blurred border) weaken it more and cast a shadow. Normal images have none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/data/sample.h"

namespace attnunet::data {

/// Phantom number `index` of a class: the same for the same arguments. width, height >= 16.
Sample make_phantom(const std::string& class_name, int width, int height, std::uint64_t seed, std::uint32_t index);

/// Writes `count` phantoms with BUSI's proportions of classes as a dataset folder; their sides are within about 12 % of
/// `size`, some benign ones have a second lesion with a mask file of its own. The folder appears when it is whole.
/// Throws Error if `root` holds something already or cannot be written.
void synthesize(const std::filesystem::path& root, int count, int size, std::uint64_t seed);

}  // namespace attnunet::data
