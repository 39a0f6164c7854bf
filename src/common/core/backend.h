// What computes a network, and which precisions and methods of convolution it offers. The names are also those of the
// types: Backend::cpu is Cpu<T> (cpu/device.h), cuda and cuda_sim are Cuda<T> and CudaSim<T> (cuda/device.h).
#pragma once

#include <string>

#include "common/core/conv_method.h"
#include "common/core/error.h"
#include "common/core/names.h"
#include "common/core/precision.h"

namespace attnunet {

enum class Backend { cpu, cuda, cuda_sim };

template <>
struct Names<Backend> {
  static constexpr const char* option = "backend";
  static constexpr Name<Backend> table[] = {
      {Backend::cpu, "cpu"}, {Backend::cuda, "cuda"}, {Backend::cuda_sim, "cuda-sim"}};
};

/// Throws UsageError if the backend cannot compute in that precision.
inline void require_precision(Backend backend, Precision precision) {
  if (backend == Backend::cpu && precision != Precision::float32)
    throw UsageError(std::string("--precision ") + name_of(precision) +
                     " needs --backend cuda or cuda-sim: cpu computes in float32 only");
}

/// Throws UsageError if the backend leaves no choice of method.
inline void require_conv_method(Backend backend, ConvMethod method) {
  if (backend != Backend::cpu && method != ConvMethod::automatic)
    throw UsageError(std::string("--conv ") + name_of(method) + " needs --backend cpu: " + name_of(backend) +
                     " chooses by itself, leave --conv out");
}

}  // namespace attnunet
