// How the CPU computes convolutions (cpu/conv2d.h): three methods, and the choice among them by shape. Each rounds in
// its own way, so the bits of a result depend on it.
#pragma once

#include "common/core/names.h"

namespace attnunet {

enum class ConvMethod { automatic, direct, gemm, winograd };

template <>
struct Names<ConvMethod> {
  static constexpr const char* option = "conv";
  static constexpr Name<ConvMethod> table[] = {{ConvMethod::automatic, "auto"},
                                               {ConvMethod::direct, "direct"},
                                               {ConvMethod::gemm, "gemm"},
                                               {ConvMethod::winograd, "winograd"}};
};

}  // namespace attnunet
