// Transposed convolution with a 2x2 kernel and stride 2: doubles the height and the width.
//
// Shapes     x [N,H,W,C], w [2,2,K,C] (row i, column j of the kernel), b [K], y [N,2H,2W,K].
// Forward    Every input pixel makes a 2 x 2 block of output pixels, and as the stride equals the kernel's size the
//            blocks do not overlap: with i, j = 0, 1
//              y_{n,2h+i,2w+j,k} = b_k + sum over c of w_{ijkc} x_{nhwc}.
// Saved      x.
//
// Backward   y is linear in each of x, w and b, so each derivative is the factor beside it. With L the loss:
//   bias     db_k = sum over n, h', w' of dy_{nh'w'k}, over all pixels h', w' of the output.
//   weights  dw_{ijkc} = sum over n, h, w of dy_{n,2h+i,2w+j,k} x_{nhwc}.
//   data     x_{nhwc} enters the four pixels of its block, for each k with the factor w_{ijkc}:
//              dx_{nhwc} = sum over i, j, k of w_{ijkc} dy_{n,2h+i,2w+j,k}.
//            (A convolution of dy with stride 2; hence "transposed": the forward is that convolution's backward-data.)
//
// Method     For a place (i, j) of the kernel, the pixels 2w + j of output row 2h + i lie 2K numbers apart, and
//              forward  row(2h + i, j) = W_ij X  with X the C x W matrix of input row h,
//              data     dX = sum over i, j of W_ij^T dY_ij: the four products add up in registers,
//              weights  dW_ij = sum over rows of dY_ij X^T:
//            1x1 convolutions whose pixels are further apart, on the micro-kernel (pixel_product.h). No scatter: each
//            output is written once, where it belongs. Partial sums of dW are over a number of chunks that depends on
//            the shape only, added in order (weight_gradient.h).
//
// Sources    Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", chapter 4;
//            Zeiler et al. 2010, "Deconvolutional Networks".
// Loops      conv_transpose2d_reference.cpp: these formulas as plain loops. Read it first.
// Proof      tests/conv_transpose2d_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// Tensors may have any stride. Views that do not have the geometry's shape throw std::logic_error.

/// Elements of T that any of the three functions below needs as workspace.
Index conv_transpose2d_workspace(const Device& device, const ConvTranspose2dGeometry& g);

/// y [N,2H,2W,K] from x [N,H,W,C], w [2,2,K,C] and bias [K], which may be null.
template <class T>
void conv_transpose2d_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const T* bias, T* workspace,
                              const ConvTranspose2dGeometry& g);

/// dx [N,H,W,C] from dy [N,2H,2W,K] and w [2,2,K,C].
template <class T>
void conv_transpose2d_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                                    const ConvTranspose2dGeometry& g, Write write);

/// dw [2,2,K,C] and db [K], which may be null, from dy [N,2H,2W,K] and x [N,H,W,C].
template <class T>
void conv_transpose2d_backward_weights(Device& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                       T* workspace, const ConvTranspose2dGeometry& g);

}  // namespace attnunet::cpu
