#include "common/data/sample.h"

#include <string>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/resize.h"

namespace attnunet::data {

Sample load_full(const Case& one) {
  Sample sample{read_luma(one.image), {}};
  const Grey& image = sample.image;
  sample.mask = {image.width, image.height, std::vector<std::uint8_t>(image.pixels.size(), 0)};
  for (const std::filesystem::path& path : one.masks) {
    const Grey mask = read_luma(path);
    if (mask.width != image.width || mask.height != image.height)
      throw Error("the mask " + quoted(path) + " has " + std::to_string(mask.width) + " x " +
                  std::to_string(mask.height) + " pixels but its image " + quoted(one.image) + " has " +
                  std::to_string(image.width) + " x " + std::to_string(image.height) + "; replace one of them");
    for (std::size_t i = 0; i < mask.pixels.size(); ++i)
      if (mask.pixels[i] > 127) sample.mask.pixels[i] = 1;
  }
  return sample;
}

Sample load(const Case& one, int size) {
  Sample sample = load_full(one);
  if (sample.image.width == size && sample.image.height == size) return sample;
  return {resize_bilinear(sample.image, size, size), resize_nearest(sample.mask, size, size)};
}

}  // namespace attnunet::data
