// What a network looked at: its logits with, of the same pass, what every gate (if it has gates) let through and
// Grad-CAM.
//
// Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
// eqs. 1 and 2; for segmentation, where the score is a mean over a region, Vinogradova et al. 2020, "Seg-Grad-CAM").
// A [h,w,K] is the output of the chosen layer, z the logits, R the pixels predicted lesion (z > 0), or the whole image
// where there are none:
//   score     s = 1/|R| sum_{p in R} z_p
//   weights   w_k = 1/(h w) sum_{ij} ds/dA_ijk
//   map       L_ij = relu(sum_k w_k A_ijk)
// scaled so that its largest value is 1 (a map without a positive value stays 0), then resized to the image, bilinear.
// All of it in evaluation mode, so that an image's maps do not depend on what is beside it in the batch. Where the
// image was padded, A covers the padding as well, the maps end at the image's edge. Proof: tests/gradcam_test.cpp
// (numeric gradients; PyTorch's golden vector)
#pragma once

#include <string>
#include <vector>

#include "common/nn/attention_unet.h"

namespace attnunet::report {

/// Of one image, everything at the network's input size, row by row.
struct Explanation {
  int width = 0, height = 0;
  std::vector<float> logits;
  std::vector<std::vector<float>>
      attention;               ///< of the gate of each level, 0: full resolution; alpha, 0 to 1; without gates none
  std::vector<float> gradcam;  ///< 0 to 1
};

/// Layers whose output Grad-CAM can look at, in the order of execution, which is that of their blocks' numbers
/// (attention_unet.h): "encoder.0", ..., "bottleneck", ..., "decoder.0".
std::vector<std::string> gradcam_layers(const NetworkConfig& config);
/// The block's number. Throws UsageError, naming the layers, where the network has no such layer.
int gradcam_block(const NetworkConfig& config, const std::string& layer);

/// ds/dz of one image: 1/|R| in R, else 0.
std::vector<float> score_gradient(const std::vector<float>& logits);

/// L, largest value 1, of one image's activations A and gradients ds/dA, [pixels, K] each: a value a pixel.
std::vector<float> gradcam_map(const float* A, const float* dA, Index pixels, Index K);

/// A map [h, w] of a level of the padded image, at the size of the padded image, and of that what is not padding.
std::vector<float> at_image_size(const std::vector<float>& map, Index h, Index w, Index padded_H, Index padded_W,
                                 int height, int width);

/// Explains up to N images at a time. All its device memory is allocated here.
template <class B>
class Explainer {
 public:
  using T = typename B::Scalar;

  /// For images of height x width. Throws UsageError where the network has no such layer.
  Explainer(typename B::Device& device, const Architecture& architecture, Index N, int height, int width,
            const std::string& layer = "bottleneck")
      : device_(device),
        block_(gradcam_block(architecture.config, layer)),
        height_(height),
        width_(width),
        tape_(device, architecture, N, height, width, Purpose::explanation) {}

  /// The device memory of such an explainer.
  static Index bytes(typename B::Device& device, const Architecture& architecture, Index N, int height, int width) {
    return AttentionUNetTape<B>::planned_bytes(device, architecture, N, height, width, Purpose::explanation);
  }

  /// Of the images [n, height, width], 0 to 1; 1 <= n <= N. The network, for training or not, stays as it is.
  std::vector<Explanation> explain(AttentionUNet<B>& network, const std::vector<float>& images) {
    const Index P = Index{height_} * width_, N = static_cast<Index>(images.size()) / P;
    const std::vector<T> input(images.begin(), images.end());
    tape_.set_batch(N);
    copy_to_device(device_, tape_.input, input.data(), N * P);
    network.forward(tape_, {false, 0, 0});

    std::vector<Explanation> result(static_cast<std::size_t>(N), Explanation{width_, height_, {}, {}, {}});
    const std::vector<float> logits = fetch(tape_.logits, N * P);
    std::vector<T> d_logits;
    for (Index n = 0; n < N; ++n) {
      Explanation& one = result[static_cast<std::size_t>(n)];
      one.logits.assign(logits.begin() + n * P, logits.begin() + (n + 1) * P);
      const std::vector<float> gradient = score_gradient(one.logits);
      d_logits.insert(d_logits.end(), gradient.begin(), gradient.end());
    }
    for (const DecoderTape<T>& level : tape_.decoder) {
      if (!level.skip.gate) continue;
      const Index pixels = level.H * level.W;
      const std::vector<float> alpha = fetch(level.skip.gate->alpha, N * pixels);
      for (Index n = 0; n < N; ++n)
        result[static_cast<std::size_t>(n)].attention.push_back(
            resized({alpha.begin() + n * pixels, alpha.begin() + (n + 1) * pixels}, level.H, level.W));
    }

    copy_to_device(device_, tape_.d_logits, d_logits.data(), N * P);
    const T* gradient = network.backward_to_block(tape_, block_).data;
    const DoubleConvTape<T>& block = tape_.block(block_);
    const Index pixels = block.H * block.W, size = pixels * block.K;
    const std::vector<float> A = fetch(block.y, N * size), dA = fetch(gradient, N * size);
    for (Index n = 0; n < N; ++n)
      result[static_cast<std::size_t>(n)].gradcam =
          resized(gradcam_map(A.data() + n * size, dA.data() + n * size, pixels, block.K), block.H, block.W);
    return result;
  }

 private:
  std::vector<float> fetch(const T* source, Index count) {
    std::vector<T> host(static_cast<std::size_t>(count));
    copy_to_host(device_, host.data(), source, count);
    return {host.begin(), host.end()};
  }
  std::vector<float> resized(const std::vector<float>& map, Index h, Index w) const {
    return at_image_size(map, h, w, tape_.padded_H, tape_.padded_W, height_, width_);
  }

  typename B::Device& device_;
  int block_, height_, width_;
  AttentionUNetTape<B> tape_;
};

}  // namespace attnunet::report
