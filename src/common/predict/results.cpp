#include "common/predict/results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/core/stable_sigmoid.h"
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

}  // namespace

std::string write_results(const std::filesystem::path& path, const PredictedImage& of,
                          const report::Explanation& explanation, const ResultOptions& options) {
  const data::Grey& image = of.image;
  const data::Region region = of.region.width > 0 ? of.region : data::Region{0, 0, image.width, image.height};
  const auto file = [&](const std::string& ending) { return path.string() + ending + ".png"; };
  const auto resized = [&](const std::vector<float>& map) {
    return report::resize_map(map, explanation.width, explanation.height, region.width, region.height);
  };
  const double threshold = std::log(options.threshold / (1 - options.threshold));

  const std::vector<float> logits =
      placed(resized(explanation.logits), region, image, -std::numeric_limits<float>::infinity());
  data::Grey mask{image.width, image.height, {}}, grey{image.width, image.height, {}};
  std::vector<float> probability;
  mask.pixels.reserve(logits.size());
  grey.pixels.reserve(logits.size());
  probability.reserve(logits.size());
  for (const float logit : logits) {
    mask.pixels.push_back(static_cast<double>(logit) > threshold ? 255 : 0);
    probability.push_back(stable_sigmoid(logit));
    grey.pixels.push_back(static_cast<std::uint8_t>(std::lround(255 * probability.back())));
  }
  data::write_png(file("_mask"), mask);
  if (of.dicom) data::write_dicom_mask(path.string() + "_mask.dcm", mask, *of.dicom);
  if (options.probability) data::write_png(file("_probability"), grey);

  const data::Rgb picture = report::to_rgb(image);
  if (options.overlay) {
    data::Rgb overlay = picture;
    report::tint(overlay, mask, report::prediction_colour, 0.25);
    report::draw_outline(overlay, mask, report::prediction_colour,
                         report::outline_thickness(image.width, image.height));
    data::write_png(file("_overlay"), overlay);
  }
  const auto write_heat = [&](const std::string& ending, const std::vector<float>& map) {
    const data::Rgb heat = report::heat_map(resized(map), region.width, region.height);
    const data::Rgb part = report::to_rgb(data::crop(image, region));
    data::Rgb over = picture;
    report::paste(over, report::blend(part, heat, 0.5), region.left, region.top);
    data::write_png(file(ending), over);
  };
  if (options.attention)
    for (std::size_t level = 0; level < explanation.attention.size(); ++level)
      write_heat("_attention_" + std::to_string(level), explanation.attention[level]);
  if (options.gradcam) write_heat("_gradcam", explanation.gradcam);
  return report::lesion_table_row(of.name, image.width, image.height, report::measure_lesion(mask, probability),
                                  of.pixel);
}

}  // namespace attnunet
