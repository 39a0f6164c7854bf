#include "common/predict/results.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "common/core/in_parallel.h"
#include "common/core/stable_sigmoid.h"
#include "common/data/fit.h"
#include "common/predict/mask.h"
#include "common/report/lesion_table.h"
#include "common/report/picture.h"

namespace attnunet {
namespace {

/// Values of a region in a map of the image's size, the rest of which has the value `outside`.
std::vector<float> placed(const std::vector<float>& part, const data::Region& region, const data::Grey& image,
                          float outside) {
  std::vector<float> map(image.pixels.size(), outside);
  for (int y = 0; y < region.height; ++y)
    std::copy_n(part.begin() + std::ptrdiff_t{y} * region.width, region.width,
                map.begin() + std::ptrdiff_t{region.top + y} * image.width + region.left);
  return map;
}

/// The values of a region of a map.
std::vector<float> cut(const std::vector<float>& map, int width, const data::Region& region) {
  std::vector<float> part;
  for (int y = region.top; y < region.top + region.height; ++y) {
    const auto row = map.begin() + std::ptrdiff_t{y} * width + region.left;
    part.insert(part.end(), row, row + region.width);
  }
  return part;
}

}  // namespace

std::string longest_ending(const ResultOptions& options) {
  if (options.probability) return "_probability.png";
  if (options.attention) return "_attention_0.png";
  if (options.overlay || options.gradcam) return "_overlay.png";  // as long as _gradcam.png
  return "_mask.png";
}

std::string write_results(const std::filesystem::path& path, const PredictedImage& of,
                          const report::Explanation& explanation, const ResultOptions& options, int threads) {
  const data::Grey& image = of.image;
  const data::Region region = of.region.width > 0 ? of.region : data::Region{0, 0, image.width, image.height};
  std::vector<std::function<void()>> pictures;
  const auto add = [&](const std::string& ending, const auto& draw) {
    pictures.emplace_back([&path, ending, draw] {
      data::write_png(path.string() + ending + ".png", draw(), Durability::unsynced, ending.substr(1));
    });
  };
  const ImageSize network{explanation.height, explanation.width};
  const data::Region seen = data::fitted_region(region.width, region.height, network, of.keep_aspect);
  const auto resized = [&](const std::vector<float>& map) {
    return report::resize_map(cut(map, network.width, seen), seen.width, seen.height, region.width, region.height);
  };
  report::Marking marking = options.marking;
  if (marking.area_of.height > 0) {
    const data::Region counted = data::fitted_region(region.width, region.height, marking.area_of, of.keep_aspect);
    const double larger = static_cast<double>(region.width) * region.height / (1.0 * counted.width * counted.height);
    marking.min_area =
        std::max(Index{1}, static_cast<Index>(std::lround(static_cast<double>(marking.min_area) * larger)));
  }
  const std::vector<float> logits =
      placed(resized(explanation.logits), region, image, -std::numeric_limits<float>::infinity());
  const data::Grey mask = mask_of(logits.data(), image.width, image.height, marking);
  data::Grey grey{image.width, image.height, {}};
  std::vector<float> probability;
  grey.pixels.reserve(logits.size());
  probability.reserve(logits.size());
  for (const float logit : logits) {
    probability.push_back(stable_sigmoid(logit));
    grey.pixels.push_back(static_cast<std::uint8_t>(std::lround(255 * probability.back())));
  }
  add("_mask", [&] { return mask; });
  if (of.dicom) pictures.emplace_back([&] { data::write_dicom_mask(path.string() + "_mask.dcm", mask, *of.dicom); });
  if (options.probability) add("_probability", [&] { return grey; });

  const data::Rgb picture = report::to_rgb(image);
  const auto overlay = [&] {
    data::Rgb drawn = picture;
    report::tint(drawn, mask, report::prediction_colour, 0.25);
    report::draw_outline(drawn, mask, report::prediction_colour, report::outline_thickness(image.width, image.height));
    return drawn;
  };
  if (options.overlay) add("_overlay", overlay);
  const auto add_heat = [&](const std::string& ending, const std::vector<float>& map) {
    add(ending, [&] {
      const data::Rgb heat = report::heat_map(resized(map), region.width, region.height);
      const data::Rgb part = report::to_rgb(data::crop(image, region));
      data::Rgb over = picture;
      report::paste(over, report::blend(part, heat, 0.5), region.left, region.top);
      return over;
    });
  };
  if (options.attention)
    for (std::size_t level = 0; level < explanation.attention.size(); ++level)
      add_heat("_attention_" + std::to_string(level), explanation.attention[level]);
  if (options.gradcam) add_heat("_gradcam", explanation.gradcam);
  in_parallel(pictures.size(), threads, [&](std::size_t i) { pictures[i](); });
  return report::lesion_table_row(of.name, image.width, image.height, report::measure_lesion(mask, probability),
                                  of.pixel, {network, of.keep_aspect, marking});
}

}  // namespace attnunet
