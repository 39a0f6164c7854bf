#include <algorithm>

#include "cuda/batch_norm.h"
#include "cuda/conv2d.h"
#include "cuda/conv2d_ffma.h"
#include "cuda/conv2d_statistics.h"
#include "cuda/conv2d_tensor_core.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

static_assert(tensor_core::conv2d_statistics_chunk >= ffma::conv2d_statistics_chunk, "room for the smaller chunks");

Index chunk_statistics(const Conv2dGeometry& g) {
  return (g.pixels() + ffma::conv2d_statistics_chunk - 1) / ffma::conv2d_statistics_chunk * g.K;
}

}  // namespace

template <class M>
Index conv2d_statistics_workspace(const Device<M>& device, const Conv2dGeometry& g) {
  return std::max(
      {conv2d_workspace(device, g), batch_norm_workspace(device, g.pixels(), g.K), 2 * chunk_statistics(g)});
}

template <class M, class T>
void conv2d_statistics_forward(Device<M>& device, T* y, T* mean, T* inv_std, T* running_mean, T* running_var,
                               const T* x, const T* w, T* workspace, const Conv2dGeometry& g) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (g.K > 1) {
      T *means = workspace, *m2 = workspace + chunk_statistics(g);
      const Index chunk = tensor_core::on_tensor_cores(device.precision(), g)
                              ? tensor_core::conv2d_forward_statistics(device, y, means, m2, x, w, g)
                              : ffma::conv2d_forward_statistics(device, y, means, m2, x, w, g);
      return combine_channel_statistics(device, BatchStatistics<T>{mean, inv_std},
                                        RunningStatistics<T>{running_mean, running_var},
                                        ChunkStatistics<T>{means, m2, chunk, g.pixels()}, g.K);
    }
  }
  conv2d_forward(device, y, x, w, static_cast<const T*>(nullptr), workspace, g);
  batch_norm_statistics(device, BatchStatistics<T>{mean, inv_std}, RunningStatistics<T>{running_mean, running_var},
                        values(y, g.pixels(), g.K), workspace);
}

template Index conv2d_statistics_workspace(const ThisDevice&, const Conv2dGeometry&);
template void conv2d_statistics_forward(ThisDevice&, float*, float*, float*, float*, float*, const float*, const float*,
                                        float*, const Conv2dGeometry&);
template void conv2d_statistics_forward(ThisDevice&, double*, double*, double*, double*, double*, const double*,
                                        const double*, double*, const Conv2dGeometry&);

}  // namespace attnunet::cuda
