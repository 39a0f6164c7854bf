#include "cpu/concat.h"

#include "cpu/copy_pixels.h"

namespace attnunet::cpu {

template <class T>
void concat_forward(Device& device, T* y, const T* a, const T* b, Index pixels, Index Ca, Index Cb) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < pixels; ++p) {
    std::copy_n(a + p * Ca, Ca, y + p * (Ca + Cb));
    std::copy_n(b + p * Cb, Cb, y + p * (Ca + Cb) + Ca);
  }
}

template <class T>
void concat_backward(Device& device, T* da, T* db, const T* dy, Index pixels, Index Ca, Index Cb) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < pixels; ++p) {
    std::copy_n(dy + p * (Ca + Cb), Ca, da + p * Ca);
    std::copy_n(dy + p * (Ca + Cb) + Ca, Cb, db + p * Cb);
  }
}

template void concat_forward(Device&, float*, const float*, const float*, Index, Index, Index);
template void concat_forward(Device&, double*, const double*, const double*, Index, Index, Index);
template void concat_backward(Device&, float*, float*, const float*, Index, Index, Index);
template void concat_backward(Device&, double*, double*, const double*, Index, Index, Index);

}  // namespace attnunet::cpu
