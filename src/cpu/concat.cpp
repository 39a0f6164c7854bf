#include "cpu/concat.h"

#include <algorithm>

namespace attnunet::cpu {
namespace {

/// from -> to, unless that is where it lies.
template <class View>
void move_columns(Device& device, View to, Const<View> from) {
  if (to.data == from.data && to.stride == from.stride) return;
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < from.pixels; ++p)
    std::copy_n(from.data + p * from.stride, from.channels, to.data + p * to.stride);
}

}  // namespace

template <class T>
void concat_forward(Device& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b) {
  const Index pixels = a.pixels, Ca = a.channels, Cb = b.channels;
  require_dense(y, pixels, Ca + Cb);
  require_shape(a, pixels, Ca);
  require_shape(b, pixels, Cb);
  move_columns(device, y.slice(0, Ca), a);
  move_columns(device, y.slice(Ca, Cb), b);
}

template <class T>
void concat_backward(Device& device, Gradients<T> da, Gradients<T> db, Const<Gradients<T>> dy) {
  const Index pixels = da.pixels, Ca = da.channels, Cb = db.channels;
  require_dense(dy, pixels, Ca + Cb);
  require_shape(da, pixels, Ca);
  require_shape(db, pixels, Cb);
  move_columns(device, da, dy.slice(0, Ca));
  move_columns(device, db, dy.slice(Ca, Cb));
}

template void concat_forward(Device&, Values<float>, Values<const float>, Values<const float>);
template void concat_forward(Device&, Values<double>, Values<const double>, Values<const double>);
template void concat_backward(Device&, Gradients<float>, Gradients<float>, Gradients<const float>);
template void concat_backward(Device&, Gradients<double>, Gradients<double>, Gradients<const double>);

}  // namespace attnunet::cpu
