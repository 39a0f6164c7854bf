// The 3x3 convolution of conv2d.h computed directly: the sums of a few output pixels stay in registers while all of
// their 9 C products are added (add_outer_products of vector.h), so that nothing but operands is ever loaded.
//
// Method     Tiles of rows with zeros around them, as in conv2d.h: the three taps of a kernel row r are 3C consecutive
//            numbers of the tile. For `block_rows` neighbouring pixels i and a panel of output channels k,
//
//              sums[i][k] = b_k + sum over r, d < 3C of tile[row h + r, pixel w + i, d] * W_r[d][k],
//
//            three runs of the micro-kernel and one store. Weights are packed beforehand, [panel][9C][channels of the
//            panel], so that each step reads the next numbers. A panel of weights is 1152 C bytes in float32 with 64-
//            byte vectors: it stays in the L2 cache while all pixels of the tile go by.
// Data       forward with w flipped and C and K swapped, as conv2d.h derives: only the packing differs.
// Weights    dW_r[d][k] = sum over pixels of tile[.., d] dY[.., k]: the same micro-kernel with the pixels for depth.
//            Partial sums over a number of chunks that depends on the shape only, added in order (weight_gradient.h).
// Few C      nothing is special about one channel: the first layer does 9 steps instead of 9 C.
// Twin       the matrix products of conv2d.h, held against this in tests/conv2d_test.cpp.
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// For g.R = 3. Parameters as in conv2d.h.

/// Elements of T that any of the three functions needs as workspace.
Index conv2d_direct_workspace(const Device& device, const Conv2dGeometry& g);

template <class T>
void conv2d_direct_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                           T* workspace, const Conv2dGeometry& g);

template <class T>
void conv2d_direct_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                                 const Conv2dGeometry& g, Write write);

template <class T>
void conv2d_direct_backward_weights(Device& device, T* dw, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                                    const Conv2dGeometry& g);

}  // namespace attnunet::cpu
