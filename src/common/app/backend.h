// The backends of the program: what --backend names becomes a type here and nowhere else.
//
// All that is templated on a backend and large is compiled once for each, in backend_NAME.cpp.
#pragma once

#include <string>

#include "common/app/layer_timing.h"
#include "common/app/options.h"
#include "common/gradcheck/examples.h"
#include "common/gradcheck/run_all.h"
#include "common/io/machine.h"
#include "common/report/gradcam.h"
#include "common/train/trainer.h"
#include "cpu/machine_peaks.h"
#include "cpu/operations.h"
#include "cuda/machine_peaks.h"
#include "cuda/operations.h"

namespace attnunet {

#define ATTNUNET_BACKEND(prefix, B)                                                                         \
  prefix template class AttentionUNetTape<B<float>>;                                                        \
  prefix template class AttentionUNet<B<float>>;                                                            \
  prefix template class Evaluator<B<float>>;                                                                \
  prefix template class report::Explainer<B<float>>;                                                        \
  prefix template class Trainer<B<float>>;                                                                  \
  prefix template app::LayerTiming app::time_layer<B<float>>(B<float>::Device&, const LayerInfo&, int);     \
  prefix template std::vector<gradcheck::LayerCase> gradcheck::layer_cases<B<double>>(B<double>::Device&,   \
                                                                                      std::uint64_t);       \
  prefix template std::vector<gradcheck::LayerCase> gradcheck::network_cases<B<double>>(B<double>::Device&, \
                                                                                        std::uint64_t);     \
  prefix template std::vector<gradcheck::Example> gradcheck::examples<B<double>>(B<double>::Device&);       \
  prefix template void gradcheck::run_all<B<double>>(B<double>::Device&, const std::string&,                \
                                                     const std::function<void(const gradcheck::Result&)>&);

ATTNUNET_BACKEND(extern, Cpu)
ATTNUNET_BACKEND(extern, CudaSim)
#ifdef ATTNUNET_HAVE_CUDA
ATTNUNET_BACKEND(extern, Cuda)
#endif

namespace app {

/// work(device, B()) with a device of the backend, where B is e.g. Cpu<T>; returns what it returns.
template <class T, class Work>
auto with_backend(Backend backend, int threads, Precision precision, ConvMethod conv, Work work) {
  require_backend(backend, precision, conv);
  switch (backend) {
    case Backend::cpu: {
      cpu::Device device(threads, conv, free_memory());
      return work(device, Cpu<T>());
    }
    case Backend::cuda:
#ifdef ATTNUNET_HAVE_CUDA
    {
      typename Cuda<T>::Device device(precision);
      return work(device, Cuda<T>());
    }
#else
      throw Error(cuda::gpu_missing());
#endif
    case Backend::cuda_sim: {
      typename CudaSim<T>::Device device(precision);
      return work(device, CudaSim<T>());
    }
  }
  no_such_value(backend);
}

}  // namespace app
}  // namespace attnunet
