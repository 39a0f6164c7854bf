#include "cuda/concat.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned threads = 256;

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
void concat_forward(Device<M>& device, T* y, const T* a, const T* b, Index pixels, Index Ca, Index Cb) {
  launch(device, {"concat_forward", blocks_for(pixels * (Ca + Cb), threads), threads}, concat_forward_kernel<T>, y, a,
         b, pixels, Ca, Cb);
}

template <class M, class T>
void concat_backward(Device<M>& device, T* da, T* db, const T* dy, Index pixels, Index Ca, Index Cb) {
  launch(device, {"concat_backward", blocks_for(pixels * (Ca + Cb), threads), threads}, concat_backward_kernel<T>, da,
         db, dy, pixels, Ca, Cb);
}

template void concat_forward(ThisDevice&, float*, const float*, const float*, Index, Index, Index);
template void concat_forward(ThisDevice&, double*, const double*, const double*, Index, Index, Index);
template void concat_backward(ThisDevice&, float*, float*, const float*, Index, Index, Index);
template void concat_backward(ThisDevice&, double*, double*, const double*, Index, Index, Index);

}  // namespace attnunet::cuda
