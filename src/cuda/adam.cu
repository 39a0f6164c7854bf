#include <cmath>

#include "cuda/adam.h"
#include "cuda/kernel.h"
#include "cuda/quad.h"

namespace attnunet::cuda {
namespace {

// What one step has in common for all parameters.
template <class T>
struct Step {
  T size, root_correction, keep, beta1, rest1, beta2, rest2, eps;

  explicit Step(const AdamOptions& options) {
    const double t = static_cast<double>(options.step);
    size = static_cast<T>(options.lr / (1 - std::pow(options.beta1, t)));
    root_correction = static_cast<T>(std::sqrt(1 - std::pow(options.beta2, t)));
    keep = static_cast<T>(1 - options.lr * options.weight_decay);
    beta1 = static_cast<T>(options.beta1);
    rest1 = static_cast<T>(1 - options.beta1);
    beta2 = static_cast<T>(options.beta2);
    rest2 = static_cast<T>(1 - options.beta2);
    eps = static_cast<T>(options.eps);
  }
};

template <class T>
__device__ __forceinline__ void update(T& w, T& m, T& v, T g, const Step<T>& step) {
  m = step.beta1 * m + step.rest1 * g;
  v = step.beta2 * v + step.rest2 * g * g;
  w = step.keep * w - step.size * (m / (std::sqrt(v) / step.root_correction + step.eps));
}

template <class T>
__global__ void adam_step_kernel(T* w, T* m, T* v, const T* g, Index n, Step<T> step) {
  const Index i = thread_of_grid();
  if (i < n) update(w[i], m[i], v[i], g[i], step);
}

__global__ void adam_step_quads_kernel(float* w, float* m, float* v, const float* g, Index n, Step<float> step) {
  const Index first = 4 * thread_of_grid();
  if (first + 4 > n) {
    for (Index i = first; i < n; ++i) update(w[i], m[i], v[i], g[i], step);
    return;
  }
  Quad ws = load_quad(w + first), ms = load_quad(m + first), vs = load_quad(v + first);
  const Quad gs = load_quad(g + first);
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) update(ws.of[k], ms.of[k], vs.of[k], gs.of[k], step);
  store_quad(w + first, ws);
  store_quad(m + first, ms);
  store_quad(v + first, vs);
}

}  // namespace

template <class M, class T>
void adam_step(Device<M>& device, T* w, T* m, T* v, const T* g, Index n, const AdamOptions& options) {
  const Step<T> step(options);
  if constexpr (std::is_same_v<T, float>) {
    if (quad_aligned(w, m, v, g)) {
      launch(device, {"adam_step_quads", blocks_for((n + 3) / 4, block_threads), block_threads}, adam_step_quads_kernel,
             w, m, v, g, n, step);
      return;
    }
  }
  launch(device, {"adam_step", blocks_for(n, block_threads), block_threads}, adam_step_kernel<T>, w, m, v, g, n, step);
}

template void adam_step(ThisDevice&, float*, float*, float*, const float*, Index, const AdamOptions&);
template void adam_step(ThisDevice&, double*, double*, double*, const double*, Index, const AdamOptions&);

}  // namespace attnunet::cuda
