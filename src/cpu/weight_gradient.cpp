#include "cpu/weight_gradient.h"

#include <algorithm>

namespace attnunet::cpu {
namespace {

constexpr Index bias_block = 256;  // pixels in one partial sum of a bias gradient

Index bias_blocks(Index pixels) {
  return (pixels + bias_block - 1) / bias_block;
}

}  // namespace

Index weight_gradient_chunks(Index tiles, Index weights) {
  constexpr Index most_chunks = 64, most_elements = Index{1} << 21;
  return std::max<Index>(1, std::min({tiles, most_chunks, most_elements / weights}));
}

Index weight_gradient_workspace(Index chunks, Index weights) {
  return chunks == 1 ? 0 : chunks * weights;
}

template <class T>
void add_weight_gradients(Device& device, T* dw, const T* partials, Index chunks, Index weights) {
  if (chunks == 1) return;
  constexpr Index block = 1024;
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index begin = 0; begin < weights; begin += block) {
    const Index end = std::min(begin + block, weights);
    std::copy(partials + begin, partials + end, dw + begin);
    for (Index chunk = 1; chunk < chunks; ++chunk) {
      const T* partial = partials + chunk * weights;
      for (Index i = begin; i < end; ++i) dw[i] += partial[i];
    }
  }
}

Index bias_gradient_workspace(Index pixels, Index channels) {
  return bias_blocks(pixels) * channels;
}

template <class T>
void bias_gradient(Device& device, T* db, Const<Gradients<T>> dy, T* workspace) {
  const Index pixels = dy.pixels, channels = dy.channels, stride = dy.stride;
  const T* gradient = dy.data;
  const Index blocks = bias_blocks(pixels);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index block = 0; block < blocks; ++block) {
    T* sum = workspace + block * channels;
    std::fill(sum, sum + channels, T(0));
    for (Index p = block * bias_block; p < std::min((block + 1) * bias_block, pixels); ++p)
      for (Index k = 0; k < channels; ++k) sum[k] += gradient[p * stride + k];
  }
  for (Index k = 0; k < channels; ++k) {
    double sum = 0;
    for (Index block = 0; block < blocks; ++block) sum += static_cast<double>(workspace[block * channels + k]);
    db[k] = static_cast<T>(sum);
  }
}

template void add_weight_gradients(Device&, float*, const float*, Index, Index);
template void add_weight_gradients(Device&, double*, const double*, Index, Index);
template void bias_gradient(Device&, float*, Gradients<const float>, float*);
template void bias_gradient(Device&, double*, Gradients<const double>, double*);

}  // namespace attnunet::cpu
