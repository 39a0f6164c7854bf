// The 1x1 convolution of conv2d.h on the micro-kernel of vector.h (pixel_product.h), pixels read and written where they
// lie.
//
// Forward    y_p = b + sum over c of x_{p,c} w_{:,c}.
// Data       dx_p = sum over k of dy_{p,k} w_{k,:}: the same with C and K swapped; only the packing differs.
// Weights    dw_{k,:} = sum over pixels of dy_{p,k} x_p, in partial sums over a number of chunks that depends on the
//            shape only, added in order (weight_gradient.h).
// Tiles      of pixels, few enough that they stay in the cache while the panels of weights go by.
// Twin       the matrix products of conv2d.h, held against this in tests/conv2d_test.cpp.
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// For g.R = 1. Parameters as in conv2d.h.

/// Elements of T that any of the three functions needs as workspace.
Index conv2d_pointwise_workspace(const Device& device, const Conv2dGeometry& g);

template <class T>
void conv2d_pointwise_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                              T* workspace, const Conv2dGeometry& g);

template <class T>
void conv2d_pointwise_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                                    const Conv2dGeometry& g, Write write);

template <class T>
void conv2d_pointwise_backward_weights(Device& device, T* dw, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                                       const Conv2dGeometry& g);

}  // namespace attnunet::cpu
