#include "cpu/dropout.h"

#include <algorithm>

#include "common/core/philox.h"
#include "cpu/dropout_reference.h"

namespace attnunet::cpu {
namespace {

constexpr int group = 64;           // counters drawn side by side, so that Philox's arithmetic vectorises
constexpr Index block = 4 * group;  // elements they decide on

// The words of elements 4 * first ... 4 * first + block - 1.
void draw(std::uint32_t words[block], std::uint64_t first, const DropoutKey& key) {
  std::uint32_t c0[group], c1[group], c2[group], c3[group];
  for (int i = 0; i < group; ++i) {
    const std::uint64_t counter = first + static_cast<std::uint64_t>(i);
    c0[i] = static_cast<std::uint32_t>(counter);
    c1[i] = static_cast<std::uint32_t>(counter >> 32);
    c2[i] = key.layer;
    c3[i] = key.step;
  }
  std::uint32_t key0 = static_cast<std::uint32_t>(key.seed), key1 = static_cast<std::uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (int i = 0; i < group; ++i) {
      const PhiloxWords next = philox_round({{c0[i], c1[i], c2[i], c3[i]}}, key0, key1);
      c0[i] = next.word[0];
      c1[i] = next.word[1];
      c2[i] = next.word[2];
      c3[i] = next.word[3];
    }
    philox_next_key(key0, key1);
  }
  for (int i = 0; i < group; ++i) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
}

template <class T>
void apply_mask(Device& device, T* y, const T* x, const Dropout& dropout, Index n) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index begin = 0; begin < n; begin += block) dropout_elements(y, x, dropout, begin, std::min(begin + block, n));
}

}  // namespace

template <class T>
void dropout_elements(T* y, const T* x, const Dropout& dropout, Index begin, Index end) {
  const std::uint32_t threshold = dropout_threshold(dropout.rate);
  const T scale = static_cast<T>(dropout_scale(dropout.rate));
  for (Index first = begin; first < end; first += block) {
    std::uint32_t words[block];
    draw(words, static_cast<std::uint64_t>(first / 4), dropout.key);
    const Index count = std::min(block, end - first);
#pragma omp simd
    for (Index i = 0; i < count; ++i) {
      const T value = x[first + i];
      y[first + i] = words[i] >= threshold ? value * scale : value - value;  // 0, or NaN if value is not finite
    }
  }
}

template <class T>
void dropout_forward(Device& device, Values<T> y, Const<Values<T>> x, const Dropout& dropout) {
  const Index n = size_of_same(y, x);
  if (device.plain_loops()) return dropout_reference_forward(y, x, dropout);
  apply_mask(device, y.data, x.data, dropout, n);
}

template <class T>
void dropout_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const Dropout& dropout) {
  const Index n = size_of_same(dx, dy);
  if (device.plain_loops()) return dropout_reference_backward(dx, dy, dropout);
  apply_mask(device, dx.data, dy.data, dropout, n);
}

template void dropout_elements(float*, const float*, const Dropout&, Index, Index);
template void dropout_elements(double*, const double*, const Dropout&, Index, Index);
template void dropout_forward(Device&, Values<float>, Values<const float>, const Dropout&);
template void dropout_forward(Device&, Values<double>, Values<const double>, const Dropout&);
template void dropout_backward(Device&, Gradients<float>, Gradients<const float>, const Dropout&);
template void dropout_backward(Device&, Gradients<double>, Gradients<const double>, const Dropout&);

}  // namespace attnunet::cpu
