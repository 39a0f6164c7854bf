#include "common/data/sample.h"

#include <string>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/resize.h"

namespace attnunet::data {

Grey load_image(const Case& one) {
  return grey_of(read_raw(one.image, one.reading.files), one.reading.intensity);
}

Sample without_masks(Grey image) {
  Grey mask{image.width, image.height, std::vector<std::uint8_t>(image.pixels.size(), 0)};
  return {std::move(image), std::move(mask)};
}

namespace {

/// The error of a mask that has another size than its image.
Error sizes_differ(const Case& one, const std::filesystem::path& path, const RawImage& mask, const Grey& image) {
  const auto size = [](int width, int height) { return std::to_string(width) + " x " + std::to_string(height); };
  const std::string sizes = "the mask " + quoted(path) + " has " + size(mask.width, mask.height) +
                            " pixels but its image " + quoted(one.image) + " has " + size(image.width, image.height);
  if (!one.reading.files.ignore_orientation) {
    const RawImage stored_mask = read_raw(path, {true}), stored_image = read_raw(one.image, {true});
    if (stored_mask.width == stored_image.width && stored_mask.height == stored_image.height)
      return Error(sizes + "; both are stored as " + size(stored_image.width, stored_image.height) +
                   ", but their EXIF orientations differ: --ignore-orientation reads them as they are stored");
  }
  return Error(sizes + "; replace one of them");
}

}  // namespace

MaskReading add_mask(Sample& sample, const Case& one, const std::filesystem::path& path, const RawImage& file) {
  const Grey& image = sample.image;
  if (file.width != image.width || file.height != image.height) throw sizes_differ(one, path, file, image);
  const LesionMask lesion = read_lesion(file, one.reading.mask_rule, path);
  for (std::size_t i = 0; i < lesion.mask.pixels.size(); ++i) sample.mask.pixels[i] |= lesion.mask.pixels[i];
  return lesion.reading;
}

Sample load_full(const Case& one) {
  Sample sample = without_masks(load_image(one));
  for (const std::filesystem::path& path : one.masks) add_mask(sample, one, path, read_raw(path, one.reading.files));
  return sample;
}

Sample load(const Case& one, int size) {
  Sample sample = load_full(one);
  if (sample.image.width == size && sample.image.height == size) return sample;
  return {resize_bilinear(sample.image, size, size), resize_nearest(sample.mask, size, size)};
}

}  // namespace attnunet::data
