#include "cpu/batch_norm_relu_dropout.h"

#include "cpu/batch_norm.h"
#include "cpu/dropout.h"
#include "cpu/lanes.h"

namespace attnunet::cpu {
namespace {

// y = max(gamma (x - mean) inv_std + beta, 0)
template <class T>
void normalise_and_clip(T* y, const T* x, const T* mean, const T* inv_std, const T* gamma, const T* beta, Index begin,
                        Index end, Index C) {
  for (Index t = 0; t < tile_count(C); ++t) {
    const Tile tile = tile_of(t, C);
    alignas(64) T means[max_lanes], scale[max_lanes], gammas[max_lanes], shift[max_lanes];
    spread(tile, means, mean);
    spread(tile, scale, inv_std);
    spread(tile, gammas, gamma);
    spread(tile, shift, beta);
    for (Index l = 0; l < tile.lanes(); ++l) scale[l] *= gammas[l];
    for_rows(tile, begin, end, [&](Index offset, Index width) {
      const T* x_row = x + offset;
      T* y_row = y + offset;
#pragma omp simd
      for (Index l = 0; l < width; ++l) {
        const T z = (x_row[l] - means[l]) * scale[l] + shift[l];
        y_row[l] = z > T(0) ? z : T(0);
      }
    });
  }
}

}  // namespace

Index batch_norm_relu_dropout_workspace(const Device& device, Index pixels, Index C) {
  return batch_norm_workspace(device, pixels, C);
}

template <class T>
void batch_norm_relu_dropout_forward(Device& device, T* y, const T* x, const T* mean, const T* inv_std, const T* gamma,
                                     const T* beta, double rate, const DropoutKey& key, Index pixels, Index C) {
  const Chunks chunks = chunks_of(pixels, C);  // they start at multiples of 16 pixels, hence of 4 elements
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index chunk = 0; chunk < chunks.count; ++chunk) {
    const Index begin = chunks.begin(chunk), end = chunks.end(chunk, pixels);
    normalise_and_clip(y, x, mean, inv_std, gamma, beta, begin, end, C);
    if (rate > 0) dropout_elements(y, y, rate, key, begin * C, end * C);
  }
}

template <class T>
void batch_norm_relu_dropout_backward(Device& device, T* dx, T* dgamma, T* dbeta, const T* dy, const T* y, const T* x,
                                      const T* mean, const T* inv_std, const T* gamma, double rate, T* workspace,
                                      Index pixels, Index C) {
  batch_norm_masked_backward(device, dx, dgamma, dbeta, dy, y, static_cast<T>(dropout_scale(rate)), x, mean, inv_std,
                             gamma, workspace, pixels, C);
}

#define ATTNUNET_INSTANTIATE(T)                                                                                        \
  template void batch_norm_relu_dropout_forward(Device&, T*, const T*, const T*, const T*, const T*, const T*, double, \
                                                const DropoutKey&, Index, Index);                                      \
  template void batch_norm_relu_dropout_backward(Device&, T*, T*, T*, const T*, const T*, const T*, const T*,          \
                                                 const T*, const T*, double, T*, Index, Index);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
