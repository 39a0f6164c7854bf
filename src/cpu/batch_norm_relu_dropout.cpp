#include "cpu/batch_norm_relu_dropout.h"

#include "cpu/batch_norm.h"
#include "cpu/batch_norm_relu_dropout_reference.h"
#include "cpu/dropout.h"
#include "cpu/strips.h"

namespace attnunet::cpu {
namespace {

// y = max(gamma (x - mean) inv_std + beta, 0)
template <class T>
void normalise_and_clip(Values<T> y, const BatchNormSaved<T>& in, Index begin, Index end) {
  const Index C = y.channels;
  for (Index s = 0; s < slice_count(C); ++s) {
    const ChannelSlice slice = slice_of(s, C);
    alignas(64) T means[longest_strip], scale[longest_strip], gammas[longest_strip], shift[longest_strip];
    repeat_per_pixel(slice, means, in.statistics.mean);
    repeat_per_pixel(slice, scale, in.statistics.inv_std);
    repeat_per_pixel(slice, gammas, in.parameters.gamma);
    repeat_per_pixel(slice, shift, in.parameters.beta);
    for (Index l = 0; l < slice.strip(); ++l) scale[l] *= gammas[l];
    for_strips(slice, begin, end, [&](Index offset, Index width) {
      const T* x_strip = in.x.data + offset;
      T* y_strip = y.data + offset;
#pragma omp simd
      for (Index l = 0; l < width; ++l) {
        const T z = (x_strip[l] - means[l]) * scale[l] + shift[l];
        y_strip[l] = z <= T(0) ? T(0) : z;
      }
    });
  }
}

}  // namespace

Index batch_norm_relu_dropout_workspace(const Device& device, Index pixels, Index C) {
  return batch_norm_workspace(device, pixels, C);
}

template <class T>
void batch_norm_relu_dropout_forward(Device& device, Values<T> y, Const<Values<T>> x, Const<BatchStatistics<T>> batch,
                                     Const<BatchNormParameters<T>> parameters, const Dropout& dropout) {
  const Index pixels = x.pixels, C = x.channels;
  require_dense(x, pixels, C);
  require_dense(y, pixels, C);
  if (device.plain_loops()) return batch_norm_relu_dropout_reference_forward(y, x, batch, parameters, dropout);
  const Chunks chunks = chunks_of(pixels, C);  // they start at multiples of 16 pixels, hence of 4 elements
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index chunk = 0; chunk < chunks.count; ++chunk) {
    const Index begin = chunks.begin(chunk), end = chunks.end(chunk, pixels);
    normalise_and_clip(y, {x, batch, parameters}, begin, end);
    if (dropout.rate > 0) dropout_elements(y.data, y.data, dropout, begin * C, end * C);
  }
}

template <class T>
void batch_norm_relu_dropout_backward(Device& device, Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                      Const<Gradients<T>> dy, Const<Values<T>> y, const BatchNormSaved<T>& saved,
                                      double rate, T* workspace) {
  const Index pixels = saved.x.pixels, C = saved.x.channels;
  require_dense(saved.x, pixels, C);
  require_dense(dx, pixels, C);
  require_dense(dy, pixels, C);
  require_dense(y, pixels, C);
  if (device.plain_loops()) return batch_norm_relu_dropout_reference_backward(dx, d_parameters, dy, y, saved, rate);
  batch_norm_masked_backward(device, dx, d_parameters, dy, {y, static_cast<T>(dropout_scale(rate))}, saved, workspace);
}

#define ATTNUNET_INSTANTIATE(T)                                                                                     \
  template void batch_norm_relu_dropout_forward(Device&, Values<T>, Values<const T>, BatchStatistics<const T>,      \
                                                BatchNormParameters<const T>, const Dropout&);                      \
  template void batch_norm_relu_dropout_backward(Device&, Gradients<T>, BatchNormParameters<T>, Gradients<const T>, \
                                                 Values<const T>, const BatchNormSaved<T>&, double, T*);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
