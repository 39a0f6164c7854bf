// Convolution with a 3x3 kernel padded by 1, or a 1x1 kernel; stride 1.
//
// Shapes     x [N,H,W,C], w [K,R,R,C], b [K], y [N,H,W,K]; R is 1 or 3, the padding q = (R - 1) / 2.
// Forward    y_{nhwk} = b_k + sum over r, s, c of w_{krsc} x_{n, h+r-q, w+s-q, c},
//            where x is 0 outside of the image. (A cross-correlation, as in every deep-learning library.)
// Saved      x.
//
// Backward   y is linear in each of x, w and b, so each derivative is the factor beside it. With L the loss:
//   bias     dy_{nhwk}/db_k = 1, hence               db_k = sum over n, h, w of dy_{nhwk}.
//   weights  dy_{nhwk}/dw_{krsc} = x_{n,h+r-q,w+s-q,c}, hence
//                                                    dw_{krsc} = sum over n, h, w of dy_{nhwk} x_{n,h+r-q,w+s-q,c}.
//   data     x_{nijc} enters y_{nhwk} with the factor w_{krsc} where h + r - q = i and w + s - q = j. So
//              dx_{nijc} = sum over k, r, s of w_{krsc} dy_{n, i-r+q, j-s+q, k}.
//            Number the kernel from its other end, r' = 2q - r and s' = 2q - s:  i - r + q = i + r' - q, and
//              dx_{nijc} = sum over r', s', k of w'_{c r' s' k} dy_{n, i+r'-q, j+s'-q, k},
//              w'_{c r' s' k} = w_{k, 2q-r', 2q-s', c}:
//            the forward formula with x -> dy, C <-> K, and the kernel flipped in both directions. It needs no code
//            of its own but the flip.
//
// NaN        The zeros of the padding take part in y and dw, so an infinite or NaN w_{krsc} or dy_{nhwk} gives NaN if
//            it meets them; dx has no such products. So it is in PyTorch's im2col. (Its oneDNN skips them everywhere.)
//
// Inference  adds to y, and takes max(., 0) of what it writes, in the same pass over y: see Epilogue.
//
// Loops      conv2d_reference.cpp: these formulas as plain loops. Read it first.
//
// Methods    Three faster ones, and conv2d_method says which: matrix products, described here; the same sums kept in
//            registers, conv2d_direct.h and conv2d_pointwise.h (1x1); and with a quarter of the multiplications,
//            conv2d_winograd.h (3x3). On the command line --conv chooses; bench --ladder compares them.
//
// Products   As column-major matrices, x is C x (pixels) and the 1x1 convolution is one product, Y = W^T X.
//            For 3x3, copy some rows of an image into a tile with zero pixels around them. Pixels are C consecutive
//            numbers, so three horizontal neighbours are 3C consecutive numbers, and the matrix of all such triples
//            is there already: 3C rows, one column per pixel, columns C apart, each overlapping the next:
//
//              tile row    0 | p0 | p1 | p2 | ...            column 0 = [0  p0 p1]
//                                                            column 1 = [p0 p1 p2]  ...
//
//            With X_r this view of the tile moved down by r rows (r = 0, 1, 2) and W_r the 3C x K matrix of kernel
//            row r, the tile's output is  Y = W_0^T X_0 + W_1^T X_1 + W_2^T X_2, three matrix products and no im2col.
//            The weights' gradient is  dW_r = sum over tiles of X_r dY^T.
//            Rows of the tile are W + 1 pixels apart: the zero pixel after a row is also the one before the next, so
//            the view runs on across row ends and several rows make one large product. The column between two rows
//            is nobody's output; it is dropped (forward) or meets a zero of dY (weights).
//            With few channels (the first layer has one) triples are too short for a product: there the tile holds
//            whole 3 x 3 patches, 9C numbers a pixel (im2col of a tile), and one product does it.
//
// Sources    Chetlur et al. 2014, "cuDNN: Efficient Primitives for Deep Learning" (lowering a tile at a time);
//            Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning" (the transposed form).
// Proof      tests/conv2d_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// Tensors may have any stride. Views that do not have the geometry's shape throw std::logic_error.

/// What the device asks for (Device::conv); left to choose, Winograd's algorithm where there are 16 channels or more in
/// and out, which its transforms need to pay; products where fewer than 4 come out, which leave the micro-kernel's
/// vectors nearly empty; else direct. backward_data asks with C and K swapped. For a 1x1 kernel winograd means direct.
ConvMethod conv2d_method(const Device& device, const Conv2dGeometry& g);

/// Elements of T that any of the three functions below needs as workspace.
Index conv2d_workspace(const Device& device, const Conv2dGeometry& g);

/// y [N,H,W,K] from x [N,H,W,C] and w [K,R,R,C]. (backward is that of an epilogue that sets y and does not activate.)
template <class T>
void conv2d_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                    T* workspace, const Conv2dGeometry& g);

/// dx [N,H,W,C] from dy [N,H,W,K] and w [K,R,R,C].
template <class T>
void conv2d_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                          const Conv2dGeometry& g, Write write);

/// dw [K,R,R,C] and db [K], which may be null, from dy [N,H,W,K] and x [N,H,W,C].
template <class T>
void conv2d_backward_weights(Device& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                             const Conv2dGeometry& g);

}  // namespace attnunet::cpu
