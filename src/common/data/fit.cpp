#include "common/data/fit.h"

#include <algorithm>

#include "common/data/resize.h"

namespace attnunet::data {
namespace {

/// `part` at its place in an image of the size, the rest of which is 0 or, if asked for, the nearest pixel of the part.
Grey placed(const Grey& part, const Region& region, const ImageSize& size, bool repeat_edge) {
  if (region.width == size.width && region.height == size.height) return part;
  Grey result{size.width, size.height, std::vector<std::uint8_t>(static_cast<std::size_t>(size.pixels()), 0)};
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x) {
      const int row = std::clamp(y - region.top, 0, region.height - 1);
      const int column = std::clamp(x - region.left, 0, region.width - 1);
      const bool inside = row == y - region.top && column == x - region.left;
      if (!inside && !repeat_edge) continue;
      result.pixels[static_cast<std::size_t>(y * size.width + x)] =
          part.pixels[static_cast<std::size_t>(row * region.width + column)];
    }
  return result;
}

}  // namespace

Region fitted_region(int width, int height, const ImageSize& size, bool keep_aspect) {
  Region region{0, 0, size.width, size.height};
  if (!keep_aspect) return region;
  // out / in, rounded, in integers: no rounding error may decide between two sizes.
  const auto scaled = [](std::int64_t side, std::int64_t out, std::int64_t in) {
    return static_cast<int>(std::max<std::int64_t>(1, (2 * side * out + in) / (2 * in)));
  };
  if (std::int64_t{width} * size.height >= std::int64_t{height} * size.width)
    region.height = std::min(size.height, scaled(height, size.width, width));
  else
    region.width = std::min(size.width, scaled(width, size.height, height));
  region.left = (size.width - region.width) / 2;
  region.top = (size.height - region.height) / 2;
  return region;
}

Grey fit_image(const Grey& image, const ImageSize& size, bool keep_aspect) {
  const Region region = fitted_region(image.width, image.height, size, keep_aspect);
  return placed(resize_bilinear(image, region.width, region.height), region, size, true);
}

Grey fit_mask(const Grey& mask, const ImageSize& size, bool keep_aspect) {
  const Region region = fitted_region(mask.width, mask.height, size, keep_aspect);
  return placed(resize_nearest(mask, region.width, region.height), region, size, false);
}

}  // namespace attnunet::data
