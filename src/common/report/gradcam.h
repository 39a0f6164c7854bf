// What a network looked at: its logits with, of the same pass, what every gate let through and Grad-CAM.
//
// Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
// eqs. 1 and 2; for segmentation, where the score is a mean over a region, Vinogradova et al. 2020, "Seg-Grad-CAM").
// A [h,w,K] is the output of the chosen layer, z the logits, R the pixels predicted lesion (z > 0), or the whole image
// where there are none:
//   score     s = 1/|R| sum_{p in R} z_p
//   weights   w_k = 1/(h w) sum_{ij} ds/dA_ijk
//   map       L_ij = relu(sum_k w_k A_ijk)
// scaled so that its largest value is 1 (a map without a positive value stays 0).
// All of it in evaluation mode, so the same image gives the same maps, whatever is beside it in the batch.
// Proof: tests/gradcam_test.cpp (numeric gradients; PyTorch's golden vector)
#pragma once

#include <string>
#include <vector>

#include "common/nn/attention_unet.h"

namespace attnunet::report {

/// Of one image, everything at the network's input size, row by row.
struct Explanation {
  int width = 0, height = 0;
  std::vector<float> logits;
  std::vector<std::vector<float>> attention;  ///< of the gate of each level, 0: full resolution; alpha, 0 to 1
  std::vector<float> gradcam;                 ///< 0 to 1
};

/// Layers whose output Grad-CAM can look at: "encoder.0", ..., "bottleneck", ..., "decoder.0".
std::vector<std::string> gradcam_layers(const NetworkConfig& config);

/// Makes the explanations of up to N images at a time. All its memory is allocated here.
template <class B>
class Explainer {
 public:
  using T = typename B::Scalar;

  /// For images of height x width. Throws UsageError where the network has no such layer.
  Explainer(typename B::Device& device, const Architecture& architecture, Index N, int height, int width,
            const std::string& layer = "bottleneck");

  /// The device memory of such an explainer.
  static Index bytes(typename B::Device& device, const Architecture& architecture, Index N, int height, int width);

  /// Of the images [n, height, width], 0 to 1; 1 <= n <= N. The network, for training or not, stays as it is.
  std::vector<Explanation> explain(AttentionUNet<B>& network, const std::vector<float>& images);
};

}  // namespace attnunet::report
