#include "common/predict/results.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/core/stable_sigmoid.h"
#include "common/report/lesion_table.h"
#include "common/report/picture.h"

namespace attnunet {
std::string write_results(const std::filesystem::path& path, const std::string& name, const data::Grey& image,
                          const report::Explanation& explanation, const ResultOptions& options) {
  const auto file = [&](const std::string& ending) { return path.string() + ending + ".png"; };
  const auto resized = [&](const std::vector<float>& map) {
    return report::resize_map(map, explanation.width, explanation.height, image.width, image.height);
  };
  const double threshold = std::log(options.threshold / (1 - options.threshold));

  const std::vector<float> logits = resized(explanation.logits);
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
    const data::Rgb heat = report::heat_map(resized(map), image.width, image.height);
    data::write_png(file(ending), report::blend(picture, heat, 0.5));
  };
  if (options.attention)
    for (std::size_t level = 0; level < explanation.attention.size(); ++level)
      write_heat("_attention_" + std::to_string(level), explanation.attention[level]);
  if (options.gradcam) write_heat("_gradcam", explanation.gradcam);
  return report::lesion_table_row(name, image.width, image.height, report::measure_lesion(mask, probability));
}

}  // namespace attnunet
