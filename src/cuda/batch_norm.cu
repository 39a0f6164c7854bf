#include "cuda/batch_norm.h"
#include "cuda/kernel.h"
#include "cuda/lanes.h"

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
  const Lane lane = lane_of(chunk_pixels, pixels, C);
  const double count = pixels_of_chunk(blockIdx.x, chunk_pixels, pixels);

  T sum = 0;
  for (Index p = lane.first; p < lane.end; p += lane.step) sum += x[p * C + lane.group];
  const T mean = static_cast<T>(sum_of_rows(static_cast<double>(sum), lane.width) / count);

  T deviations = 0, squares = 0;
  for (Index p = lane.first; p < lane.end; p += lane.step) {
    const T deviation = x[p * C + lane.group] - mean;
    deviations += deviation;
    squares = fma(deviation, deviation, squares);
  }
  const double all_deviations = sum_of_rows(static_cast<double>(deviations), lane.width);
  const double all_squares = sum_of_rows(static_cast<double>(squares), lane.width);

  if (threadIdx.x < lane.width) {
    const double correction = all_deviations / count;  // what rounding left of the mean
    const Index at = Index{blockIdx.x} * C + lane.group;
    means[at] = static_cast<double>(mean) + correction;
    m2[at] = all_squares - all_deviations * correction;
  }
}

// Channels of a block in the kernels that add chunks: 8 floats are what memory gives at once.
constexpr unsigned combined_channels = 8;

// Threads a channel, a power of two: about 8 chunks each, where that is possible.
unsigned combining_threads(Index chunks) {
  unsigned threads = 4;
  while (threads < 128 && Index{threads} * 8 < chunks) threads *= 2;
  return threads * combined_channels;
}

// P: what the chunks' statistics are kept in.
template <class P, class T>
__global__ void combine_statistics_kernel(T* mean, T* inv_std, T* running_mean, T* running_var, const P* chunk_means,
                                          const P* chunk_m2, Index chunk_pixels, Index pixels, Index C, Index chunks) {
  const Index c = Index{blockIdx.x} * combined_channels + threadIdx.x % combined_channels;
  const Index first = c < C ? Index{threadIdx.x / combined_channels} : chunks;
  const Index step = blockDim.x / combined_channels;
  const double n = static_cast<double>(pixels);

  double sum = 0;
  for (Index chunk = first; chunk < chunks; chunk += step)
    sum += pixels_of_chunk(chunk, chunk_pixels, pixels) * static_cast<double>(chunk_means[chunk * C + c]);
  const double batch_mean = sum_of_rows(sum, combined_channels) / n;

  double squares = 0;
  for (Index chunk = first; chunk < chunks; chunk += step) {
    const double delta = static_cast<double>(chunk_means[chunk * C + c]) - batch_mean;
    squares +=
        static_cast<double>(chunk_m2[chunk * C + c]) + pixels_of_chunk(chunk, chunk_pixels, pixels) * delta * delta;
  }
  squares = sum_of_rows(squares, combined_channels);

  if (threadIdx.x < combined_channels && c < C) {
    const double variance = squares / n;
    mean[c] = static_cast<T>(batch_mean);
    inv_std[c] = static_cast<T>(1 / sqrt(variance + batch_norm_eps));
    running_mean[c] = running_average(running_mean[c], batch_mean);
    running_var[c] = running_average(running_var[c], pixels > 1 ? squares / (n - 1) : variance);
  }
}

template <class M, class P, class T>
void combine_statistics(Device<M>& device, T* mean, T* inv_std, T* running_mean, T* running_var, const P* chunk_means,
                        const P* chunk_m2, Index chunk_pixels, Index pixels, Index C) {
  const Index chunks = (pixels + chunk_pixels - 1) / chunk_pixels;
  launch(device, {"combine_statistics", blocks_for(C, combined_channels), combining_threads(chunks)},
         combine_statistics_kernel<P, T>, mean, inv_std, running_mean, running_var, chunk_means, chunk_m2, chunk_pixels,
         pixels, C, chunks);
}

}  // namespace

template <class M, class T>
void combine_channel_statistics(Device<M>& device, T* mean, T* inv_std, T* running_mean, T* running_var,
                                const T* chunk_means, const T* chunk_m2, Index chunk_pixels, Index pixels, Index C) {
  combine_statistics(device, mean, inv_std, running_mean, running_var, chunk_means, chunk_m2, chunk_pixels, pixels, C);
}

template <class M>
Index batch_norm_workspace(const Device<M>&, Index pixels, Index C) {
  // Room for the doubles where T is float, and two coefficients a channel (backward).
  constexpr Index elements_a_double = sizeof(double) / sizeof(float);
  return 2 * C * chunks_of(pixels, C).count * elements_a_double + 2 * C;
}

template <class M, class T>
void batch_norm_statistics(Device<M>& device, T* mean, T* inv_std, T* running_mean, T* running_var, const T* x,
                           T* workspace, Index pixels, Index C) {
  const Chunks chunks = chunks_of(pixels, C);
  double* means = reinterpret_cast<double*>(workspace);
  double* m2 = means + chunks.count * C;
  launch(device, {"chunk_moments", lane_grid(chunks, C), lane_threads}, chunk_moments_kernel<T>, means, m2, x,
         chunks.pixels, pixels, C);
  combine_statistics(device, mean, inv_std, running_mean, running_var, means, m2, chunks.pixels, pixels, C);
}

template Index batch_norm_workspace(const ThisDevice&, Index, Index);

#define ATTNUNET_INSTANTIATE(T)                                                                                   \
  template void combine_channel_statistics(ThisDevice&, T*, T*, T*, T*, const T*, const T*, Index, Index, Index); \
  template void batch_norm_statistics(ThisDevice&, T*, T*, T*, T*, const T*, T*, Index, Index);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cuda
