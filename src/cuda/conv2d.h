// Convolution with a 3x3 kernel padded by 1, or a 1x1 kernel, on the GPU; the math is in src/cpu/conv2d.h.
//
// Here are the plain kernels, the formulas of that header as they stand: one thread an element of the output.
//   forward   thread (pixel, k) goes over the taps r, s that lie in the image and over c; neighbouring threads have
//             neighbouring k, so they read the same x (one broadcast) and write consecutive y.
//   data      thread (pixel, c) goes over the taps and over k. Neighbouring threads read consecutive w.
//   weights   thread (chunk, k, tap, c) sums over the pixels of its chunk, image row by image row; weight_gradient.h
//             adds the chunks. Neighbouring threads read consecutive x and the same dy.
// Each sum is a chain of fma in that order, begun at the bias or at zero. The plain kernels need workspace for the
// weights alone.
// Bytes: every thread fetches its operands for itself, 2 sizeof(T) for each multiply-add, and only the caches spare the
// memory. That is why the tuned kernels stage tiles of both in shared memory.
//
// double always runs the plain kernels: the functions below choose by the type and the device's precision.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

// Tensors may have any stride. Views that do not have the geometry's shape throw std::logic_error.

/// Elements of T that any of the three functions below, plain or tuned, needs as workspace.
template <class M>
Index conv2d_workspace(const Device<M>& device, const Conv2dGeometry& g);

/// y [N,H,W,K] from x [N,H,W,C] and w [K,R,R,C].
template <class M, class T>
void conv2d_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                    T* workspace, const Conv2dGeometry& g);

/// dx [N,H,W,C] from dy [N,H,W,K] and w [K,R,R,C].
template <class M, class T>
void conv2d_backward_data(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                          const Conv2dGeometry& g, Write write);

/// dw [K,R,R,C] and db [K], which may be null, from dy [N,H,W,K] and x [N,H,W,C].
template <class M, class T>
void conv2d_backward_weights(Device<M>& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                             const Conv2dGeometry& g);

namespace plain {

template <class M>
Index conv2d_workspace(const Device<M>& device, const Conv2dGeometry& g);
template <class M, class T>
void conv2d_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const T* w, const Epilogue<T>& epilogue,
                    T* workspace, const Conv2dGeometry& g);
template <class M, class T>
void conv2d_backward_data(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w, T* workspace,
                          const Conv2dGeometry& g, Write write);
template <class M, class T>
void conv2d_backward_weights(Device<M>& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x, T* workspace,
                             const Conv2dGeometry& g);

}  // namespace plain
}  // namespace attnunet::cuda
