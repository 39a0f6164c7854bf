#include "cuda/batch_norm.h"
#include "cuda/chunk_share.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

template <class T>
__device__ __forceinline__ T inverse_deviation(T variance) {
  return static_cast<T>(1 / sqrt(static_cast<double>(variance) + batch_norm_eps));
}

template <class T>
__device__ __forceinline__ T running_average(T running, double batch) {
  return static_cast<T>((1 - batch_norm_momentum) * static_cast<double>(running) + batch_norm_momentum * batch);
}

// ---- statistics

// Mean and M2 of a chunk's channels, to row blockIdx.x of means and m2 [chunks, C].
template <class T>
__global__ void chunk_moments_kernel(double* means, double* m2, const T* x, Index chunk_pixels, Index pixels, Index C) {
  const ChunkShare share = chunk_share(chunk_pixels, pixels, C);
  const double count = pixels_of_chunk(blockIdx.x, chunk_pixels, pixels);

  T sum = 0;
  for (Index p = share.first; p < share.end; p += share.step) sum += x[p * C + share.group];
  const T mean = static_cast<T>(sum_of_group(static_cast<double>(sum), share.width) / count);

  T deviations = 0, squares = 0;
  for (Index p = share.first; p < share.end; p += share.step) {
    const T deviation = x[p * C + share.group] - mean;
    deviations += deviation;
    squares = fma(deviation, deviation, squares);
  }
  const double all_deviations = sum_of_group(static_cast<double>(deviations), share.width);
  const double all_squares = sum_of_group(static_cast<double>(squares), share.width);

  if (threadIdx.x < share.width) {
    const double correction = all_deviations / count;  // what rounding left of the mean
    const Index at = Index{blockIdx.x} * C + share.group;
    means[at] = static_cast<double>(mean) + correction;
    m2[at] = all_squares - all_deviations * correction;
  }
}

// Channels of a block in the kernels that add chunks: 8 floats are what memory gives at once.
constexpr unsigned combined_channels = 8;

constexpr unsigned most_combining_threads = 1024;

// Threads a channel, a power of two: about 8 chunks each, where that is possible.
unsigned combining_threads(Index chunks) {
  unsigned threads = 4;
  while (threads * combined_channels < most_combining_threads && Index{threads} * 8 < chunks) threads *= 2;
  return threads * combined_channels;
}

template <class P, class T>
__global__ void __launch_bounds__(most_combining_threads)
    combine_statistics_kernel(BatchStatistics<T> batch, RunningStatistics<T> running, ChunkStatistics<P> statistics,
                              Index C, Index chunks) {
  const Index chunk_pixels = statistics.chunk_pixels, pixels = statistics.pixels;
  const Index c = Index{blockIdx.x} * combined_channels + threadIdx.x % combined_channels;
  const Index first = c < C ? Index{threadIdx.x / combined_channels} : chunks;
  const Index step = blockDim.x / combined_channels;
  const double n = static_cast<double>(pixels);

  double sum = 0;
  for (Index chunk = first; chunk < chunks; chunk += step)
    sum += pixels_of_chunk(chunk, chunk_pixels, pixels) * static_cast<double>(statistics.means[chunk * C + c]);
  const double batch_mean = sum_of_group(sum, combined_channels) / n;

  double squares = 0;
  for (Index chunk = first; chunk < chunks; chunk += step) {
    const double delta = static_cast<double>(statistics.means[chunk * C + c]) - batch_mean;
    squares += static_cast<double>(statistics.m2[chunk * C + c]) +
               pixels_of_chunk(chunk, chunk_pixels, pixels) * delta * delta;
  }
  squares = sum_of_group(squares, combined_channels);

  if (threadIdx.x < combined_channels && c < C) {
    const double variance = squares / n;
    batch.mean[c] = static_cast<T>(batch_mean);
    batch.inv_std[c] = static_cast<T>(1 / sqrt(variance + batch_norm_eps));
    running.mean[c] = running_average(running.mean[c], batch_mean);
    running.var[c] = running_average(running.var[c], pixels > 1 ? squares / (n - 1) : variance);
  }
}

template <class M, class P, class T>
void combine_statistics(Device<M>& device, BatchStatistics<T> batch, RunningStatistics<T> running,
                        const ChunkStatistics<P>& statistics, Index C) {
  const Index chunks = (statistics.pixels + statistics.chunk_pixels - 1) / statistics.chunk_pixels;
  launch(device, {"combine_statistics", blocks_for(C, combined_channels), combining_threads(chunks)},
         combine_statistics_kernel<P, T>, batch, running, statistics, C, chunks);
}

// ---- forward

// y = (x - mean) scale + shift
template <class T>
__global__ void normalise_kernel(T* y, BatchNormSaved<T> in, Index chunk_pixels) {
  const T* x = in.x.data;
  const Index C = in.x.channels;
  const ChunkShare share = chunk_share(chunk_pixels, in.x.pixels, C);
  const T channel_mean = in.statistics.mean[share.group], shift = in.parameters.beta[share.group];
  const T scale = in.statistics.inv_std[share.group] * in.parameters.gamma[share.group];
  for (Index p = share.first; p < share.end; p += share.step)
    y[p * C + share.group] = (x[p * C + share.group] - channel_mean) * scale + shift;
}

template <class T>
__global__ void inference_forward_kernel(T* y, Values<const T> in, BatchNormParameters<const T> parameters,
                                         RunningStatistics<const T> running, Index chunk_pixels) {
  const T* x = in.data;
  const Index C = in.channels;
  const ChunkShare share = chunk_share(chunk_pixels, in.pixels, C);
  const T channel_mean = running.mean[share.group], shift = parameters.beta[share.group];
  const T scale = inverse_deviation(running.var[share.group]) * parameters.gamma[share.group];
  for (Index p = share.first; p < share.end; p += share.step)
    y[p * C + share.group] = (x[p * C + share.group] - channel_mean) * scale + shift;
}

// ---- backward

// sum dy and sum dy (x - mean) of a chunk's channels, to row blockIdx.x of the two [chunks, C] of partial.
template <class T>
__global__ void chunk_gradient_sums_kernel(double* partial, const T* dy, const T* x, const T* mean, Index chunk_pixels,
                                           Index pixels, Index C) {
  const ChunkShare share = chunk_share(chunk_pixels, pixels, C);
  const T channel_mean = mean[share.group];
  T sum = 0, along_x = 0;
  for (Index p = share.first; p < share.end; p += share.step) {
    const Index i = p * C + share.group;
    sum += dy[i];
    along_x = fma(dy[i], x[i] - channel_mean, along_x);
  }
  const double all = sum_of_group(static_cast<double>(sum), share.width);
  const double all_along_x = sum_of_group(static_cast<double>(along_x), share.width);
  if (threadIdx.x < share.width) {
    partial[Index{blockIdx.x} * C + share.group] = all;
    partial[(Index{gridDim.x} + blockIdx.x) * C + share.group] = all_along_x;
  }
}

struct ChannelSums {
  double dy, along_x;
};

// The sums of channel c over all chunks, for the threads of a block of combining_threads(chunks).
__device__ __forceinline__ ChannelSums sums_over_chunks(const double* partial, Index c, Index C, Index chunks) {
  const Index first = c < C ? Index{threadIdx.x / combined_channels} : chunks;
  const Index step = blockDim.x / combined_channels;
  double sum = 0, along_x = 0;
  for (Index chunk = first; chunk < chunks; chunk += step) {
    sum += partial[chunk * C + c];
    along_x += partial[(chunks + chunk) * C + c];
  }
  sum = sum_of_group(sum, combined_channels);
  along_x = sum_of_group(along_x, combined_channels);
  return {sum, along_x};
}

template <class T>
__global__ void __launch_bounds__(most_combining_threads)
    combine_gradient_sums_kernel(BatchNormParameters<T> d_parameters, InputGradientCoefficients<T> coefficients,
                                 const double* partial, const T* inv_std, Index chunks, Index pixels, Index C) {
  const Index c = Index{blockIdx.x} * combined_channels + threadIdx.x % combined_channels;
  const ChannelSums sums = sums_over_chunks(partial, c, C, chunks);
  if (threadIdx.x < combined_channels && c < C) {
    const double n = static_cast<double>(pixels), inverse = static_cast<double>(inv_std[c]);
    const double sum_dy_xhat = sums.along_x * inverse;
    d_parameters.beta[c] = static_cast<T>(sums.dy);
    d_parameters.gamma[c] = static_cast<T>(sum_dy_xhat);
    coefficients.dy_mean[c] = static_cast<T>(sums.dy / n);
    coefficients.slope[c] = static_cast<T>(sum_dy_xhat * inverse / n);
  }
}

template <class T>
__global__ void __launch_bounds__(most_combining_threads)
    combine_inference_sums_kernel(BatchNormParameters<T> d_parameters, const double* partial, const T* running_var,
                                  Index chunks, Index C) {
  const Index c = Index{blockIdx.x} * combined_channels + threadIdx.x % combined_channels;
  const ChannelSums sums = sums_over_chunks(partial, c, C, chunks);
  if (threadIdx.x < combined_channels && c < C) {
    d_parameters.beta[c] = static_cast<T>(sums.dy);
    d_parameters.gamma[c] = static_cast<T>(sums.along_x * static_cast<double>(inverse_deviation(running_var[c])));
  }
}

// dx = gamma inv_std (dy - dy_mean - (x - mean) slope)
template <class T>
__global__ void batch_norm_backward_kernel(T* dx, const T* dy, BatchNormSaved<T> saved,
                                           InputGradientCoefficients<T> coefficients, Index chunk_pixels) {
  const T* x = saved.x.data;
  const Index C = saved.x.channels;
  const ChunkShare share = chunk_share(chunk_pixels, saved.x.pixels, C);
  const Index c = share.group;
  const T channel_mean = saved.statistics.mean[c], scale = saved.statistics.inv_std[c] * saved.parameters.gamma[c];
  const T channel_dy_mean = coefficients.dy_mean[c], channel_slope = coefficients.slope[c];
  for (Index p = share.first; p < share.end; p += share.step) {
    const Index i = p * C + c;
    dx[i] = scale * (dy[i] - channel_dy_mean - (x[i] - channel_mean) * channel_slope);
  }
}

template <class T>
__global__ void batch_norm_inference_backward_kernel(T* dx, const T* dy, const T* running_var, const T* gamma,
                                                     Index chunk_pixels, Index pixels, Index C) {
  const ChunkShare share = chunk_share(chunk_pixels, pixels, C);
  const T scale = inverse_deviation(running_var[share.group]) * gamma[share.group];
  for (Index p = share.first; p < share.end; p += share.step) dx[p * C + share.group] = scale * dy[p * C + share.group];
}

template <class M, class T>
void chunk_gradient_sums(Device<M>& device, double* partial, Gradients<const T> dy, Values<const T> x, const T* mean,
                         const Chunks& chunks) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(dy, pixels, C);
  require_dense(x, pixels, C);
  launch(device, {"chunk_gradient_sums", share_grid(chunks, C), share_threads}, chunk_gradient_sums_kernel<T>, partial,
         dy.data, x.data, mean, chunks.pixels, pixels, C);
}

}  // namespace

template <class M, class T>
void combine_channel_statistics(Device<M>& device, BatchStatistics<T> batch, RunningStatistics<T> running,
                                const ChunkStatistics<T>& chunks, Index C) {
  combine_statistics(device, batch, running, chunks, C);
}

template <class M>
Index batch_norm_workspace(const Device<M>&, Index pixels, Index C) {
  // Room for the doubles where T is float, and two coefficients a channel (backward).
  constexpr Index elements_a_double = sizeof(double) / sizeof(float);
  return 2 * C * chunks_of(pixels, C).count * elements_a_double + 2 * C;
}

template <class M, class T>
void batch_norm_statistics(Device<M>& device, BatchStatistics<T> batch, RunningStatistics<T> running,
                           Const<Values<T>> x, T* workspace) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(x, pixels, C);
  const Chunks chunks = chunks_of(pixels, C);
  double* means = reinterpret_cast<double*>(workspace);
  double* m2 = means + chunks.count * C;
  launch(device, {"chunk_moments", share_grid(chunks, C), share_threads}, chunk_moments_kernel<T>, means, m2, x.data,
         chunks.pixels, pixels, C);
  combine_statistics(device, batch, running, ChunkStatistics<double>{means, m2, chunks.pixels, pixels}, C);
}

template <class M, class T>
void batch_norm_forward(Device<M>& device, Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                        Const<Values<T>> x, Const<BatchNormParameters<T>> parameters, T* workspace) {
  require_dense(y, x.pixels, x.channels);
  batch_norm_statistics(device, batch, running, x, workspace);
  const Chunks chunks = small_chunks_of(x.pixels, x.channels);
  launch(device, {"batch_norm_forward", share_grid(chunks, x.channels), share_threads}, normalise_kernel<T>, y.data,
         BatchNormSaved<T>{x, batch, parameters}, chunks.pixels);
}

template <class M, class T>
void combine_gradient_sums(Device<M>& device, BatchNormParameters<T> d_parameters,
                           InputGradientCoefficients<T> coefficients, const double* partial, const T* inv_std,
                           Index chunks, Index pixels, Index C) {
  launch(device, {"combine_gradient_sums", blocks_for(C, combined_channels), combining_threads(chunks)},
         combine_gradient_sums_kernel<T>, d_parameters, coefficients, partial, inv_std, chunks, pixels, C);
}

template <class M, class T>
void batch_norm_backward(Device<M>& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                         Const<Gradients<T>> dy, const BatchNormSaved<T>& saved, T* workspace) {
  const Index pixels = saved.x.pixels, C = saved.x.channels;
  require_dense(dx, pixels, C);
  const Chunks chunks = chunks_of(pixels, C), small = small_chunks_of(pixels, C);
  double* partial = reinterpret_cast<double*>(workspace);
  T* dy_mean = workspace + (batch_norm_workspace(device, pixels, C) - 2 * C);
  const InputGradientCoefficients<T> coefficients{dy_mean, dy_mean + C};
  chunk_gradient_sums(device, partial, dy, saved.x, saved.statistics.mean, chunks);
  combine_gradient_sums(device, d_parameters, coefficients, partial, saved.statistics.inv_std, chunks.count, pixels, C);
  launch(device, {"batch_norm_backward", share_grid(small, C), share_threads}, batch_norm_backward_kernel<T>, dx.data,
         dy.data, saved, coefficients, small.pixels);
}

template <class M, class T>
void batch_norm_inference_forward(Device<M>& device, Values<T> y, Const<Values<T>> x,
                                  Const<BatchNormParameters<T>> parameters, Const<RunningStatistics<T>> running) {
  require_dense(x, x.pixels, x.channels);
  require_dense(y, x.pixels, x.channels);
  const Chunks chunks = small_chunks_of(x.pixels, x.channels);
  launch(device, {"batch_norm_inference_forward", share_grid(chunks, x.channels), share_threads},
         inference_forward_kernel<T>, y.data, x, parameters, running, chunks.pixels);
}

template <class M, class T>
void batch_norm_inference_backward(Device<M>& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                   Const<Gradients<T>> dy, Const<Values<T>> x, Const<BatchNormParameters<T>> parameters,
                                   Const<RunningStatistics<T>> running, T* workspace) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(dx, pixels, C);
  const Chunks chunks = chunks_of(pixels, C), small = small_chunks_of(pixels, C);
  double* partial = reinterpret_cast<double*>(workspace);
  chunk_gradient_sums(device, partial, dy, x, running.mean, chunks);
  launch(device, {"combine_inference_sums", blocks_for(C, combined_channels), combining_threads(chunks.count)},
         combine_inference_sums_kernel<T>, d_parameters, partial, running.var, chunks.count, C);
  launch(device, {"batch_norm_inference_backward", share_grid(small, C), share_threads},
         batch_norm_inference_backward_kernel<T>, dx.data, dy.data, running.var, parameters.gamma, small.pixels, pixels,
         C);
}

template Index batch_norm_workspace(const ThisDevice&, Index, Index);

#define ATTNUNET_INSTANTIATE(T)                                                                                       \
  template void combine_channel_statistics(ThisDevice&, BatchStatistics<T>, RunningStatistics<T>,                     \
                                           const ChunkStatistics<T>&, Index);                                         \
  template void batch_norm_statistics(ThisDevice&, BatchStatistics<T>, RunningStatistics<T>, Values<const T>, T*);    \
  template void batch_norm_forward(ThisDevice&, Values<T>, BatchStatistics<T>, RunningStatistics<T>, Values<const T>, \
                                   BatchNormParameters<const T>, T*);                                                 \
  template void combine_gradient_sums(ThisDevice&, BatchNormParameters<T>, InputGradientCoefficients<T>,              \
                                      const double*, const T*, Index, Index, Index);                                  \
  template void batch_norm_backward(ThisDevice&, Gradients<T>, BatchNormParameters<T>, Gradients<const T>,            \
                                    const BatchNormSaved<T>&, T*);                                                    \
  template void batch_norm_inference_forward(ThisDevice&, Values<T>, Values<const T>, BatchNormParameters<const T>,   \
                                             RunningStatistics<const T>);                                             \
  template void batch_norm_inference_backward(ThisDevice&, Gradients<T>, BatchNormParameters<T>, Gradients<const T>,  \
                                              Values<const T>, BatchNormParameters<const T>,                          \
                                              RunningStatistics<const T>, T*);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cuda
