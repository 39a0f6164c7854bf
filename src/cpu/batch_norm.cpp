#include "cpu/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "cpu/batch_norm_reference.h"
#include "cpu/strips.h"

namespace attnunet::cpu {
namespace {

constexpr Index block_bytes = 16 * 1024;  // half of the L1 cache

template <class T>
Index block_pixels(const ChannelSlice& slice) {
  const Index strips = std::max<Index>(1, block_bytes / static_cast<Index>(sizeof(T)) / slice.strip());
  return strips * slice.pixels_per_strip;
}

// The partial sums: two doubles a channel and chunk, laid out [chunk][2][C].
template <class T>
double* partials(T* workspace) {
  return reinterpret_cast<double*>(workspace);
}

// Mean and sum of squares about it of a chunk's channels, to partial[0 .. C-1] and partial[C .. 2C-1].
template <class T>
void chunk_moments(double* partial, const T* x, const ChannelSlice& slice, Index begin, Index end) {
  alignas(64) double mean[longest_strip] = {}, squares[longest_strip] = {}, total1[longest_strip],
                     total2[longest_strip];
  alignas(64) T sum1[longest_strip], sum2[longest_strip], block_mean[longest_strip];
  const Index step = block_pixels<T>(slice), strip = slice.strip();
  for (Index first = begin; first < end; first += step) {
    const Index last = std::min(end, first + step);
    const double before = static_cast<double>(first - begin), count = static_cast<double>(last - first);
    const double all = before + count;

    for (Index l = 0; l < strip; ++l) sum1[l] = 0;
    for_strips(slice, first, last, [&](Index offset, Index width) {
      const T* x_strip = x + offset;
#pragma omp simd
      for (Index l = 0; l < width; ++l) sum1[l] += x_strip[l];
    });
    for (Index l = 0; l < strip; ++l) total1[l] = static_cast<double>(sum1[l]);
    sum_over_pixels(slice, total1);
    for (Index c = 0; c < slice.channels; ++c) total1[c] /= count;
    repeat_per_pixel(ChannelSlice{0, slice.channels, slice.channels, slice.pixels_per_strip}, block_mean, total1);

    for (Index l = 0; l < strip; ++l) sum1[l] = sum2[l] = 0;
    for_strips(slice, first, last, [&](Index offset, Index width) {
      const T* x_strip = x + offset;
#pragma omp simd
      for (Index l = 0; l < width; ++l) {
        const T deviation = x_strip[l] - block_mean[l];
        sum1[l] += deviation;
        sum2[l] += deviation * deviation;
      }
    });
    for (Index l = 0; l < strip; ++l) {
      total1[l] = static_cast<double>(sum1[l]);
      total2[l] = static_cast<double>(sum2[l]);
    }
    sum_over_pixels(slice, total1);
    sum_over_pixels(slice, total2);

    const double share = count / all, weight = before * share;
    for (Index c = 0; c < slice.channels; ++c) {
      const double correction = total1[c] / count;  // what rounding left of the mean
      const double delta = static_cast<double>(block_mean[c]) + correction - mean[c];
      mean[c] += delta * share;
      squares[c] += total2[c] - total1[c] * correction + delta * delta * weight;
    }
  }
  for (Index c = 0; c < slice.channels; ++c) {
    partial[slice.first + c] = mean[c];
    partial[slice.C + slice.first + c] = squares[c];
  }
}

// sum dy and sum dy (x - mean) of a chunk's channels, to partial[0 .. C-1] and partial[C .. 2C-1]. upstream(i) gives dy
// of element i, once for each.
template <class T, class Upstream>
void chunk_gradient_sums(double* partial, const Upstream& upstream, const T* x, const T* mean,
                         const ChannelSlice& slice, Index begin, Index end) {
  alignas(64) double total1[longest_strip] = {}, total2[longest_strip] = {};
  alignas(64) T sum1[longest_strip], sum2[longest_strip], means[longest_strip];
  repeat_per_pixel(slice, means, mean);
  const Index step = block_pixels<T>(slice), strip = slice.strip();
  for (Index first = begin; first < end; first += step) {
    for (Index l = 0; l < strip; ++l) sum1[l] = sum2[l] = 0;
    for_strips(slice, first, std::min(end, first + step), [&](Index offset, Index width) {
      const T* x_strip = x + offset;
#pragma omp simd
      for (Index l = 0; l < width; ++l) {
        const T gradient = upstream(offset + l);
        sum1[l] += gradient;
        sum2[l] += gradient * (x_strip[l] - means[l]);
      }
    });
    for (Index l = 0; l < strip; ++l) {
      total1[l] += static_cast<double>(sum1[l]);
      total2[l] += static_cast<double>(sum2[l]);
    }
  }
  sum_over_pixels(slice, total1);
  sum_over_pixels(slice, total2);
  for (Index c = 0; c < slice.channels; ++c) {
    partial[slice.first + c] = total1[c];
    partial[slice.C + slice.first + c] = total2[c];
  }
}

template <class T, class Upstream>
void gradient_sums(Device& device, double* partial, const Upstream& upstream, Values<const T> x, const T* mean) {
  const Index pixels = x.pixels, C = x.channels;
  const Chunks chunks = chunks_of(pixels, C);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index chunk = 0; chunk < chunks.count; ++chunk)
    for (Index s = 0; s < slice_count(C); ++s)
      chunk_gradient_sums(partial + 2 * C * chunk, upstream, x.data, mean, slice_of(s, C), chunks.begin(chunk),
                          chunks.end(chunk, pixels));
}

// Sum over the chunks of partial number `which` (0 or 1) of channel c.
double total(const double* partial, Index chunk_count, Index which, Index c, Index C) {
  double sum = 0;
  for (Index chunk = 0; chunk < chunk_count; ++chunk) sum += partial[(2 * chunk + which) * C + c];
  return sum;
}

// y = (x - mean) scale + shift
template <class T>
void normalise(T* y, const T* x, const T* mean, const T* scale, const T* shift, const ChannelSlice& slice, Index begin,
               Index end) {
  for_strips(slice, begin, end, [&](Index offset, Index width) {
    const T* x_strip = x + offset;
    T* y_strip = y + offset;
#pragma omp simd
    for (Index l = 0; l < width; ++l) y_strip[l] = (x_strip[l] - mean[l]) * scale[l] + shift[l];
  });
}

template <class T>
T inverse_deviation(T variance) {
  return static_cast<T>(1 / std::sqrt(static_cast<double>(variance) + batch_norm_eps));
}

template <class T>
T running_average(T running, double batch) {
  return static_cast<T>((1 - batch_norm_momentum) * static_cast<double>(running) + batch_norm_momentum * batch);
}

}  // namespace

Index batch_norm_workspace(const Device&, Index pixels, Index C) {
  // Room for the doubles where T is float, and two coefficients a channel (backward).
  constexpr Index elements_a_double = sizeof(double) / sizeof(float);
  return 2 * C * chunks_of(pixels, C).count * elements_a_double + 2 * C;
}

template <class T>
void batch_norm_statistics(Device& device, BatchStatistics<T> batch, RunningStatistics<T> running, Const<Values<T>> x,
                           T* workspace) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(x, pixels, C);
  if (device.plain_loops()) return batch_norm_reference_statistics(batch, running, x);
  const Chunks chunks = chunks_of(pixels, C);
  double* partial = partials(workspace);
#pragma omp parallel num_threads(device.threads())
  {
#pragma omp for schedule(static)
    for (Index chunk = 0; chunk < chunks.count; ++chunk)
      for (Index s = 0; s < slice_count(C); ++s)
        chunk_moments(partial + 2 * C * chunk, x.data, slice_of(s, C), chunks.begin(chunk), chunks.end(chunk, pixels));

#pragma omp for schedule(static)
    for (Index c = 0; c < C; ++c) {
      double batch_mean = 0, squares = 0;
      for (Index chunk = 0; chunk < chunks.count; ++chunk) {
        const double before = static_cast<double>(chunks.begin(chunk));
        const double all = static_cast<double>(chunks.end(chunk, pixels)), share = (all - before) / all;
        const double delta = partial[2 * C * chunk + c] - batch_mean;
        batch_mean += delta * share;
        squares += partial[2 * C * chunk + C + c] + delta * delta * before * share;
      }
      const double n = static_cast<double>(pixels), variance = squares / n;
      batch.mean[c] = static_cast<T>(batch_mean);
      batch.inv_std[c] = static_cast<T>(1 / std::sqrt(variance + batch_norm_eps));
      running.mean[c] = running_average(running.mean[c], batch_mean);
      running.var[c] = running_average(running.var[c], pixels > 1 ? squares / (n - 1) : variance);
    }
  }
}

template <class T>
void batch_norm_forward(Device& device, Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                        Const<Values<T>> x, Const<BatchNormParameters<T>> parameters, T* workspace) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(x, pixels, C);
  require_dense(y, pixels, C);
  if (device.plain_loops()) return batch_norm_reference_forward(y, batch, running, x, parameters);
  batch_norm_statistics(device, batch, running, x, workspace);
  const Chunks chunks = chunks_of(pixels, C);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index chunk = 0; chunk < chunks.count; ++chunk)
    for (Index s = 0; s < slice_count(C); ++s) {
      const ChannelSlice slice = slice_of(s, C);
      alignas(64) T means[longest_strip], scale[longest_strip], gammas[longest_strip], shift[longest_strip];
      repeat_per_pixel(slice, means, batch.mean);
      repeat_per_pixel(slice, scale, batch.inv_std);
      repeat_per_pixel(slice, gammas, parameters.gamma);
      repeat_per_pixel(slice, shift, parameters.beta);
      for (Index l = 0; l < slice.strip(); ++l) scale[l] *= gammas[l];
      normalise(y.data, x.data, means, scale, shift, slice, chunks.begin(chunk), chunks.end(chunk, pixels));
    }
}

namespace {

// sum(partial) writes the sums that gradient_sums makes of dy. From then on `dy` holds it.
template <class T, class Sum>
void backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters, const T* dy, const Sum& sum,
              const BatchNormSaved<T>& saved, T* workspace) {
  const Index pixels = saved.x.pixels, C = saved.x.channels;
  require_dense(saved.x, pixels, C);
  require_dense(dx, pixels, C);
  const Chunks chunks = chunks_of(pixels, C);
  double* partial = partials(workspace);
  T* dy_mean = workspace + (batch_norm_workspace(device, pixels, C) - 2 * C);
  T* slope = dy_mean + C;
  sum(partial);
#pragma omp parallel num_threads(device.threads())
  {
    // dx = gamma inv_std (dy - dbeta / n - (x - mean) slope)    with slope = inv_std dgamma / n
#pragma omp for schedule(static)
    for (Index c = 0; c < C; ++c) {
      const double n = static_cast<double>(pixels), inverse = static_cast<double>(saved.statistics.inv_std[c]);
      const double sum_dy = total(partial, chunks.count, 0, c, C);
      const double sum_dy_xhat = total(partial, chunks.count, 1, c, C) * inverse;
      d_parameters.beta[c] = static_cast<T>(sum_dy);
      d_parameters.gamma[c] = static_cast<T>(sum_dy_xhat);
      dy_mean[c] = static_cast<T>(sum_dy / n);
      slope[c] = static_cast<T>(sum_dy_xhat * inverse / n);
    }

#pragma omp for schedule(static)
    for (Index chunk = 0; chunk < chunks.count; ++chunk)
      for (Index s = 0; s < slice_count(C); ++s) {
        const ChannelSlice slice = slice_of(s, C);
        alignas(64) T means[longest_strip], scale[longest_strip], gammas[longest_strip], dy_means[longest_strip],
            slopes[longest_strip];
        repeat_per_pixel(slice, means, saved.statistics.mean);
        repeat_per_pixel(slice, scale, saved.statistics.inv_std);
        repeat_per_pixel(slice, gammas, saved.parameters.gamma);
        repeat_per_pixel(slice, dy_means, dy_mean);
        repeat_per_pixel(slice, slopes, slope);
        for (Index l = 0; l < slice.strip(); ++l) scale[l] *= gammas[l];
        for_strips(slice, chunks.begin(chunk), chunks.end(chunk, pixels), [&](Index offset, Index width) {
          const T* dy_strip = dy + offset;
          const T* x_strip = saved.x.data + offset;
          T* dx_strip = dx.data + offset;
#pragma omp simd
          for (Index l = 0; l < width; ++l)
            dx_strip[l] = scale[l] * (dy_strip[l] - dy_means[l] - (x_strip[l] - means[l]) * slopes[l]);
        });
      }
  }
}

}  // namespace

template <class T>
void batch_norm_backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters, Const<Gradients<T>> dy,
                         const BatchNormSaved<T>& saved, T* workspace) {
  require_dense(saved.x, saved.x.pixels, saved.x.channels);
  require_dense(dx, saved.x.pixels, saved.x.channels);
  require_dense(dy, saved.x.pixels, saved.x.channels);
  if (device.plain_loops()) return batch_norm_reference_backward(dx, d_parameters, dy, saved);
  const auto sum = [&](double* partial) {
    gradient_sums(
        device, partial, [dy = dy.data](Index i) { return dy[i]; }, saved.x, saved.statistics.mean);
  };
  backward(device, dx, d_parameters, dy.data, sum, saved, workspace);
}

namespace {

// g_i = 0 where z_i <= 0.
template <class T>
void clear_clipped(Device& device, T* g, const BatchNormSaved<T>& saved) {
  const Index C = saved.x.channels;
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index p = 0; p < saved.x.pixels; ++p)
    for (Index c = 0; c < C; ++c) {
      const T scale = saved.statistics.inv_std[c] * saved.parameters.gamma[c];
      const T z = (saved.x.data[p * C + c] - saved.statistics.mean[c]) * scale + saved.parameters.beta[c];
      if (z <= T(0)) g[p * C + c] = T(0);
    }
}

}  // namespace

template <class T>
void batch_norm_masked_backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                Const<Gradients<T>> dy, const ReluDropoutMask<T>& mask, const BatchNormSaved<T>& saved,
                                T* workspace) {
  require_dense(dy, saved.x.pixels, saved.x.channels);
  require_dense(mask.y, saved.x.pixels, saved.x.channels);
  // y_i <= 0 where ReLU clipped, and where dropout multiplied by 0: that is NaN for a dy_i that is not finite. Only if
  // such a dy_i shows in the sums, z tells the two apart.
  const auto upstream = [dx = dx.data, dy = dy.data, y = mask.y.data, scale = mask.scale](Index i) {
    const T scaled = dy[i] * scale, zero = dy[i] - dy[i];
    return dx[i] = y[i] <= T(0) ? zero : scaled;
  };
  const auto sum = [&](double* partial) {
    const T* mean = saved.statistics.mean;
    gradient_sums(device, partial, upstream, saved.x, mean);
    const Index sums = 2 * saved.x.channels * chunks_of(saved.x.pixels, saved.x.channels).count;
    if (std::none_of(partial, partial + sums, [](double value) { return std::isnan(value); })) return;
    clear_clipped(device, dx.data, saved);
    gradient_sums(
        device, partial, [g = dx.data](Index i) { return g[i]; }, saved.x, mean);
  };
  backward(device, dx, d_parameters, static_cast<const T*>(dx.data), sum, saved, workspace);
}

template <class T>
void batch_norm_inference_forward(Device& device, Values<T> y, Const<Values<T>> x,
                                  Const<BatchNormParameters<T>> parameters, Const<RunningStatistics<T>> running) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(x, pixels, C);
  require_dense(y, pixels, C);
  if (device.plain_loops()) return batch_norm_reference_inference_forward(y, x, parameters, running);
  const Chunks chunks = chunks_of(pixels, C);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index chunk = 0; chunk < chunks.count; ++chunk)
    for (Index s = 0; s < slice_count(C); ++s) {
      const ChannelSlice slice = slice_of(s, C);
      alignas(64) T means[longest_strip], scale[longest_strip], gammas[longest_strip], shift[longest_strip];
      repeat_per_pixel(slice, means, running.mean);
      repeat_per_pixel(slice, scale, running.var);
      repeat_per_pixel(slice, gammas, parameters.gamma);
      repeat_per_pixel(slice, shift, parameters.beta);
      for (Index l = 0; l < slice.strip(); ++l) scale[l] = inverse_deviation(scale[l]) * gammas[l];
      normalise(y.data, x.data, means, scale, shift, slice, chunks.begin(chunk), chunks.end(chunk, pixels));
    }
}

template <class T>
void batch_norm_inference_backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                   Const<Gradients<T>> dy, Const<Values<T>> x, Const<BatchNormParameters<T>> parameters,
                                   Const<RunningStatistics<T>> running, T* workspace) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(x, pixels, C);
  require_dense(dx, pixels, C);
  require_dense(dy, pixels, C);
  if (device.plain_loops())
    return batch_norm_reference_inference_backward(dx, d_parameters, dy, x, parameters, running);
  const Chunks chunks = chunks_of(pixels, C);
  double* partial = partials(workspace);
  gradient_sums(
      device, partial, [dy = dy.data](Index i) { return dy[i]; }, x, running.mean);
#pragma omp parallel num_threads(device.threads())
  {
#pragma omp for schedule(static)
    for (Index c = 0; c < C; ++c) {
      d_parameters.beta[c] = static_cast<T>(total(partial, chunks.count, 0, c, C));
      d_parameters.gamma[c] = static_cast<T>(total(partial, chunks.count, 1, c, C) *
                                             static_cast<double>(inverse_deviation(running.var[c])));
    }

#pragma omp for schedule(static)
    for (Index chunk = 0; chunk < chunks.count; ++chunk)
      for (Index s = 0; s < slice_count(C); ++s) {
        const ChannelSlice slice = slice_of(s, C);
        alignas(64) T scale[longest_strip], gammas[longest_strip];
        repeat_per_pixel(slice, scale, running.var);
        repeat_per_pixel(slice, gammas, parameters.gamma);
        for (Index l = 0; l < slice.strip(); ++l) scale[l] = inverse_deviation(scale[l]) * gammas[l];
        for_strips(slice, chunks.begin(chunk), chunks.end(chunk, pixels), [&](Index offset, Index width) {
          const T* dy_strip = dy.data + offset;
          T* dx_strip = dx.data + offset;
#pragma omp simd
          for (Index l = 0; l < width; ++l) dx_strip[l] = scale[l] * dy_strip[l];
        });
      }
  }
}

#define ATTNUNET_INSTANTIATE(T)                                                                                   \
  template void batch_norm_statistics(Device&, BatchStatistics<T>, RunningStatistics<T>, Values<const T>, T*);    \
  template void batch_norm_forward(Device&, Values<T>, BatchStatistics<T>, RunningStatistics<T>, Values<const T>, \
                                   BatchNormParameters<const T>, T*);                                             \
  template void batch_norm_backward(Device&, Gradients<T>, BatchNormParameters<T>, Gradients<const T>,            \
                                    const BatchNormSaved<T>&, T*);                                                \
  template void batch_norm_masked_backward(Device&, Gradients<T>, BatchNormParameters<T>, Gradients<const T>,     \
                                           const ReluDropoutMask<T>&, const BatchNormSaved<T>&, T*);              \
  template void batch_norm_inference_forward(Device&, Values<T>, Values<const T>, BatchNormParameters<const T>,   \
                                             RunningStatistics<const T>);                                         \
  template void batch_norm_inference_backward(Device&, Gradients<T>, BatchNormParameters<T>, Gradients<const T>,  \
                                              Values<const T>, BatchNormParameters<const T>,                      \
                                              RunningStatistics<const T>, T*);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
