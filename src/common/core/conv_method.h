// How the CPU computes convolutions (cpu/conv2d.h): three methods, and the choice among them by shape. Each rounds in
// its own way, so the bits of a result depend on it.
#pragma once

#include <string>

#include "common/core/error.h"

namespace attnunet {

enum class ConvMethod { automatic, gemm, direct, winograd };

inline const char* conv_method_name(ConvMethod method) {
  return method == ConvMethod::gemm       ? "gemm"
         : method == ConvMethod::direct   ? "direct"
         : method == ConvMethod::winograd ? "winograd"
                                          : "auto";
}

/// Throws UsageError where there is none of that name.
inline ConvMethod parse_conv_method(const std::string& name) {
  for (const ConvMethod method : {ConvMethod::automatic, ConvMethod::direct, ConvMethod::gemm, ConvMethod::winograd})
    if (name == conv_method_name(method)) return method;
  throw UsageError("--conv " + name + " is unknown: one of auto, direct, gemm, winograd");
}

/// Throws UsageError where the backend leaves no choice.
inline void require_conv_method(const std::string& backend, ConvMethod method) {
  if (backend != "cpu" && method != ConvMethod::automatic)
    throw UsageError(std::string("--conv ") + conv_method_name(method) + " needs --backend cpu: " + backend +
                     " chooses by itself, leave --conv out");
}

}  // namespace attnunet
