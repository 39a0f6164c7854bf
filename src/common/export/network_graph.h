// The network that evaluation runs as an ONNX graph: forward of nn/attention_unet.h, with batch norms folded away.
//
// image [N,1,H,W], NCHW as in PyTorch, H and W multiples of 2^D -> logits and probability [N,1,H,W]. Padding of other
// sizes (by edge replication on the right and at the bottom, and cropping back) is the caller's.
// Tensors have the names of their places in the checkpoint: "encoder.0.conv1.weight"; results those of the layers:
// "encoder.0.conv1", "encoder.0.relu1", "decoder.2.gate.alpha".
#pragma once

#include "common/export/onnx.h"
#include "common/nn/folded_convolutions.h"

namespace attnunet {

/// Nodes, tensors, input and outputs; the texts are the caller's. The tensors point into `convolutions`, which must be
/// those of a network of this configuration.
onnx::Model network_graph(const NetworkConfig& config, const std::vector<FoldedConvolution<float>>& convolutions);

}  // namespace attnunet
