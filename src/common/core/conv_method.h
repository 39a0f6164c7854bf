// How the CPU computes convolutions (cpu/conv2d.h): plain loops, three faster methods, and the choice among these three
// by shape. `reference` also runs the plain loops of every other layer that has some (cpu/*_reference.cpp). Each method
// rounds in its own way, so the bits of a result depend on it.
#pragma once

#include "common/core/names.h"

namespace attnunet {

enum class ConvMethod { automatic, reference, gemm, direct, winograd };

template <>
struct Names<ConvMethod> {
  static constexpr const char* option = "conv";
  static constexpr Name<ConvMethod> table[] = {{ConvMethod::automatic, "auto"},
                                               {ConvMethod::reference, "reference"},
                                               {ConvMethod::gemm, "gemm"},
                                               {ConvMethod::direct, "direct"},
                                               {ConvMethod::winograd, "winograd"}};
};

}  // namespace attnunet
