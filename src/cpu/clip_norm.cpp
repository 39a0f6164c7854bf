#include "cpu/clip_norm.h"

#include <cmath>

namespace attnunet::cpu {

template <class T>
void clip_norm(Device& device, T* g, double* scratch, Index n, double limit) {
  const ClipNormChunks chunks = clip_norm_chunks(n);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index chunk = 0; chunk < chunks.count; ++chunk) {
    const Index end = std::min(n, (chunk + 1) * chunks.size);
    double sum = 0;
    for (Index i = chunk * chunks.size; i < end; ++i) sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    scratch[chunk] = sum;
  }
  double sum = 0;
  for (Index chunk = 0; chunk < chunks.count; ++chunk) sum += scratch[chunk];
  const double factor = limit / (std::sqrt(sum) + 1e-6);
  if (factor >= 1) return;  // false for NaN
  const T scale = static_cast<T>(factor);
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) g[i] *= scale;
}

template void clip_norm(Device&, float*, double*, Index, double);
template void clip_norm(Device&, double*, double*, Index, double);

}  // namespace attnunet::cpu
