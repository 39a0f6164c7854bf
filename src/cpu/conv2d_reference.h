// The convolution of conv2d.h as plain loops, one for each index of its formulas: the method to read first, the one
// that the tests hold the faster ones against, and what --conv reference runs.
//
// Sums are kept in double and rounded once, in the order of the loops, on one thread: the bits depend on nothing else.
#pragma once

#include "common/core/tensor_view.h"

namespace attnunet::cpu {

// Parameters as in conv2d.h; `weights` is its w.

template <class T>
void conv2d_reference_forward(Values<T> y, Const<Values<T>> x, const T* weights, const Epilogue<T>& epilogue,
                              const Conv2dGeometry& g);

template <class T>
void conv2d_reference_backward_data(Gradients<T> dx, Const<Gradients<T>> dy, const T* weights, const Conv2dGeometry& g,
                                    Write write);

template <class T>
void conv2d_reference_backward_weights(T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                       const Conv2dGeometry& g);

}  // namespace attnunet::cpu
