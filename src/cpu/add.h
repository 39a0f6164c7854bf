// Elementwise sum: y = a + b. The gate adds its two projections with it (Oktay et al. 2018, eq. 1).
//
// Forward    y_i = a_i + b_i.
// Backward   dL/da_i = dL/dy_i * dy_i/da_i = dy_i, and dL/db_i = dy_i likewise: both inputs' gradient is dy itself, so
//            there is nothing to compute; the caller hands dy on to both.
// Proof      tests/add_test.cpp
#pragma once

#include "cpu/device.h"

namespace attnunet::cpu {

/// y, a, b: n values. y may be a or b.
template <class T>
void add_forward(Device& device, T* y, const T* a, const T* b, Index n);

}  // namespace attnunet::cpu
