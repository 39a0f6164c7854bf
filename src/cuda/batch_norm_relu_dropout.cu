#include <type_traits>

#include "cuda/batch_norm.h"
#include "cuda/batch_norm_relu_dropout.h"
#include "cuda/chunk_share.h"
#include "cuda/kernel.h"
#include "cuda/quad.h"

namespace attnunet::cuda {
namespace {

// Dropout's parameters; threshold 0 keeps everything.
struct Mask {
  DropoutKey key;
  std::uint32_t threshold;
  float scale;
};

Mask mask_of(const Dropout& dropout) {
  return {dropout.key, dropout_threshold(dropout.rate), dropout_scale(dropout.rate)};
}

// ---- the arithmetic of one element, in plain and tuned kernels

template <class T>
__device__ __forceinline__ T normalised_and_clipped(T x, T mean, T scale, T shift) {
  const T z = (x - mean) * scale + shift;
  return z <= T(0) ? T(0) : z;
}

// g = dL/dz. y is 0 where it was clipped, and where it was dropped: 0 times a dy that is not finite is NaN, so then h()
// has to tell the two apart.
template <class T, class H>
__device__ __forceinline__ T through_dropout_and_relu(T dy, T y, T dropout_scale, const H& h) {
  const T zero = dy - dy;
  if (y <= T(0) && zero != zero) return h() == T(0) ? T(0) : zero;
  return y <= T(0) ? T(0) : dy * dropout_scale;
}

template <class T>
__device__ __forceinline__ T input_gradient(T g, T x, T mean, T scale, T g_mean, T slope) {
  return scale * (g - g_mean - (x - mean) * slope);
}

// ---- plain kernels

template <class T>
__global__ void batch_norm_relu_dropout_forward_kernel(T* y, BatchNormSaved<T> in, Mask mask, Index chunk_pixels) {
  const T* x = in.x.data;
  const Index C = in.x.channels;
  const ChunkShare share = chunk_share(chunk_pixels, in.x.pixels, C);
  const Index c = share.group;
  const T channel_mean = in.statistics.mean[c], scale = in.statistics.inv_std[c] * in.parameters.gamma[c];
  const T shift = in.parameters.beta[c];
  for (Index p = share.first; p < share.end; p += share.step) {
    const Index i = p * C + c;
    const T h = normalised_and_clipped(x[i], channel_mean, scale, shift);
    const bool kept = mask.threshold == 0 || dropout_words(i / 4, mask.key).word[i % 4] >= mask.threshold;
    y[i] = kept ? h * static_cast<T>(mask.scale) : h - h;  // dropped: 0, or NaN if h is not finite
  }
}

// sum g and sum g (x - mean) of a chunk's channels, to row blockIdx.x of the two [chunks, C] of partial.
template <class T>
__global__ void gradient_sums_kernel(double* partial, const T* dy, const T* y, BatchNormSaved<T> saved, T dropout_scale,
                                     Index chunk_pixels) {
  const T* x = saved.x.data;
  const Index C = saved.x.channels;
  const ChunkShare share = chunk_share(chunk_pixels, saved.x.pixels, C);
  const T channel_mean = saved.statistics.mean[share.group];
  T sum = 0, along_x = 0;
  for (Index p = share.first; p < share.end; p += share.step) {
    const Index i = p * C + share.group;
    const T g = through_dropout_and_relu(dy[i], y[i], dropout_scale, [&] {
      const Index c = share.group;
      return normalised_and_clipped(x[i], channel_mean, saved.statistics.inv_std[c] * saved.parameters.gamma[c],
                                    saved.parameters.beta[c]);
    });
    sum += g;
    along_x = fma(g, x[i] - channel_mean, along_x);
  }
  const double all = sum_of_group(static_cast<double>(sum), share.width);
  const double all_along_x = sum_of_group(static_cast<double>(along_x), share.width);
  if (threadIdx.x < share.width) {
    partial[Index{blockIdx.x} * C + share.group] = all;
    partial[(Index{gridDim.x} + blockIdx.x) * C + share.group] = all_along_x;
  }
}

template <class T>
__global__ void batch_norm_relu_dropout_backward_kernel(T* dx, const T* dy, const T* y, BatchNormSaved<T> saved,
                                                        InputGradientCoefficients<T> coefficients, T dropout_scale,
                                                        Index chunk_pixels) {
  const T* x = saved.x.data;
  const Index C = saved.x.channels;
  const ChunkShare share = chunk_share(chunk_pixels, saved.x.pixels, C);
  const Index c = share.group;
  const T channel_mean = saved.statistics.mean[c], scale = saved.statistics.inv_std[c] * saved.parameters.gamma[c];
  const T channel_g_mean = coefficients.dy_mean[c], channel_slope = coefficients.slope[c];
  for (Index p = share.first; p < share.end; p += share.step) {
    const Index i = p * C + c;
    const T g = through_dropout_and_relu(dy[i], y[i], dropout_scale, [&] {
      return normalised_and_clipped(x[i], channel_mean, scale, saved.parameters.beta[c]);
    });
    dx[i] = input_gradient(g, x[i], channel_mean, scale, channel_g_mean, channel_slope);
  }
}

// ---- tuned kernels: four channels a thread

// What belongs to four channels, from any address: read once a thread.
__device__ __forceinline__ Quad channels4(const float* from) {
  return {{from[0], from[1], from[2], from[3]}};
}

__global__ void forward4_kernel(float* y, BatchNormSaved<float> in, Mask mask, Index chunk_pixels) {
  const float* x = in.x.data;
  const Index C = in.x.channels;
  const ChunkShare share = chunk_share(chunk_pixels, in.x.pixels, C / 4);
  const Index c = 4 * share.group;
  const Quad means = channels4(in.statistics.mean + c);
  const Quad gammas = channels4(in.parameters.gamma + c), shift = channels4(in.parameters.beta + c);
  Quad scale = channels4(in.statistics.inv_std + c);
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) scale.of[k] *= gammas.of[k];
  for (Index p = share.first; p < share.end; p += share.step) {
    const Index i = p * C + c;
    Quad h = load_quad(x + i), ys;
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k) {
      h.of[k] = normalised_and_clipped(h.of[k], means.of[k], scale.of[k], shift.of[k]);
      ys.of[k] = h.of[k] * mask.scale;
    }
    if (mask.threshold > 0) {
      const PhiloxWords words = dropout_words(i / 4, mask.key);
      ATTNUNET_UNROLL
      for (int k = 0; k < 4; ++k)
        if (words.word[k] < mask.threshold) ys.of[k] = h.of[k] - h.of[k];
    }
    store_quad(y + i, ys);
  }
}

__global__ void gradient_sums4_kernel(double* partial, const float* dy, const float* y, BatchNormSaved<float> saved,
                                      float dropout_scale, Index chunk_pixels) {
  const float* x = saved.x.data;
  const Index C = saved.x.channels;
  const ChunkShare share = chunk_share(chunk_pixels, saved.x.pixels, C / 4);
  const Index c = 4 * share.group;
  const Quad means = channels4(saved.statistics.mean + c);
  Quad sum{}, along_x{};
  for (Index p = share.first; p < share.end; p += share.step) {
    const Index i = p * C + c;
    const Quad dys = load_quad(dy + i), ys = load_quad(y + i), xs = load_quad(x + i);
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k) {
      const float g = through_dropout_and_relu(dys.of[k], ys.of[k], dropout_scale, [&] {
        return normalised_and_clipped(xs.of[k], means.of[k],
                                      saved.statistics.inv_std[c + k] * saved.parameters.gamma[c + k],
                                      saved.parameters.beta[c + k]);
      });
      sum.of[k] += g;
      along_x.of[k] = fma(g, xs.of[k] - means.of[k], along_x.of[k]);
    }
  }
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) {
    const double all = sum_of_group(static_cast<double>(sum.of[k]), share.width);
    const double all_along_x = sum_of_group(static_cast<double>(along_x.of[k]), share.width);
    if (threadIdx.x < share.width) {
      partial[Index{blockIdx.x} * C + c + k] = all;
      partial[(Index{gridDim.x} + blockIdx.x) * C + c + k] = all_along_x;
    }
  }
}

__global__ void backward4_kernel(float* dx, const float* dy, const float* y, BatchNormSaved<float> saved,
                                 InputGradientCoefficients<float> coefficients, float dropout_scale,
                                 Index chunk_pixels) {
  const float* x = saved.x.data;
  const Index C = saved.x.channels;
  const ChunkShare share = chunk_share(chunk_pixels, saved.x.pixels, C / 4);
  const Index c = 4 * share.group;
  const Quad means = channels4(saved.statistics.mean + c), gammas = channels4(saved.parameters.gamma + c);
  const Quad g_means = channels4(coefficients.dy_mean + c), slopes = channels4(coefficients.slope + c);
  Quad scale = channels4(saved.statistics.inv_std + c);
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) scale.of[k] *= gammas.of[k];
  for (Index p = share.first; p < share.end; p += share.step) {
    const Index i = p * C + c;
    const Quad dys = load_quad(dy + i), ys = load_quad(y + i), xs = load_quad(x + i);
    Quad dxs;
    ATTNUNET_UNROLL
    for (int k = 0; k < 4; ++k) {
      const float g = through_dropout_and_relu(dys.of[k], ys.of[k], dropout_scale, [&] {
        return normalised_and_clipped(xs.of[k], means.of[k], scale.of[k], saved.parameters.beta[c + k]);
      });
      dxs.of[k] = input_gradient(g, xs.of[k], means.of[k], scale.of[k], g_means.of[k], slopes.of[k]);
    }
    store_quad(dx + i, dxs);
  }
}

}  // namespace

template <class M>
Index batch_norm_relu_dropout_workspace(const Device<M>& device, Index pixels, Index C) {
  return batch_norm_workspace(device, pixels, C);
}

template <class M, class T>
void batch_norm_relu_dropout_forward(Device<M>& device, Values<T> y, Const<Values<T>> x,
                                     Const<BatchStatistics<T>> batch, Const<BatchNormParameters<T>> parameters,
                                     const Dropout& dropout) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(x, pixels, C);
  require_dense(y, pixels, C);
  const BatchNormSaved<T> in{x, batch, parameters};
  const Chunks chunks = small_chunks_of(pixels, C);
  const Mask mask = mask_of(dropout);
  if constexpr (std::is_same_v<T, float>) {
    if (C % 4 == 0 && quad_aligned(y.data, x.data)) {
      launch(device, {"batch_norm_relu_dropout_forward4", share_grid(chunks, C / 4), share_threads}, forward4_kernel,
             y.data, in, mask, chunks.pixels);
      return;
    }
  }
  launch(device, {"batch_norm_relu_dropout_forward", share_grid(chunks, C), share_threads},
         batch_norm_relu_dropout_forward_kernel<T>, y.data, in, mask, chunks.pixels);
}

template <class M, class T>
void batch_norm_relu_dropout_backward(Device<M>& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                      Const<Gradients<T>> dy, Const<Values<T>> y, const BatchNormSaved<T>& saved,
                                      double rate, T* workspace) {
  const Index pixels = saved.x.pixels, C = saved.x.channels;
  require_dense(saved.x, pixels, C);
  require_dense(dx, pixels, C);
  require_dense(dy, pixels, C);
  require_dense(y, pixels, C);
  const Chunks chunks = chunks_of(pixels, C), small = small_chunks_of(pixels, C);
  const T scale = static_cast<T>(dropout_scale(rate));
  double* partial = reinterpret_cast<double*>(workspace);
  T* g_mean = workspace + (batch_norm_relu_dropout_workspace(device, pixels, C) - 2 * C);
  const InputGradientCoefficients<T> coefficients{g_mean, g_mean + C};
  const T* inv_std = saved.statistics.inv_std;
  if constexpr (std::is_same_v<T, float>) {
    if (C % 4 == 0 && quad_aligned(dx.data, dy.data, y.data, saved.x.data)) {
      launch(device, {"batch_norm_relu_dropout_sums4", share_grid(chunks, C / 4), share_threads}, gradient_sums4_kernel,
             partial, dy.data, y.data, saved, scale, chunks.pixels);
      combine_gradient_sums(device, d_parameters, coefficients, partial, inv_std, chunks.count, pixels, C);
      launch(device, {"batch_norm_relu_dropout_backward4", share_grid(small, C / 4), share_threads}, backward4_kernel,
             dx.data, dy.data, y.data, saved, coefficients, scale, small.pixels);
      return;
    }
  }
  launch(device, {"batch_norm_relu_dropout_sums", share_grid(chunks, C), share_threads}, gradient_sums_kernel<T>,
         partial, dy.data, y.data, saved, scale, chunks.pixels);
  combine_gradient_sums(device, d_parameters, coefficients, partial, inv_std, chunks.count, pixels, C);
  launch(device, {"batch_norm_relu_dropout_backward", share_grid(small, C), share_threads},
         batch_norm_relu_dropout_backward_kernel<T>, dx.data, dy.data, y.data, saved, coefficients, scale,
         small.pixels);
}

template Index batch_norm_relu_dropout_workspace(const ThisDevice&, Index, Index);

#define ATTNUNET_INSTANTIATE(T)                                                                                    \
  template void batch_norm_relu_dropout_forward(ThisDevice&, Values<T>, Values<const T>, BatchStatistics<const T>, \
                                                BatchNormParameters<const T>, const Dropout&);                     \
  template void batch_norm_relu_dropout_backward(ThisDevice&, Gradients<T>, BatchNormParameters<T>,                \
                                                 Gradients<const T>, Values<const T>, const BatchNormSaved<T>&,    \
                                                 double, T*);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cuda
