#include <type_traits>

#include "common/core/philox.h"
#include "cuda/batch_norm.h"
#include "cuda/batch_norm_relu_dropout.h"
#include "cuda/kernel.h"
#include "cuda/lanes.h"
#include "cuda/quad.h"

namespace attnunet::cuda {
namespace {

// Dropout's parameters; threshold 0 keeps everything.
struct Mask {
  DropoutKey key;
  std::uint32_t threshold;
  float scale;
};

Mask mask_of(double rate, const DropoutKey& key) {
  return {key, dropout_threshold(rate), dropout_scale(rate)};
}

// The words of elements 4 group ... 4 group + 3.
__device__ __forceinline__ PhiloxWords draw(const Mask& mask, Index group) {
  const std::uint64_t counter = static_cast<std::uint64_t>(group);
  return philox4x32(
      {{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), mask.key.layer, mask.key.step}},
      mask.key.seed);
}

// ---- the arithmetic of one element, in plain and tuned kernels

template <class T>
__device__ __forceinline__ T normalised_and_clipped(T x, T mean, T scale, T shift) {
  const T z = (x - mean) * scale + shift;
  return z > T(0) ? z : T(0);
}

// g = dL/dz
template <class T>
__device__ __forceinline__ T through_dropout_and_relu(T dy, T y, T dropout_scale) {
  return y > T(0) ? dy * dropout_scale : T(0);
}

template <class T>
__device__ __forceinline__ T input_gradient(T g, T x, T mean, T scale, T g_mean, T slope) {
  return scale * (g - g_mean - (x - mean) * slope);
}

// ---- plain kernels

template <class T>
__global__ void forward_kernel(T* y, const T* x, const T* mean, const T* inv_std, const T* gamma, const T* beta,
                               Mask mask, Index chunk_pixels, Index pixels, Index C) {
  const Lane lane = lane_of(chunk_pixels, pixels, C);
  const Index c = lane.group;
  const T channel_mean = mean[c], scale = inv_std[c] * gamma[c], shift = beta[c];
  for (Index p = lane.first; p < lane.end; p += lane.step) {
    const Index i = p * C + c;
    const T h = normalised_and_clipped(x[i], channel_mean, scale, shift);
    const bool kept = mask.threshold == 0 || draw(mask, i / 4).word[i % 4] >= mask.threshold;
    y[i] = kept ? h * static_cast<T>(mask.scale) : T(0);
  }
}

// sum g and sum g (x - mean) of a chunk's channels, to row blockIdx.x of the two [chunks, C] of partial.
template <class T>
__global__ void gradient_sums_kernel(double* partial, const T* dy, const T* y, const T* x, const T* mean,
                                     T dropout_scale, Index chunk_pixels, Index pixels, Index C) {
  const Lane lane = lane_of(chunk_pixels, pixels, C);
  const T channel_mean = mean[lane.group];
  T sum = 0, along_x = 0;
  for (Index p = lane.first; p < lane.end; p += lane.step) {
    const Index i = p * C + lane.group;
    const T g = through_dropout_and_relu(dy[i], y[i], dropout_scale);
    sum += g;
    along_x = fma(g, x[i] - channel_mean, along_x);
  }
  const double all = sum_of_rows(static_cast<double>(sum), lane.width);
  const double all_along_x = sum_of_rows(static_cast<double>(along_x), lane.width);
  if (threadIdx.x < lane.width) {
    partial[Index{blockIdx.x} * C + lane.group] = all;
    partial[(Index{gridDim.x} + blockIdx.x) * C + lane.group] = all_along_x;
  }
}

template <class T>
__global__ void backward_kernel(T* dx, const T* dy, const T* y, const T* x, const T* mean, const T* inv_std,
                                const T* gamma, const T* g_mean, const T* slope, T dropout_scale, Index chunk_pixels,
                                Index pixels, Index C) {
  const Lane lane = lane_of(chunk_pixels, pixels, C);
  const Index c = lane.group;
  const T channel_mean = mean[c], scale = inv_std[c] * gamma[c], channel_g_mean = g_mean[c], channel_slope = slope[c];
  for (Index p = lane.first; p < lane.end; p += lane.step) {
    const Index i = p * C + c;
    const T g = through_dropout_and_relu(dy[i], y[i], dropout_scale);
    dx[i] = input_gradient(g, x[i], channel_mean, scale, channel_g_mean, channel_slope);
  }
}

// ---- tuned kernels: four channels a thread

// What belongs to four channels, from any address: read once a thread.
__device__ __forceinline__ Quad channels4(const float* from) {
  return {{from[0], from[1], from[2], from[3]}};
}

__global__ void forward4_kernel(float* y, const float* x, const float* mean, const float* inv_std, const float* gamma,
                                const float* beta, Mask mask, Index chunk_pixels, Index pixels, Index C) {
  const Lane lane = lane_of(chunk_pixels, pixels, C / 4);
  const Index c = 4 * lane.group;
  const Quad means = channels4(mean + c), gammas = channels4(gamma + c), shift = channels4(beta + c);
  Quad scale = channels4(inv_std + c);
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) scale.of[k] *= gammas.of[k];
  for (Index p = lane.first; p < lane.end; p += lane.step) {
    const Index i = p * C + c;
    Quad h = load_quad(x + i);
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k)
      h.of[k] = normalised_and_clipped(h.of[k], means.of[k], scale.of[k], shift.of[k]) * mask.scale;
    if (mask.threshold > 0) {
      const PhiloxWords words = draw(mask, i / 4);
      ATTNUNET_UNROLL
      for (int k = 0; k < 4; ++k)
        if (words.word[k] < mask.threshold) h.of[k] = 0;
    }
    store_quad(y + i, h);
  }
}

__global__ void gradient_sums4_kernel(double* partial, const float* dy, const float* y, const float* x,
                                      const float* mean, float dropout_scale, Index chunk_pixels, Index pixels,
                                      Index C) {
  const Lane lane = lane_of(chunk_pixels, pixels, C / 4);
  const Index c = 4 * lane.group;
  const Quad means = channels4(mean + c);
  Quad sum{}, along_x{};
  for (Index p = lane.first; p < lane.end; p += lane.step) {
    const Index i = p * C + c;
    const Quad dys = load_quad(dy + i), ys = load_quad(y + i), xs = load_quad(x + i);
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k) {
      const float g = through_dropout_and_relu(dys.of[k], ys.of[k], dropout_scale);
      sum.of[k] += g;
      along_x.of[k] = fma(g, xs.of[k] - means.of[k], along_x.of[k]);
    }
  }
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) {
    const double all = sum_of_rows(static_cast<double>(sum.of[k]), lane.width);
    const double all_along_x = sum_of_rows(static_cast<double>(along_x.of[k]), lane.width);
    if (threadIdx.x < lane.width) {
      partial[Index{blockIdx.x} * C + c + k] = all;
      partial[(Index{gridDim.x} + blockIdx.x) * C + c + k] = all_along_x;
    }
  }
}

__global__ void backward4_kernel(float* dx, const float* dy, const float* y, const float* x, const float* mean,
                                 const float* inv_std, const float* gamma, const float* g_mean, const float* slope,
                                 float dropout_scale, Index chunk_pixels, Index pixels, Index C) {
  const Lane lane = lane_of(chunk_pixels, pixels, C / 4);
  const Index c = 4 * lane.group;
  const Quad means = channels4(mean + c), gammas = channels4(gamma + c);
  const Quad g_means = channels4(g_mean + c), slopes = channels4(slope + c);
  Quad scale = channels4(inv_std + c);
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) scale.of[k] *= gammas.of[k];
  for (Index p = lane.first; p < lane.end; p += lane.step) {
    const Index i = p * C + c;
    const Quad dys = load_quad(dy + i), ys = load_quad(y + i), xs = load_quad(x + i);
    Quad dxs;
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k)
      dxs.of[k] = input_gradient(through_dropout_and_relu(dys.of[k], ys.of[k], dropout_scale), xs.of[k], means.of[k],
                                 scale.of[k], g_means.of[k], slopes.of[k]);
    store_quad(dx + i, dxs);
  }
}

}  // namespace

template <class M>
Index batch_norm_relu_dropout_workspace(const Device<M>& device, Index pixels, Index C) {
  return batch_norm_workspace(device, pixels, C);
}

template <class M, class T>
void batch_norm_relu_dropout_forward(Device<M>& device, T* y, const T* x, const T* mean, const T* inv_std,
                                     const T* gamma, const T* beta, double rate, const DropoutKey& key, Index pixels,
                                     Index C) {
  const Chunks chunks = small_chunks_of(pixels, C);
  const Mask mask = mask_of(rate, key);
  if constexpr (std::is_same_v<T, float>) {
    if (C % 4 == 0 && quad_aligned(y, x)) {
      launch(device, {"batch_norm_relu_dropout_forward4", lane_grid(chunks, C / 4), lane_threads}, forward4_kernel, y,
             x, mean, inv_std, gamma, beta, mask, chunks.pixels, pixels, C);
      return;
    }
  }
  launch(device, {"batch_norm_relu_dropout_forward", lane_grid(chunks, C), lane_threads}, forward_kernel<T>, y, x, mean,
         inv_std, gamma, beta, mask, chunks.pixels, pixels, C);
}

template <class M, class T>
void batch_norm_relu_dropout_backward(Device<M>& device, T* dx, T* dgamma, T* dbeta, const T* dy, const T* y,
                                      const T* x, const T* mean, const T* inv_std, const T* gamma, double rate,
                                      T* workspace, Index pixels, Index C) {
  const Chunks chunks = chunks_of(pixels, C), small = small_chunks_of(pixels, C);
  const T scale = static_cast<T>(dropout_scale(rate));
  double* partial = reinterpret_cast<double*>(workspace);
  T* g_mean = workspace + (batch_norm_relu_dropout_workspace(device, pixels, C) - 2 * C);
  T* slope = g_mean + C;
  if constexpr (std::is_same_v<T, float>) {
    if (C % 4 == 0 && quad_aligned(dx, dy, y, x)) {
      launch(device, {"batch_norm_relu_dropout_sums4", lane_grid(chunks, C / 4), lane_threads}, gradient_sums4_kernel,
             partial, dy, y, x, mean, scale, chunks.pixels, pixels, C);
      combine_gradient_sums(device, dgamma, dbeta, g_mean, slope, partial, inv_std, chunks.count, pixels, C);
      launch(device, {"batch_norm_relu_dropout_backward4", lane_grid(small, C / 4), lane_threads}, backward4_kernel, dx,
             dy, y, x, mean, inv_std, gamma, g_mean, slope, scale, small.pixels, pixels, C);
      return;
    }
  }
  launch(device, {"batch_norm_relu_dropout_sums", lane_grid(chunks, C), lane_threads}, gradient_sums_kernel<T>, partial,
         dy, y, x, mean, scale, chunks.pixels, pixels, C);
  combine_gradient_sums(device, dgamma, dbeta, g_mean, slope, partial, inv_std, chunks.count, pixels, C);
  launch(device, {"batch_norm_relu_dropout_backward", lane_grid(small, C), lane_threads}, backward_kernel<T>, dx, dy, y,
         x, mean, inv_std, gamma, g_mean, slope, scale, small.pixels, pixels, C);
}

template Index batch_norm_relu_dropout_workspace(const ThisDevice&, Index, Index);

#define ATTNUNET_INSTANTIATE(T)                                                                                    \
  template void batch_norm_relu_dropout_forward(ThisDevice&, T*, const T*, const T*, const T*, const T*, const T*, \
                                                double, const DropoutKey&, Index, Index);                          \
  template void batch_norm_relu_dropout_backward(ThisDevice&, T*, T*, T*, const T*, const T*, const T*, const T*,  \
                                                 const T*, const T*, double, T*, Index, Index);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cuda
