// Dropout as dropout.h defines it, one element at a time: the loops to read first, the ones that the tests hold the
// faster method against, and what --conv reference runs.
#pragma once

#include "common/core/dropout_key.h"
#include "common/core/tensor_view.h"

namespace attnunet::cpu {

/// m_i: 1 / (1 - rate) if element i is kept, 0 if it is dropped.
float dropout_reference_mask(Index i, const Dropout& dropout);

// Parameters as in dropout.h.

template <class T>
void dropout_reference_forward(Values<T> y, Const<Values<T>> x, const Dropout& dropout);

template <class T>
void dropout_reference_backward(Gradients<T> dx, Const<Gradients<T>> dy, const Dropout& dropout);

}  // namespace attnunet::cpu
