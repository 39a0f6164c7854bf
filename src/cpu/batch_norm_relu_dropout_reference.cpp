#include "cpu/batch_norm_relu_dropout_reference.h"

#include "cpu/batch_norm_reference.h"
#include "cpu/dropout_reference.h"

namespace attnunet::cpu {
namespace {

// gamma (x - mean) inv_std + beta
template <class T>
double z_of(T x, Index c, const BatchStatistics<const T>& batch, const BatchNormParameters<const T>& parameters) {
  return parameters.gamma[c] * ((double{x} - batch.mean[c]) * batch.inv_std[c]) + parameters.beta[c];
}

}  // namespace

// z = gamma (x - mean) inv_std + beta,   h = max(z, 0),   y_i = h_i m_i
template <class T>
void batch_norm_relu_dropout_reference_forward(Values<T> y, Const<Values<T>> x, Const<BatchStatistics<T>> batch,
                                               Const<BatchNormParameters<T>> parameters, const Dropout& dropout) {
  const Index C = x.channels;
  for (Index i = 0; i < x.size(); ++i) {
    const double z = z_of(x.data[i], i % C, batch, parameters);
    const double h = z <= 0 ? 0 : z;  // NaN stays NaN
    y.data[i] = static_cast<T>(h * dropout_reference_mask(i, dropout));
  }
}

// g_i = 0 where y_i <= 0, else s dy_i; from g on it is batch norm's backward. dx holds g on the way.
template <class T>
void batch_norm_relu_dropout_reference_backward(Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                                Const<Gradients<T>> dy, Const<Values<T>> y,
                                                const BatchNormSaved<T>& saved, double rate) {
  const T s = static_cast<T>(dropout_scale(rate));
  for (Index i = 0; i < dy.size(); ++i) {
    const T m = y.data[i] <= 0 ? T(0) : s;  // 0 times dy_i, for it may be NaN ...
    const bool clipped =
        y.data[i] <= 0 && z_of(saved.x.data[i], i % dy.channels, saved.statistics, saved.parameters) <= 0;
    dx.data[i] = clipped ? T(0) : m * dy.data[i];  // ... but not where ReLU stopped it
  }
  batch_norm_reference_backward(dx, d_parameters, dx, saved);
}

#define ATTNUNET_INSTANTIATE(T)                                                                                      \
  template void batch_norm_relu_dropout_reference_forward(Values<T>, Values<const T>, BatchStatistics<const T>,      \
                                                          BatchNormParameters<const T>, const Dropout&);             \
  template void batch_norm_relu_dropout_reference_backward(Gradients<T>, BatchNormParameters<T>, Gradients<const T>, \
                                                           Values<const T>, const BatchNormSaved<T>&, double);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
