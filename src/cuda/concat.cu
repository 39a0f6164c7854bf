#include "cuda/concat.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

template <class View>
__global__ void move_columns_kernel(View to, Const<View> from) {
  const Index i = thread_of_grid(), C = from.channels;
  if (i >= from.pixels * C) return;
  const Index p = i / C, c = i % C;
  to.data[p * to.stride + c] = from.data[p * from.stride + c];
}

/// from -> to, unless that is where it lies.
template <class M, class View>
void move_columns(Device<M>& device, const char* name, View to, Const<View> from) {
  if (to.data == from.data && to.stride == from.stride) return;
  launch(device, {name, blocks_for(from.size(), block_threads), block_threads}, move_columns_kernel<View>, to, from);
}

}  // namespace

template <class M, class T>
void concat_forward(Device<M>& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b) {
  const Index pixels = a.pixels, Ca = a.channels, Cb = b.channels;
  require_dense(y, pixels, Ca + Cb);
  require_shape(a, pixels, Ca);
  require_shape(b, pixels, Cb);
  move_columns(device, "concat_forward", y.slice(0, Ca), a);
  move_columns(device, "concat_forward", y.slice(Ca, Cb), b);
}

template <class M, class T>
void concat_backward(Device<M>& device, Gradients<T> da, Gradients<T> db, Const<Gradients<T>> dy) {
  const Index pixels = da.pixels, Ca = da.channels, Cb = db.channels;
  require_dense(dy, pixels, Ca + Cb);
  require_shape(da, pixels, Ca);
  require_shape(db, pixels, Cb);
  move_columns(device, "concat_backward", da, dy.slice(0, Ca));
  move_columns(device, "concat_backward", db, dy.slice(Ca, Cb));
}

template void concat_forward(ThisDevice&, Values<float>, Values<const float>, Values<const float>);
template void concat_forward(ThisDevice&, Values<double>, Values<const double>, Values<const double>);
template void concat_backward(ThisDevice&, Gradients<float>, Gradients<float>, Gradients<const float>);
template void concat_backward(ThisDevice&, Gradients<double>, Gradients<double>, Gradients<const double>);

}  // namespace attnunet::cuda
