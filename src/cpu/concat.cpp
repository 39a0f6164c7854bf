#include "cpu/concat.h"

#include "cpu/copy_pixels.h"

namespace attnunet::cpu {

template <class T>
void concat_forward(Device& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b) {
  const Index pixels = a.pixels, Ca = a.channels, Cb = b.channels;
  require_dense(y, pixels, Ca + Cb);
  require_dense(a, pixels, Ca);
  require_dense(b, pixels, Cb);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < pixels; ++p) {
    std::copy_n(a.data + p * Ca, Ca, y.data + p * (Ca + Cb));
    std::copy_n(b.data + p * Cb, Cb, y.data + p * (Ca + Cb) + Ca);
  }
}

template <class T>
void concat_backward(Device& device, Gradients<T> da, Gradients<T> db, Const<Gradients<T>> dy) {
  const Index pixels = da.pixels, Ca = da.channels, Cb = db.channels;
  require_dense(dy, pixels, Ca + Cb);
  require_dense(da, pixels, Ca);
  require_dense(db, pixels, Cb);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < pixels; ++p) {
    std::copy_n(dy.data + p * (Ca + Cb), Ca, da.data + p * Ca);
    std::copy_n(dy.data + p * (Ca + Cb) + Ca, Cb, db.data + p * Cb);
  }
}

template void concat_forward(Device&, Values<float>, Values<const float>, Values<const float>);
template void concat_forward(Device&, Values<double>, Values<const double>, Values<const double>);
template void concat_backward(Device&, Gradients<float>, Gradients<float>, Gradients<const float>);
template void concat_backward(Device&, Gradients<double>, Gradients<double>, Gradients<const double>);

}  // namespace attnunet::cpu
