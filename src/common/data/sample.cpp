#include "common/data/sample.h"

#include <string>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/fit.h"

namespace attnunet::data {

Grey image_of(const RawImage& file, const Reading& reading) {
  Grey image = grey_of(file, reading.intensity);
  return file.region.width == 0 ? image : crop(image, file.region);
}

Grey load_image(const Case& one) {
  return image_of(read_raw(one.image, one.reading.files), one.reading);
}

Frame frame_of(const RawImage& image) {
  return {image.width, image.height, region_of(image)};
}

Grey empty_mask(const Frame& frame) {
  const int width = frame.region.width, height = frame.region.height;
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height))};
}

namespace {

template <class A, class B>
bool same_size(const A& a, const B& b) {
  return a.width == b.width && a.height == b.height;
}

template <class A>
std::string size_text(const A& of) {
  return std::to_string(of.width) + " x " + std::to_string(of.height);
}

/// The error of a mask that has another size than its image.
Error sizes_differ(const Case& one, const std::filesystem::path& path, const RawImage& mask, const Frame& frame) {
  std::string sizes = "the mask " + quoted(path) + " has " + size_text(mask) + " pixels but its image " +
                      quoted(one.image) + " has " + size_text(frame);
  if (!same_size(frame, frame.region)) sizes += ", and the region of the picture in it " + size_text(frame.region);
  if (!one.reading.files.ignore_orientation) {
    const RawImage stored_mask = read_raw(path, {true}), stored_image = read_raw(one.image, {true});
    if (same_size(stored_mask, stored_image))
      return Error(sizes + "; both are stored as " + size_text(stored_image) +
                   ", but their EXIF orientations differ: --ignore-orientation reads them as they are stored");
  }
  return Error(sizes + "; replace one of them");
}

}  // namespace

MaskReading add_mask(Grey& mask, const Frame& frame, const Case& one, const std::filesystem::path& path,
                     const RawImage& file) {
  if (!same_size(file, frame) && !same_size(file, frame.region)) throw sizes_differ(one, path, file, frame);
  LesionMask lesion = read_lesion(file, one.reading.mask_rule, path);
  if (!same_size(lesion.mask, mask)) lesion.mask = crop(lesion.mask, frame.region);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] |= lesion.mask.pixels[i];
  return lesion.reading;
}

Sample load_full(const Case& one) {
  Frame frame;
  Sample sample;
  {
    const RawImage file = read_raw(one.image, one.reading.files);
    frame = frame_of(file);
    sample.image = image_of(file, one.reading);
  }
  sample.mask = empty_mask(frame);
  for (const std::filesystem::path& path : one.masks)
    add_mask(sample.mask, frame, one, path, read_raw(path, one.reading.files));
  return sample;
}

Sample load(const Case& one, const ImageSize& size) {
  const Sample full = load_full(one);
  const bool keep_aspect = one.reading.keep_aspect;
  return {fit_image(full.image, size, keep_aspect), fit_mask(full.mask, size, keep_aspect)};
}

}  // namespace attnunet::data
