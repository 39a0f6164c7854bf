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
void conv2d_statistics_forward(Device<M>& device, Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                               Const<Values<T>> x, const T* w, T* workspace, const Conv2dGeometry& g) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (g.K > 1) {
      require_shape(x, g.pixels(), g.C);
      require_shape(y, g.pixels(), g.K);
      T *means = workspace, *m2 = workspace + chunk_statistics(g);
      const Index chunk = tensor_core::on_tensor_cores(device.precision(), g)
                              ? tensor_core::conv2d_forward_statistics(device, y, means, m2, x, w, g)
                              : ffma::conv2d_forward_statistics(device, y, means, m2, x, w, g);
      return combine_channel_statistics(device, batch, running, {means, m2, chunk, g.pixels()}, g.K);
    }
  }
  conv2d_forward(device, y, x, w, {}, workspace, g);
  batch_norm_statistics(device, batch, running, y, workspace);
}

template Index conv2d_statistics_workspace(const ThisDevice&, const Conv2dGeometry&);
template void conv2d_statistics_forward(ThisDevice&, Values<float>, BatchStatistics<float>, RunningStatistics<float>,
                                        Values<const float>, const float*, float*, const Conv2dGeometry&);
template void conv2d_statistics_forward(ThisDevice&, Values<double>, BatchStatistics<double>, RunningStatistics<double>,
                                        Values<const double>, const double*, double*, const Conv2dGeometry&);

}  // namespace attnunet::cuda
