// Elementwise sum: y = a + b. The gate adds its two projections with it (Oktay et al. 2018, eq. 1).
//
// Forward    y_i = a_i + b_i.
// Backward   dL/da_i = dL/dy_i * dy_i/da_i = dy_i, and dL/db_i = dy_i likewise: both inputs' gradient is dy itself, so
//            there is nothing to compute; the caller hands dy on to both.
// Proof      tests/add_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// All tensors have the same shape and are dense. y may be a or b.
template <class T>
void add_forward(Device& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b);

}  // namespace attnunet::cpu
