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
// Method     The two pixels 2w and 2w + 1 of output row 2h + i lie side by side, 2K consecutive numbers, and so do the
//            weights that make them. As column-major matrices, with X the C x W matrix of input row h and W_i the
//            C x 2K matrix of kernel row i, output row 2h + i is the 2K x W matrix
//              Y_i = W_i^T X,   and   dX = W_0 dY_0 + W_1 dY_1,   dW_i = sum over tiles of X dY_i^T.
//            No scatter: an output row is one product. Several rows are taken together in a tile, where rows 2h + i of
//            successive h lie one after the other.
//
// Sources    Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", chapter 4;
//            Zeiler et al. 2010, "Deconvolutional Networks".
// Proof      tests/conv_transpose2d_test.cpp
#pragma once

#include "cpu/device.h"

namespace attnunet::cpu {

// The pixels of y and dy are g.y_pixel() elements apart (ConvTranspose2dGeometry::y_stride): they may be channels of a
// tensor with others beside them, which stay as they are.

/// Elements of T that any of the three functions below needs as workspace.
Index conv_transpose2d_workspace(const Device& device, const ConvTranspose2dGeometry& g);

/// y [N,2H,2W,K] from x [N,H,W,C], w [2,2,K,C] and bias [K], which may be null.
template <class T>
void conv_transpose2d_forward(Device& device, T* y, const T* x, const T* w, const T* bias, T* workspace,
                              const ConvTranspose2dGeometry& g);

/// dx [N,H,W,C] from dy [N,2H,2W,K] and w [2,2,K,C].
template <class T>
void conv_transpose2d_backward_data(Device& device, T* dx, const T* dy, const T* w, T* workspace,
                                    const ConvTranspose2dGeometry& g, Write write);

/// dw [2,2,K,C] and db [K], which may be null, from dy [N,2H,2W,K] and x [N,H,W,C].
template <class T>
void conv_transpose2d_backward_weights(Device& device, T* dw, T* db, const T* dy, const T* x, T* workspace,
                                       const ConvTranspose2dGeometry& g);

}  // namespace attnunet::cpu
