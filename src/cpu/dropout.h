// Inverted dropout (Srivastava et al. 2014; scaled in training, so that inference needs nothing).
//
// Forward    y_i = x_i m_i,   m_i = 1 / (1 - rate) where element i is kept, 0 where it is dropped. E[y] = x.
// Saved      nothing: m is a pure function of (i, layer, step, seed), see common/core/dropout_key.h, and is drawn
//            again.
// Backward   dx_i = dy_i m_i. Both passes are the same function; they have two names because they mean two things.
// NaN        a dropped element is multiplied by 0: NaN if it is NaN or infinite, as in PyTorch.
// Loops      dropout_reference.cpp: these formulas as plain loops. Read it first.
// Proof      tests/dropout_test.cpp
#pragma once

#include "common/core/dropout_key.h"
#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// Tensors are dense and whole activations, from their first element on: the mask counts elements.

/// y may be x.
template <class T>
void dropout_forward(Device& device, Values<T> y, Const<Values<T>> x, const Dropout& dropout);

/// dx may be dy.
template <class T>
void dropout_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const Dropout& dropout);

/// Elements begin .. end - 1 of dropout_forward on the calling thread, for operations that contain dropout. begin is a
/// multiple of 4, the elements that one draw decides on.
template <class T>
void dropout_elements(T* y, const T* x, const Dropout& dropout, Index begin, Index end);

}  // namespace attnunet::cpu
