#include "common/report/gradcam.h"

#include <algorithm>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/report/picture.h"

namespace attnunet::report {

std::vector<std::string> gradcam_layers(const NetworkConfig& config) {
  std::vector<std::string> layers;
  for (int i = 0; i < config.levels(); ++i) layers.push_back("encoder." + std::to_string(i));
  layers.push_back("bottleneck");
  for (int i = config.levels(); i-- > 0;) layers.push_back("decoder." + std::to_string(i));
  return layers;
}

int gradcam_block(const NetworkConfig& config, const std::string& layer) {
  const std::vector<std::string> layers = gradcam_layers(config);
  const auto found = std::find(layers.begin(), layers.end(), layer);
  if (found != layers.end()) return static_cast<int>(found - layers.begin());
  std::string list;
  for (const std::string& name : layers) list += (list.empty() ? "" : ", ") + name;
  throw UsageError(name_of(config.variant) + std::string(" has no layer ") + quoted(layer) + " for Grad-CAM: one of " +
                   list);
}

std::vector<float> score_gradient(const std::vector<float>& logits) {
  const auto lesion =
      static_cast<std::size_t>(std::count_if(logits.begin(), logits.end(), [](float z) { return z > 0; }));
  const bool whole = lesion == 0;
  const float share = 1.0f / static_cast<float>(whole ? logits.size() : lesion);
  std::vector<float> gradient;
  gradient.reserve(logits.size());
  for (const float z : logits) gradient.push_back(whole || z > 0 ? share : 0.0f);
  return gradient;
}

std::vector<float> gradcam_map(const float* A, const float* dA, Index pixels, Index K) {
  std::vector<double> weights(static_cast<std::size_t>(K), 0.0);
  for (Index p = 0; p < pixels; ++p)
    for (Index k = 0; k < K; ++k) weights[static_cast<std::size_t>(k)] += static_cast<double>(dA[p * K + k]);
  for (double& weight : weights) weight /= static_cast<double>(pixels);

  std::vector<double> map;
  for (Index p = 0; p < pixels; ++p) {
    double sum = 0;
    for (Index k = 0; k < K; ++k) sum += weights[static_cast<std::size_t>(k)] * static_cast<double>(A[p * K + k]);
    map.push_back(std::max(sum, 0.0));
  }
  const double largest = *std::max_element(map.begin(), map.end());
  std::vector<float> result;
  for (const double value : map) result.push_back(largest > 0 ? static_cast<float>(value / largest) : 0.0f);
  return result;
}

std::vector<float> at_image_size(const std::vector<float>& map, Index h, Index w, Index padded_H, Index padded_W,
                                 int height, int width) {
  const std::vector<float> padded =
      resize_map(map, static_cast<int>(w), static_cast<int>(h), static_cast<int>(padded_W), static_cast<int>(padded_H));
  std::vector<float> result;
  for (int row = 0; row < height; ++row) {
    const auto begin = padded.begin() + row * padded_W;
    result.insert(result.end(), begin, begin + width);
  }
  return result;
}

}  // namespace attnunet::report
