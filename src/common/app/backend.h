// The backends of the program: what --backend names becomes a type here and nowhere else.
//
// All that is templated on a backend and large is compiled once for each, in backend_NAME.cpp.
#pragma once

#include <string>

#include "common/app/layer_timing.h"
#include "common/app/options.h"
#include "common/gradcheck/run_all.h"
#include "common/report/gradcam.h"
#include "common/train/trainer.h"
#include "cpu/machine_peaks.h"
#include "cpu/operations.h"
#include "cuda/machine_peaks.h"
#include "cuda/operations.h"

namespace attnunet {

#define ATTNUNET_BACKEND(prefix, Backend)                                                                           \
  prefix template class AttentionUNetTape<Backend<float>>;                                                          \
  prefix template class AttentionUNet<Backend<float>>;                                                              \
  prefix template class Evaluator<Backend<float>>;                                                                  \
  prefix template class report::Explainer<Backend<float>>;                                                          \
  prefix template class Trainer<Backend<float>>;                                                                    \
  prefix template app::LayerTiming app::time_layer<Backend<float>>(Backend<float>::Device&, const LayerInfo&, int); \
  prefix template void gradcheck::run_all<Backend<double>>(Backend<double>::Device&,                                \
                                                           const std::function<void(const gradcheck::Result&)>&);

ATTNUNET_BACKEND(extern, Cpu)
ATTNUNET_BACKEND(extern, CudaSim)
#ifdef ATTNUNET_HAVE_CUDA
ATTNUNET_BACKEND(extern, Cuda)
#endif

namespace app {

/// work(device, B()) with a device of the named backend, where B is e.g. Cpu<T>; returns what it returns.
template <class T, class Work>
auto with_backend(const std::string& backend, int threads, const std::string& precision, const std::string& conv,
                  Work work) {
  require_backend(backend, precision, conv);
  if (backend == "cuda-sim") {
    typename CudaSim<T>::Device device(parse_precision(precision));
    return work(device, CudaSim<T>());
  }
#ifdef ATTNUNET_HAVE_CUDA
  if (backend == "cuda") {
    typename Cuda<T>::Device device(parse_precision(precision));
    return work(device, Cuda<T>());
  }
#endif
  cpu::Device device(threads, parse_conv_method(conv));
  return work(device, Cpu<T>());
}

}  // namespace app
}  // namespace attnunet
