#include "cpu/conv2d_statistics.h"

#include <algorithm>

#include "cpu/batch_norm.h"
#include "cpu/conv2d.h"

namespace attnunet::cpu {

Index conv2d_statistics_workspace(const Device& device, const Conv2dGeometry& g) {
  return std::max(conv2d_workspace(device, g), batch_norm_workspace(device, g.pixels(), g.K));
}

template <class T>
void conv2d_statistics_forward(Device& device, Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                               Const<Values<T>> x, const T* w, T* workspace, const Conv2dGeometry& g) {
  conv2d_forward(device, y, x, w, {}, workspace, g);
  batch_norm_statistics(device, batch, running, y, workspace);
}

template void conv2d_statistics_forward(Device&, Values<float>, BatchStatistics<float>, RunningStatistics<float>,
                                        Values<const float>, const float*, float*, const Conv2dGeometry&);
template void conv2d_statistics_forward(Device&, Values<double>, BatchStatistics<double>, RunningStatistics<double>,
                                        Values<const double>, const double*, double*, const Conv2dGeometry&);

}  // namespace attnunet::cpu
