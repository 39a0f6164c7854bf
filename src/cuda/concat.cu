#include "cuda/concat.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void concat_forward_kernel(T* y, const T* a, const T* b, Index pixels, Index Ca, Index Cb) {
  const Index i = thread_of_grid();
  if (i >= pixels * (Ca + Cb)) return;
  const Index p = i / (Ca + Cb), c = i % (Ca + Cb);
  y[i] = c < Ca ? a[p * Ca + c] : b[p * Cb + c - Ca];
}

template <class T>
__global__ void concat_backward_kernel(T* da, T* db, const T* dy, Index pixels, Index Ca, Index Cb) {
  const Index i = thread_of_grid();
  if (i >= pixels * (Ca + Cb)) return;
  const Index p = i / (Ca + Cb), c = i % (Ca + Cb);
  (c < Ca ? da[p * Ca + c] : db[p * Cb + c - Ca]) = dy[i];
}

}  // namespace

template <class M, class T>
void concat_forward(Device<M>& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b) {
  const Index pixels = a.pixels, Ca = a.channels, Cb = b.channels;
  require_dense(y, pixels, Ca + Cb);
  require_dense(a, pixels, Ca);
  require_dense(b, pixels, Cb);
  launch(device, {"concat_forward", blocks_for(y.size(), block_threads), block_threads}, concat_forward_kernel<T>,
         y.data, a.data, b.data, pixels, Ca, Cb);
}

template <class M, class T>
void concat_backward(Device<M>& device, Gradients<T> da, Gradients<T> db, Const<Gradients<T>> dy) {
  const Index pixels = da.pixels, Ca = da.channels, Cb = db.channels;
  require_dense(dy, pixels, Ca + Cb);
  require_dense(da, pixels, Ca);
  require_dense(db, pixels, Cb);
  launch(device, {"concat_backward", blocks_for(dy.size(), block_threads), block_threads}, concat_backward_kernel<T>,
         da.data, db.data, dy.data, pixels, Ca, Cb);
}

template void concat_forward(ThisDevice&, Values<float>, Values<const float>, Values<const float>);
template void concat_forward(ThisDevice&, Values<double>, Values<const double>, Values<const double>);
template void concat_backward(ThisDevice&, Gradients<float>, Gradients<float>, Gradients<const float>);
template void concat_backward(ThisDevice&, Gradients<double>, Gradients<double>, Gradients<const double>);

}  // namespace attnunet::cuda
