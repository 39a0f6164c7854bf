#include "common/app/backend.h"

namespace attnunet::app {

Precision require_backend(const std::string& backend, const std::string& precision) {
  const Precision parsed = parse_precision(precision);
  require_precision(backend, parsed);
  if (backend == "cuda")
    throw Error(
        "this build has no CUDA: install the CUDA toolkit (nvcc) and run make again, or use --backend cuda-sim or cpu");
  if (backend != "cpu") throw Error("this build has no backend " + backend + ", only cpu: leave --backend out");
  return parsed;
}

}  // namespace attnunet::app
