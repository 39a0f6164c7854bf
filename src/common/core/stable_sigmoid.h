// The logistic function and its integral without overflow, shared by sigmoid and the losses on every backend.
#pragma once

#include <cmath>

#include "common/core/philox.h"  // ATTNUNET_HOST_DEVICE

namespace attnunet {

/// 1 / (1 + e^-z). For z < 0 written e^z / (1 + e^z), so that the exponent is never positive.
template <class T>
ATTNUNET_HOST_DEVICE inline T stable_sigmoid(T z) {
  const T e = std::exp(-std::abs(z));
  return (z >= T(0) ? T(1) : e) / (T(1) + e);
}

/// log(1 + e^z) = max(z, 0) + log1p(e^-|z|). Its derivative is the logistic function; log sigmoid(z) = -softplus(-z).
template <class T>
ATTNUNET_HOST_DEVICE inline T softplus(T z) {
  return (z > T(0) ? z : T(0)) + std::log1p(std::exp(-std::abs(z)));
}

}  // namespace attnunet
