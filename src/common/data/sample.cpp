#include "common/data/sample.h"

#include <string>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/resize.h"

namespace attnunet::data {

Grey load_image(const Case& one) {
  return grey_of(read_png(one.image), one.reading.intensity);
}

Sample without_masks(Grey image) {
  Grey mask{image.width, image.height, std::vector<std::uint8_t>(image.pixels.size(), 0)};
  return {std::move(image), std::move(mask)};
}

MaskReading add_mask(Sample& sample, const Case& one, const std::filesystem::path& path, const RawImage& file) {
  const Grey& image = sample.image;
  if (file.width != image.width || file.height != image.height)
    throw Error("the mask " + quoted(path) + " has " + std::to_string(file.width) + " x " +
                std::to_string(file.height) + " pixels but its image " + quoted(one.image) + " has " +
                std::to_string(image.width) + " x " + std::to_string(image.height) + "; replace one of them");
  const LesionMask lesion = read_lesion(file, one.reading.mask_rule, path);
  for (std::size_t i = 0; i < lesion.mask.pixels.size(); ++i) sample.mask.pixels[i] |= lesion.mask.pixels[i];
  return lesion.reading;
}

Sample load_full(const Case& one) {
  Sample sample = without_masks(load_image(one));
  for (const std::filesystem::path& path : one.masks) add_mask(sample, one, path, read_png(path));
  return sample;
}

Sample load(const Case& one, int size) {
  Sample sample = load_full(one);
  if (sample.image.width == size && sample.image.height == size) return sample;
  return {resize_bilinear(sample.image, size, size), resize_nearest(sample.mask, size, size)};
}

}  // namespace attnunet::data
