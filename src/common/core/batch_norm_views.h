// The small tensors of batch norm, one number per channel, grouped by what they mean. Symbols as in cpu/batch_norm.h.
#pragma once

#include "common/core/tensor_view.h"

namespace attnunet {

/// mean and inv_std of a batch: computed by forward, kept for backward.
template <class T>
struct BatchStatistics {
  using ConstView = BatchStatistics<const T>;
  T *mean, *inv_std;

  template <class U, class = std::enable_if_t<std::is_same<U, const T>::value && !std::is_const<T>::value>>
  operator BatchStatistics<U>() const {
    return {mean, inv_std};
  }
};

/// Running averages over the batches: updated by training, used by inference.
template <class T>
struct RunningStatistics {
  using ConstView = RunningStatistics<const T>;
  T *mean, *var;

  template <class U, class = std::enable_if_t<std::is_same<U, const T>::value && !std::is_const<T>::value>>
  operator RunningStatistics<U>() const {
    return {mean, var};
  }
};

/// The learned parameters. Their gradients have the same form: parameters are read-only wherever gradients are written.
template <class T>
struct BatchNormParameters {
  using ConstView = BatchNormParameters<const T>;
  T *gamma, *beta;

  template <class U, class = std::enable_if_t<std::is_same<U, const T>::value && !std::is_const<T>::value>>
  operator BatchNormParameters<U>() const {
    return {gamma, beta};
  }
};

/// What the backward pass needs of the forward pass: its input x, the statistics of x, and the parameters.
template <class T>
struct BatchNormSaved {
  Values<const T> x;
  BatchStatistics<const T> statistics;
  BatchNormParameters<const T> parameters;
};

}  // namespace attnunet
