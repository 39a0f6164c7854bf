// The network that evaluation runs as an ONNX graph: forward of nn/attention_unet.h, with batch norms folded away.
//
// image [N,1,H,W], NCHW as in PyTorch, H and W multiples of 2^D -> logits and probability [N,1,H,W]. Padding of other
// sizes (by edge replication on the right and at the bottom, and cropping back) is the caller's.
// Tensors have the names of their places in the checkpoint: "encoder.0.conv1.weight"; results those of the layers:
// "encoder.0.conv1", "encoder.0.relu1", "decoder.2.gate.alpha".
//
// Both operands of every Add and Mul have the same shape. In the gate, out = x alpha, the network has one alpha for all
// channels of a pixel. OpenCV 4.6 (with two images or more) and OpenCV 5 cannot multiply [N,C,H,W] by [N,1,H,W], so the
// graph repeats alpha first:
//
//   alpha [N,1,H,W] -> 1x1 convolution with C weights, all 1 -> alpha_repeated [N,C,H,W];   out = x alpha_repeated
//
// Every alpha is multiplied by 1 and added to nothing, which is exact, and convolutions are what every runtime has. Of
// the other ways Tile is unknown to OpenCV 4.6 and wrong in 4.7 to 4.12 with two images, and C equal rows in psi are C
// times its weights.
#pragma once

#include "common/export/onnx.h"
#include "common/nn/folded_convolutions.h"

namespace attnunet {

/// Nodes, tensors, input and outputs; the texts are the caller's. `convolutions` must be those of a network of this
/// configuration. N is free; `height` and `width` are numbers, or names if they are free as well.
onnx::Model network_graph(const NetworkConfig& config, std::vector<FoldedConvolution<float>> convolutions,
                          const std::string& height, const std::string& width);

}  // namespace attnunet
