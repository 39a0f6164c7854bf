// The network on images: logits and, where asked, what report::Explainer tells.
//
// With test-time augmentation the logits are the means over the flips and turns that keep the size of the image, each
// turned back: means of logits, as nnU-Net takes them, so that one threshold on logits holds with and without. Maps are
// of the image as it is.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/predict/symmetries.h"
#include "common/report/gradcam.h"
#include "common/train/checkpoint.h"
#include "common/train/device_memory.h"

namespace attnunet {

template <class B>
class Predictor {
 public:
  using T = typename B::Scalar;

  /// For up to N images at a time, of the checkpoint's size. `layer`: of Grad-CAM, where images are to be explained.
  /// `host_bytes`: what the caller needs besides, which counts where the device's memory is the host's.
  /// Throws Error where it does not fit into memory, UsageError where there is no such layer.
  Predictor(typename B::Device& device, const Checkpoint& checkpoint, Index N, const std::optional<std::string>& layer,
            bool tta, Index host_bytes)
      : Predictor(device, checkpoint, make_architecture(checkpoint.config.network), N, layer, tta, host_bytes) {}

  /// Of images [n, height, width], 0 to 1, 1 <= n <= N; without maps where they are not asked for. go_on is asked
  /// between passes; if it says no, the result is empty.
  std::vector<report::Explanation> run(const std::vector<float>& images, const std::function<bool()>& go_on) {
    const auto pixels = static_cast<std::size_t>(size_.pixels()), n = images.size() / pixels;
    std::vector<report::Explanation> result;
    if (explainer_) {
      result = explainer_->explain(network_, images);
    } else {
      const std::vector<float> logits = forward(images);
      for (std::size_t i = 0; i < n; ++i)
        result.push_back({size_.width,
                          size_.height,
                          {logits.begin() + at(i * pixels), logits.begin() + at((i + 1) * pixels)},
                          {},
                          {}});
    }
    if (!tta_) return result;

    std::vector<double> sums;
    for (const report::Explanation& one : result) sums.insert(sums.end(), one.logits.begin(), one.logits.end());
    std::vector<float> turned(images.size());
    int passes = 1;
    for (int symmetry = 1; symmetry < symmetries; ++symmetry) {
      if (!keeps_size(symmetry, size_)) continue;
      if (!go_on()) return {};
      ++passes;
      for (std::size_t i = 0; i < images.size(); ++i)
        turned[i] = images[i / pixels * pixels + source_pixel(symmetry, i % pixels, size_)];
      const std::vector<float> logits = forward(turned);
      for (std::size_t i = 0; i < images.size(); ++i)
        sums[i / pixels * pixels + source_pixel(symmetry, i % pixels, size_)] += static_cast<double>(logits[i]);
    }
    for (std::size_t i = 0; i < images.size(); ++i)
      result[i / pixels].logits[i % pixels] = static_cast<float>(sums[i] / passes);
    return result;
  }

 private:
  Predictor(typename B::Device& device, const Checkpoint& checkpoint, const Architecture& architecture, Index N,
            const std::optional<std::string>& layer, bool tta, Index host_bytes)
      : device_(device),
        size_(checkpoint.config.size),
        tta_(tta),
        network_(fitting(device, architecture, N, size_, layer.has_value(), tta, host_bytes), architecture, false) {
    network_.load({checkpoint.parameters.begin(), checkpoint.parameters.end()},
                  {checkpoint.statistics.begin(), checkpoint.statistics.end()});
    if (layer) explainer_.emplace(device, architecture, N, size_.height, size_.width, *layer);
    if (!layer || tta) tape_.emplace(device, architecture, N, size_.height, size_.width, Purpose::inference);
  }

  /// The device, where what the constructor makes fits there.
  static typename B::Device& fitting(typename B::Device& device, const Architecture& architecture, Index N,
                                     const ImageSize& size, bool explain, bool tta, Index host_bytes) {
    Index need = AttentionUNet<B>::bytes(architecture, false) + (B::reads_wait ? 0 : host_bytes);
    if (explain) need += report::Explainer<B>::bytes(device, architecture, N, size.height, size.width);
    if (!explain || tta)
      need += AttentionUNetTape<B>::planned_bytes(device, architecture, N, size.height, size.width, Purpose::inference);
    require_memory("prediction", need, device.available_bytes(), memory_name<B>, "--batch or --size");
    return device;
  }

  std::vector<float> forward(const std::vector<float>& images) {
    const std::vector<T> input(images.begin(), images.end());
    const auto count = static_cast<Index>(images.size());
    tape_->set_batch(count / size_.pixels());
    copy_to_device(device_, tape_->input, input.data(), count);
    network_.forward(*tape_, {false, 0, 0});
    std::vector<T> logits(images.size());
    copy_to_host(device_, logits.data(), tape_->logits, count);
    return {logits.begin(), logits.end()};
  }
  static std::ptrdiff_t at(std::size_t i) { return static_cast<std::ptrdiff_t>(i); }

  typename B::Device& device_;
  ImageSize size_;
  bool tta_;
  AttentionUNet<B> network_;
  std::optional<AttentionUNetTape<B>> tape_;
  std::optional<report::Explainer<B>> explainer_;
};

}  // namespace attnunet
