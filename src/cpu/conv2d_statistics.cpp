#include "cpu/conv2d_statistics.h"

#include <algorithm>

#include "cpu/batch_norm.h"
#include "cpu/conv2d.h"

namespace attnunet::cpu {

Index conv2d_statistics_workspace(const Device& device, const Conv2dGeometry& g) {
  return std::max(conv2d_workspace(device, g), batch_norm_workspace(device, g.pixels(), g.K));
}

template <class T>
void conv2d_statistics_forward(Device& device, T* y, T* mean, T* inv_std, T* running_mean, T* running_var, const T* x,
                               const T* w, T* workspace, const Conv2dGeometry& g) {
  conv2d_forward(device, y, x, w, static_cast<const T*>(nullptr), workspace, g);
  batch_norm_statistics(device, BatchStatistics<T>{mean, inv_std}, RunningStatistics<T>{running_mean, running_var},
                        values(y, g.pixels(), g.K), workspace);
}

template void conv2d_statistics_forward(Device&, float*, float*, float*, float*, float*, const float*, const float*,
                                        float*, const Conv2dGeometry&);
template void conv2d_statistics_forward(Device&, double*, double*, double*, double*, double*, const double*,
                                        const double*, double*, const Conv2dGeometry&);

}  // namespace attnunet::cpu
