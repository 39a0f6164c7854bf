#include "cuda/attention_multiply.h"
#include "cuda/kernel.h"
#include "cuda/quad.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned threads = 256;
constexpr unsigned lanes = 8;                // of a warp, that share a pixel
constexpr Index lanes_channels = 4 * lanes;  // they take these at a time

template <class T>
__global__ void attention_multiply_forward_kernel(T* y, const T* x, const T* alpha, Index pixels, Index C,
                                                  Index y_stride) {
  const Index i = thread_of_grid();
  if (i >= pixels * C) return;
  const Index p = i / C, c = i % C;
  y[p * y_stride + c] = x[i] * alpha[p];
}

__global__ void attention_multiply_forward_quads_kernel(float* y, const float* x, const float* alpha, Index pixels,
                                                        Index C, Index y_stride) {
  const Index p = thread_of_grid() / lanes;
  if (p >= pixels) return;
  const float weight = alpha[p];
  for (Index c = 4 * (threadIdx.x % lanes); c < C; c += lanes_channels) {
    Quad values = load_quad(x + p * C + c);
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k) values.of[k] *= weight;
    store_quad(y + p * y_stride + c, values);
  }
}

// The sum over the lanes of a pixel, in all of them.
template <class T>
__device__ __forceinline__ T sum_of_lanes(T sum) {
  ATTNUNET_UNROLL
  for (unsigned apart = lanes / 2; apart > 0; apart /= 2) sum += warp_shuffle_xor(sum, static_cast<int>(apart));
  return sum;
}

template <class T>
__global__ void attention_multiply_backward_kernel(T* dx, T* dalpha, const T* dy, const T* x, const T* alpha,
                                                   Index pixels, Index C, Index y_stride) {
  const Index p = thread_of_grid() / lanes;
  T sum = 0;
  if (p < pixels)
    for (Index first = 4 * (threadIdx.x % lanes); first < C; first += lanes_channels)
      for (Index c = first; c < first + 4 && c < C; ++c) {
        const T upstream = dy[p * y_stride + c];
        sum += upstream * x[p * C + c];
        dx[p * C + c] = upstream * alpha[p];
      }
  sum = sum_of_lanes(sum);
  if (p < pixels && threadIdx.x % lanes == 0) dalpha[p] = sum;
}

__global__ void attention_multiply_backward_quads_kernel(float* dx, float* dalpha, const float* dy, const float* x,
                                                         const float* alpha, Index pixels, Index C, Index y_stride) {
  const Index p = thread_of_grid() / lanes;
  float sum = 0;
  if (p < pixels) {
    const float weight = alpha[p];
    for (Index c = 4 * (threadIdx.x % lanes); c < C; c += lanes_channels) {
      Quad upstream = load_quad(dy + p * y_stride + c);
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
  if (p < pixels && threadIdx.x % lanes == 0) dalpha[p] = sum;
}

}  // namespace

template <class M, class T>
void attention_multiply_forward(Device<M>& device, T* y, const T* x, const T* alpha, Index pixels, Index C,
                                Index y_stride) {
  if constexpr (std::is_same_v<T, float>) {
    if (C % 4 == 0 && y_stride % 4 == 0 && quad_aligned(y, x)) {
      launch(device, {"attention_multiply_forward_quads", blocks_for(pixels * Index{lanes}, threads), threads},
             attention_multiply_forward_quads_kernel, y, x, alpha, pixels, C, y_stride);
      return;
    }
  }
  launch(device, {"attention_multiply_forward", blocks_for(pixels * C, threads), threads},
         attention_multiply_forward_kernel<T>, y, x, alpha, pixels, C, y_stride);
}

template <class M, class T>
void attention_multiply_backward(Device<M>& device, T* dx, T* dalpha, const T* dy, const T* x, const T* alpha,
                                 Index pixels, Index C, Index y_stride) {
  const unsigned blocks = blocks_for(pixels * Index{lanes}, threads);
  if constexpr (std::is_same_v<T, float>) {
    if (C % 4 == 0 && y_stride % 4 == 0 && quad_aligned(dx, dy, x)) {
      launch(device, {"attention_multiply_backward_quads", blocks, threads}, attention_multiply_backward_quads_kernel,
             dx, dalpha, dy, x, alpha, pixels, C, y_stride);
      return;
    }
  }
  launch(device, {"attention_multiply_backward", blocks, threads}, attention_multiply_backward_kernel<T>, dx, dalpha,
         dy, x, alpha, pixels, C, y_stride);
}

template void attention_multiply_forward(ThisDevice&, float*, const float*, const float*, Index, Index, Index);
template void attention_multiply_forward(ThisDevice&, double*, const double*, const double*, Index, Index, Index);
template void attention_multiply_backward(ThisDevice&, float*, float*, const float*, const float*, const float*, Index,
                                          Index, Index);
template void attention_multiply_backward(ThisDevice&, double*, double*, const double*, const double*, const double*,
                                          Index, Index, Index);

}  // namespace attnunet::cuda
