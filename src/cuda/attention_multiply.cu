#include "cuda/attention_multiply.h"
#include "cuda/kernel.h"
#include "cuda/quad.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned team = 8;               // lanes of a warp that share a pixel
constexpr Index team_channels = 4 * team;  // they take these at a time

template <class T>
__global__ void attention_multiply_forward_kernel(Values<T> y, const T* x, const T* alpha) {
  const Index i = thread_of_grid(), C = y.channels;
  if (i >= y.pixels * C) return;
  const Index p = i / C, c = i % C;
  y.data[p * y.stride + c] = x[i] * alpha[p];
}

__global__ void attention_multiply_forward_quads_kernel(Values<float> y, const float* x, const float* alpha) {
  const Index p = thread_of_grid() / team, C = y.channels;
  if (p >= y.pixels) return;
  float* to = y.data + p * y.stride;
  const float weight = alpha[p];
  for (Index c = 4 * (threadIdx.x % team); c < C; c += team_channels) {
    Quad values = load_quad(x + p * C + c);
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k) values.of[k] *= weight;
    store_quad(to + c, values);
  }
}

// The sum over the lanes of a pixel, in all of them.
template <class T>
__device__ __forceinline__ T sum_of_lanes(T sum) {
  ATTNUNET_UNROLL
  for (unsigned apart = team / 2; apart > 0; apart /= 2) sum += warp_shuffle_xor(sum, static_cast<int>(apart));
  return sum;
}

template <class T>
__global__ void attention_multiply_backward_kernel(T* dx, T* dalpha, Gradients<const T> dy, const T* x,
                                                   const T* alpha) {
  const Index p = thread_of_grid() / team, pixels = dy.pixels, C = dy.channels;
  T sum = 0;
  if (p < pixels)
    for (Index first = 4 * (threadIdx.x % team); first < C; first += team_channels)
      for (Index c = first; c < first + 4 && c < C; ++c) {
        const T upstream = dy.data[p * dy.stride + c];
        sum += upstream * x[p * C + c];
        dx[p * C + c] = upstream * alpha[p];
      }
  sum = sum_of_lanes(sum);
  if (p < pixels && threadIdx.x % team == 0) dalpha[p] = sum;
}

__global__ void attention_multiply_backward_quads_kernel(float* dx, float* dalpha, Gradients<const float> dy,
                                                         const float* x, const float* alpha) {
  const Index p = thread_of_grid() / team, pixels = dy.pixels, C = dy.channels;
  float sum = 0;
  if (p < pixels) {
    const float weight = alpha[p];
    for (Index c = 4 * (threadIdx.x % team); c < C; c += team_channels) {
      Quad upstream = load_quad(dy.data + p * dy.stride + c);
      const Quad values = load_quad(x + p * C + c);
      ATTNUNET_UNROLL
      for (int k = 0; k < 4; ++k) {
        sum += upstream.of[k] * values.of[k];
        upstream.of[k] *= weight;
      }
      store_quad(dx + p * C + c, upstream);
    }
  }
  sum = sum_of_lanes(sum);
  if (p < pixels && threadIdx.x % team == 0) dalpha[p] = sum;
}

}  // namespace

template <class M, class T>
void attention_multiply_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, Const<Values<T>> alpha) {
  const Index pixels = x.pixels, C = x.channels;
  require_shape(y, pixels, C);
  require_dense(x, pixels, C);
  require_dense(alpha, pixels, 1);
  if constexpr (std::is_same_v<T, float>) {
    if (C % 4 == 0 && y.stride % 4 == 0 && quad_aligned(y.data, x.data)) {
      launch(device,
             {"attention_multiply_forward_quads", blocks_for(pixels * Index{team}, block_threads), block_threads},
             attention_multiply_forward_quads_kernel, y, x.data, alpha.data);
      return;
    }
  }
  launch(device, {"attention_multiply_forward", blocks_for(pixels * C, block_threads), block_threads},
         attention_multiply_forward_kernel<T>, y, x.data, alpha.data);
}

template <class M, class T>
void attention_multiply_backward(Device<M>& device, Gradients<T> dx, Gradients<T> dalpha, Const<Gradients<T>> dy,
                                 Const<Values<T>> x, Const<Values<T>> alpha) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(dx, pixels, C);
  require_dense(dalpha, pixels, 1);
  require_shape(dy, pixels, C);
  require_dense(x, pixels, C);
  require_dense(alpha, pixels, 1);
  const unsigned blocks = blocks_for(pixels * Index{team}, block_threads);
  if constexpr (std::is_same_v<T, float>) {
    if (C % 4 == 0 && dy.stride % 4 == 0 && quad_aligned(dx.data, dy.data, x.data)) {
      launch(device, {"attention_multiply_backward_quads", blocks, block_threads},
             attention_multiply_backward_quads_kernel, dx.data, dalpha.data, dy, x.data, alpha.data);
      return;
    }
  }
  launch(device, {"attention_multiply_backward", blocks, block_threads}, attention_multiply_backward_kernel<T>, dx.data,
         dalpha.data, dy, x.data, alpha.data);
}

template void attention_multiply_forward(ThisDevice&, Values<float>, Values<const float>, Values<const float>);
template void attention_multiply_forward(ThisDevice&, Values<double>, Values<const double>, Values<const double>);
template void attention_multiply_backward(ThisDevice&, Gradients<float>, Gradients<float>, Gradients<const float>,
                                          Values<const float>, Values<const float>);
template void attention_multiply_backward(ThisDevice&, Gradients<double>, Gradients<double>, Gradients<const double>,
                                          Values<const double>, Values<const double>);

}  // namespace attnunet::cuda
