// The transposed convolution of conv_transpose2d.h as plain loops, one for each index of its formulas: the method to
// read first, the one that the tests hold the faster one against, and what --conv reference runs.
//
// Sums are kept in double and rounded once, in the order of the loops, on one thread.
#pragma once

#include "common/core/tensor_view.h"

namespace attnunet::cpu {

// Parameters as in conv_transpose2d.h; `weights` is its w.

template <class T>
void conv_transpose2d_reference_forward(Values<T> y, Const<Values<T>> x, const T* weights, const T* bias,
                                        const ConvTranspose2dGeometry& g);

template <class T>
void conv_transpose2d_reference_backward_data(Gradients<T> dx, Const<Gradients<T>> dy, const T* weights,
                                              const ConvTranspose2dGeometry& g, Write write);

template <class T>
void conv_transpose2d_reference_backward_weights(T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                                 const ConvTranspose2dGeometry& g);

}  // namespace attnunet::cpu
