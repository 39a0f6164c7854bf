// The cases of common/gradcheck/cases, compiled once for every backend (instances_BACKEND.cpp).
#pragma once

#include "common/gradcheck/run_all.h"
#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/networks.h"

namespace attnunet::gradcheck {

#define ATTNUNET_LAYER_CASES_OF(prefix, B)                                                                             \
  prefix template LayerCase add_case<B>(B::Device&, Index, std::uint64_t);                                             \
  prefix template LayerCase attention_gate_case<B>(B::Device&, Shape, std::uint64_t);                                  \
  prefix template LayerCase attention_multiply_case<B>(B::Device&, Index, Index, std::uint64_t);                       \
  prefix template LayerCase attention_unet_case<B>(B::Device&, const NetworkConfig&, Index, Index, Index, const Pass&, \
                                                   std::uint64_t);                                                     \
  prefix template LayerCase batch_norm_case<B>(B::Device&, Index, Index, std::uint64_t);                               \
  prefix template LayerCase batch_norm_inference_case<B>(B::Device&, Index, Index, std::uint64_t);                     \
  prefix template LayerCase batch_norm_relu_dropout_case<B>(B::Device&, Index, Index, const Dropout&, std::uint64_t);  \
  prefix template LayerCase bce_case<B>(B::Device&, Index, Index, std::vector<double>, std::uint64_t);                 \
  prefix template LayerCase concat_case<B>(B::Device&, Index, Index, Index, std::uint64_t);                            \
  prefix template LayerCase conv2d_case<B>(B::Device&, const Conv2dGeometry&, bool, std::uint64_t);                    \
  prefix template LayerCase conv2d_statistics_case<B>(B::Device&, const Conv2dGeometry&, std::uint64_t);               \
  prefix template LayerCase conv_transpose2d_case<B>(B::Device&, const ConvTranspose2dGeometry&, bool, std::uint64_t); \
  prefix template LayerCase crop_case<B>(B::Device&, Shape, Index, Index, std::uint64_t);                              \
  prefix template LayerCase dice_case<B>(B::Device&, Index, Index, std::vector<double>, std::uint64_t);                \
  prefix template LayerCase double_conv_case<B>(B::Device&, Shape, Index, double, const Pass&, std::uint32_t,          \
                                                std::uint64_t);                                                        \
  prefix template LayerCase dropout_case<B>(B::Device&, Index, const Dropout&, std::uint64_t);                         \
  prefix template LayerCase edge_pad_case<B>(B::Device&, Shape, Index, Index, std::uint64_t);                          \
  prefix template LayerCase focal_case<B>(B::Device&, Index, Index, std::vector<double>, const FocalOptions&,          \
                                          std::uint64_t);                                                              \
  prefix template LayerCase max_pool_case<B>(B::Device&, Shape, std::uint64_t);                                        \
  prefix template LayerCase relu_case<B>(B::Device&, Index, std::uint64_t);                                            \
  prefix template LayerCase sigmoid_case<B>(B::Device&, Index, std::uint64_t);                                         \
  prefix template LayerCase tversky_case<B>(B::Device&, Index, Index, std::vector<double>, const TverskyOptions&,      \
                                            std::uint64_t);

#define ATTNUNET_LAYER_CASES(prefix, B)     \
  ATTNUNET_LAYER_CASES_OF(prefix, B<float>) \
  ATTNUNET_LAYER_CASES_OF(prefix, B<double>)

ATTNUNET_LAYER_CASES(extern, Cpu)
ATTNUNET_LAYER_CASES(extern, CudaSim)
#ifdef ATTNUNET_TEST_CUDA
ATTNUNET_LAYER_CASES(extern, Cuda)
#endif

}  // namespace attnunet::gradcheck
