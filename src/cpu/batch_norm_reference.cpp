#include "cpu/batch_norm_reference.h"

#include <cmath>

#include "common/core/batch_norm_constants.h"

namespace attnunet::cpu {

// mean = (1/n) sum x_i,   var = (1/n) sum (x_i - mean)^2,   inv_std = (var + eps)^(-1/2), and the running averages
template <class T>
void batch_norm_reference_statistics(BatchStatistics<T> batch, RunningStatistics<T> running, Const<Values<T>> x) {
  const Index C = x.channels;
  const double n = static_cast<double>(x.pixels), newest = batch_norm_momentum;
  for (Index c = 0; c < C; ++c) {
    double sum = 0, squares = 0;
    for (Index i = 0; i < x.pixels; ++i) sum += x.data[i * C + c];
    const double mean = sum / n;
    for (Index i = 0; i < x.pixels; ++i) squares += (x.data[i * C + c] - mean) * (x.data[i * C + c] - mean);
    const double var = squares / n, unbiased = n > 1 ? squares / (n - 1) : var;
    batch.mean[c] = static_cast<T>(mean);
    batch.inv_std[c] = static_cast<T>(1 / std::sqrt(var + batch_norm_eps));
    running.mean[c] = static_cast<T>((1 - newest) * running.mean[c] + newest * mean);
    running.var[c] = static_cast<T>((1 - newest) * running.var[c] + newest * unbiased);
  }
}

// xhat_i = (x_i - mean) inv_std,   y_i = gamma xhat_i + beta
template <class T>
void batch_norm_reference_forward(Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                                  Const<Values<T>> x, Const<BatchNormParameters<T>> parameters) {
  batch_norm_reference_statistics(batch, running, x);
  const Index C = x.channels;
  for (Index i = 0; i < x.pixels; ++i)
    for (Index c = 0; c < C; ++c) {
      const double xhat = (double{x.data[i * C + c]} - batch.mean[c]) * batch.inv_std[c];
      y.data[i * C + c] = static_cast<T>(parameters.gamma[c] * xhat + parameters.beta[c]);
    }
}

// dbeta = sum g_i,   dgamma = sum g_i xhat_i,   dx_i = gamma inv_std (g_i - dbeta / n - xhat_i dgamma / n),   g = dy
template <class T>
void batch_norm_reference_backward(Gradients<T> dx, BatchNormParameters<T> d_parameters, Const<Gradients<T>> dy,
                                   const BatchNormSaved<T>& saved) {
  const Index pixels = dy.pixels, C = dy.channels;
  const double n = static_cast<double>(pixels);
  for (Index c = 0; c < C; ++c) {
    const double mean = saved.statistics.mean[c], inv_std = saved.statistics.inv_std[c];
    const auto g = [&](Index i) { return double{dy.data[i * C + c]}; };
    const auto xhat = [&](Index i) { return (saved.x.data[i * C + c] - mean) * inv_std; };
    double dbeta = 0, dgamma = 0;
    for (Index i = 0; i < pixels; ++i) dbeta += g(i);
    for (Index i = 0; i < pixels; ++i) dgamma += g(i) * xhat(i);
    for (Index i = 0; i < pixels; ++i)
      dx.data[i * C + c] =
          static_cast<T>(saved.parameters.gamma[c] * inv_std * (g(i) - dbeta / n - xhat(i) * dgamma / n));
    d_parameters.beta[c] = static_cast<T>(dbeta);
    d_parameters.gamma[c] = static_cast<T>(dgamma);
  }
}

// The running statistics take the place of the batch's.
template <class T>
void batch_norm_reference_inference_forward(Values<T> y, Const<Values<T>> x, Const<BatchNormParameters<T>> parameters,
                                            Const<RunningStatistics<T>> running) {
  const Index C = x.channels;
  for (Index i = 0; i < x.pixels; ++i)
    for (Index c = 0; c < C; ++c) {
      const double inv_std = 1 / std::sqrt(running.var[c] + batch_norm_eps);
      const double xhat = (double{x.data[i * C + c]} - running.mean[c]) * inv_std;
      y.data[i * C + c] = static_cast<T>(parameters.gamma[c] * xhat + parameters.beta[c]);
    }
}

// They are constants: x_i affects the loss through xhat_i alone, dx_i = gamma inv_std g_i.
template <class T>
void batch_norm_reference_inference_backward(Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                             Const<Gradients<T>> dy, Const<Values<T>> x,
                                             Const<BatchNormParameters<T>> parameters,
                                             Const<RunningStatistics<T>> running) {
  const Index C = x.channels;
  for (Index c = 0; c < C; ++c) {
    const double mean = running.mean[c], inv_std = 1 / std::sqrt(running.var[c] + batch_norm_eps);
    double dbeta = 0, dgamma = 0;
    for (Index i = 0; i < x.pixels; ++i) {
      const double g = dy.data[i * C + c], xhat = (x.data[i * C + c] - mean) * inv_std;
      dbeta += g;
      dgamma += g * xhat;
      dx.data[i * C + c] = static_cast<T>(parameters.gamma[c] * inv_std * g);
    }
    d_parameters.beta[c] = static_cast<T>(dbeta);
    d_parameters.gamma[c] = static_cast<T>(dgamma);
  }
}

#define ATTNUNET_INSTANTIATE(T)                                                                                    \
  template void batch_norm_reference_statistics(BatchStatistics<T>, RunningStatistics<T>, Values<const T>);        \
  template void batch_norm_reference_forward(Values<T>, BatchStatistics<T>, RunningStatistics<T>, Values<const T>, \
                                             BatchNormParameters<const T>);                                        \
  template void batch_norm_reference_backward(Gradients<T>, BatchNormParameters<T>, Gradients<const T>,            \
                                              const BatchNormSaved<T>&);                                           \
  template void batch_norm_reference_inference_forward(Values<T>, Values<const T>, BatchNormParameters<const T>,   \
                                                       RunningStatistics<const T>);                                \
  template void batch_norm_reference_inference_backward(Gradients<T>, BatchNormParameters<T>, Gradients<const T>,  \
                                                        Values<const T>, BatchNormParameters<const T>,             \
                                                        RunningStatistics<const T>);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
