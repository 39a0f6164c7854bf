// The networks on images: logits, means if there are several passes (mean_logits.h), and, if asked, what
// report::Explainer tells. Maps are of the image as it is.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/predict/mean_logits.h"
#include "common/report/gradcam.h"
#include "common/train/checkpoint.h"
#include "common/train/device_memory.h"

namespace attnunet {

template <class B>
class Predictor {
 public:
  /// For up to N images at a time, of the first checkpoint's size; several checkpoints are an ensemble. `layer`: of
  /// Grad-CAM, if images are to be explained, which goes with one checkpoint.
  /// `host_bytes`: what the caller needs besides, which counts where the device's memory is the host's.
  /// Throws Error where it does not fit into memory, UsageError where there is no such layer.
  Predictor(typename B::Device& device, const std::vector<Checkpoint>& checkpoints, Index N,
            const std::optional<std::string>& layer, bool tta, Index host_bytes)
      : size_(checkpoints[0].config.size),
        averages_(!layer || tta),
        mean_(fitting(device, checkpoints, N, layer.has_value(), averages_, host_bytes), checkpoints, N, size_, tta,
              averages_) {
    if (layer)
      explainer_.emplace(device, make_architecture(checkpoints[0].config.network), N, size_.height, size_.width,
                         *layer);
  }

  /// Of images [n, height, width], 0 to 1, 1 <= n <= N; without maps where they are not asked for. go_on is asked
  /// between passes; if it says no, the result is empty.
  std::vector<report::Explanation> run(const std::vector<float>& images, const std::function<bool()>& go_on) {
    const auto pixels = static_cast<std::size_t>(size_.pixels()), n = images.size() / pixels;
    std::vector<report::Explanation> result;
    std::vector<float> first;
    if (explainer_) {
      result = explainer_->explain(mean_.network(), images);
      for (const report::Explanation& one : result) first.insert(first.end(), one.logits.begin(), one.logits.end());
    } else {
      result.assign(n, {size_.width, size_.height, {}, {}, {}});
    }
    if (!averages_) return result;
    const std::vector<float> logits = mean_.run(images, go_on, first);
    if (logits.empty()) return {};
    for (std::size_t i = 0; i < n; ++i)
      result[i].logits.assign(logits.begin() + at(i * pixels), logits.begin() + at((i + 1) * pixels));
    return result;
  }

 private:
  /// The device, where what the constructor makes fits there.
  static typename B::Device& fitting(typename B::Device& device, const std::vector<Checkpoint>& checkpoints, Index N,
                                     bool explain, bool averages, Index host_bytes) {
    const TrainConfig& config = checkpoints[0].config;
    const ImageSize& size = config.size;
    Index need = MeanLogits<B>::bytes(device, checkpoints, N, size, averages) + (B::reads_wait ? 0 : host_bytes);
    if (explain)
      need += report::Explainer<B>::bytes(device, make_architecture(config.network), N, size.height, size.width);
    require_memory("prediction", need, device.available_bytes(), memory_name<B>, "--batch or --size");
    return device;
  }
  static std::ptrdiff_t at(std::size_t i) { return static_cast<std::ptrdiff_t>(i); }

  ImageSize size_;
  bool averages_;  // whether the logits come from mean_, not from the explainer alone
  MeanLogits<B> mean_;
  std::optional<report::Explainer<B>> explainer_;
};

}  // namespace attnunet
