// The 3x3 convolution of conv2d.h by Winograd's F(4x4,3x3): 36 multiplications where the definition has 144.
//
// In one dimension, F(4,3): four neighbouring outputs y_i = sum over s of g_s d_{i+s} (i < 4, s < 3) of six inputs.
//            Read g and d as coefficients of polynomials. Multiplying two of degree 2 and 3 takes six products:
//            evaluate both at six points, multiply point by point, interpolate. That bilinear algorithm, transposed,
//            gives the correlation above. With the points 0, 1, -1, 2, -2 and infinity:
//
//              y = A^T [(G g) .* (B^T d)]
//
//                    [1  1  1  1  1  0]          [ 1/4    0     0 ]           [4  0 -5  0  1  0]
//              A^T = [0  1 -1  2 -2  0]          [-1/6  -1/6  -1/6]           [0 -4 -4  1  1  0]
//                    [0  1  1  4  4  0]      G = [-1/6   1/6  -1/6]     B^T = [0  4 -4 -1  1  0]
//                    [0  1 -1  8 -8  1]          [1/24  1/12   1/6]           [0 -2 -1  2  1  0]
//                                                [1/24 -1/12   1/6]           [0  2 -1 -2  1  0]
//                                                [ 0     0      1 ]           [0  4  0 -5  0  1]
//
//            Column j of A^T holds the powers 1, t, t^2, t^3 of point t_j; row j of G the powers 1, t, t^2 divided by
//            the product of t_j - t_l over the other finite points; row j of B^T the coefficients of the product of
//            z - t_l over the finite points but t_j.
// In two     rows and columns each: Y = A^T [(G g G^T) .* (B^T d B)] A, d a 6 x 6 patch, Y 4 x 4 outputs. Over channels
//            the products add up, and A^T is linear: it comes last, once.
//
//   Forward  V = B^T d B for every tile and c;  U = G w G^T for every k and c;
//            M_{xi,tile,k} = sum over c of V_{xi,tile,c} U_{xi,c,k}, a matrix product for each of the 36 xi;
//            Y = A^T M A + b.
//   Data     forward with w flipped and C and K swapped, as conv2d.h derives.
//   Weights  dM = A dY A^T, the gradient of what A^T ( ) A does; dU_{xi,k,c} = sum over tiles of dM_{xi,tile,k}
//            V_{xi,tile,c}, again 36 matrix products; dW = G^T dU G, the gradient of what G ( ) G^T does.
//
// Cost       36 multiplications for 16 outputs: 2.25 a product instead of 9. The transforms cost about ten operations
//            an element of x and seven one of y, which K and C share out: they pay from some 16 channels on.
// Error      What is multiplied is larger than what remains: B^T adds its numbers up to tenfold, A^T weighs points by
//            up to 8 in a dimension, and the large parts cancel in y. With all numbers 1 in magnitude,
//            |A^T| (|G| |g| .* |B^T| |d|) is 16, 17, 24 and 48 for the four outputs where the direct sum has 3: in two
//            dimensions 28 to 256 times as much that roundings are relative to. They are independent and most cancel.
//            Measured in float32, rms of the error over rms of the result, C = K = 32 to 512: forward 1.1e-6 to
//            3.7e-6, data 1.3e-6 to 4.6e-6, weights 1.1e-6 to 1.6e-6; directly 2e-7 to 1.2e-6. In double: below 1e-14.
// NaN        and infinities may spread: in y and dx over the 4 x 4 numbers of a tile, in dw over the nine taps.
// Method     Blocks of tiles, whatever images they lie in. A thread transforms a block's input, then for each panel of
//            output channels does the 36 products with the micro-kernel of vector.h and transforms back, all in its
//            caches. Transforms are vectors over the channels. Tiles reach beyond an image whose sides are not
//            multiples of 4: what they read there is zero, what they would write is dropped. Weights: partial sums over
//            a number of chunks that depends on the shape only, added in order (weight_gradient.h); where chunks are
//            few, threads share out squares of dU.
// Source     Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks" (F(4x4,3x3) and its matrices);
//            Winograd 1980, "Arithmetic Complexity of Computations".
// Proof      tests/conv2d_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// For g.R = 3. Parameters as in conv2d.h.

/// Elements of T that any of the three functions needs as workspace.
Index conv2d_winograd_workspace(const Device& device, const Conv2dGeometry& g);

template <class T>
void conv2d_winograd_forward(Device& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                             T* workspace, const Conv2dGeometry& g);

template <class T>
void conv2d_winograd_backward_data(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                                   const Conv2dGeometry& g, Write write);

template <class T>
void conv2d_winograd_backward_weights(Device& device, T* dw, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                                      const Conv2dGeometry& g);

}  // namespace attnunet::cpu
