#include "cpu/dropout_reference.h"

#include "common/core/philox.h"

namespace attnunet::cpu {

// One draw decides on four elements; dropout_key.h says which of its words is element i's.
float dropout_reference_mask(Index i, const Dropout& dropout) {
  const auto draw = static_cast<std::uint64_t>(i / 4);
  const auto low = static_cast<std::uint32_t>(draw), high = static_cast<std::uint32_t>(draw >> 32);
  const PhiloxWords words = philox4x32({{low, high, dropout.key.layer, dropout.key.step}}, dropout.key.seed);
  return words.word[i % 4] >= dropout_threshold(dropout.rate) ? dropout_scale(dropout.rate) : 0;
}

// y_i = x_i m_i
template <class T>
void dropout_reference_forward(Values<T> y, Const<Values<T>> x, const Dropout& dropout) {
  for (Index i = 0; i < x.size(); ++i) y.data[i] = x.data[i] * dropout_reference_mask(i, dropout);
}

// dx_i = dy_i m_i
template <class T>
void dropout_reference_backward(Gradients<T> dx, Const<Gradients<T>> dy, const Dropout& dropout) {
  for (Index i = 0; i < dy.size(); ++i) dx.data[i] = dy.data[i] * dropout_reference_mask(i, dropout);
}

#define ATTNUNET_INSTANTIATE(T)                                                        \
  template void dropout_reference_forward(Values<T>, Values<const T>, const Dropout&); \
  template void dropout_reference_backward(Gradients<T>, Gradients<const T>, const Dropout&);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
