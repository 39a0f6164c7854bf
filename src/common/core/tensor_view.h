// Tensors as the layers take them: where the numbers are and which shape they have, without owning them.
//
// A view is a run of pixels with C channels each. Channel c of pixel p is at data[p * stride + c]. The stride is the
// number of elements from one pixel to the next: `channels` for a dense tensor, more if the view is some channels of a
// wider tensor. The channels beside them are neither read nor written.
//
//   dense, stride = channels = 2            stride 5, channels 2: columns 3 and 4 of a tensor with 5 channels
//   p0 p0 p1 p1 p2 p2 ...                   .  .  .  p0 p0   .  .  .  p1 p1   .  .  .  p2 p2   ...
//
// Values (activations) and Gradients (derivatives of the loss by activations) have the same layout, but neither
// converts to the other: a call with x and dy swapped does not compile. A mutable view converts to a const one.
//
// Operations are templates on T and deduce it from what they write. What they only read is declared Const<Values<T>>,
// which is Values<const T> without taking part in the deduction; otherwise a mutable view would not match.
//
//   template <class T>
//   void relu_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, Const<Values<T>> y);
//
// Views are passed by value. They are plain structs that kernels take as arguments. Loops read data and stride into
// local variables first.
#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>

#include "common/core/geometry.h"

namespace attnunet {

enum class Meaning { values, gradients };

template <class T, Meaning meaning>
struct TensorView {
  using ConstView = TensorView<const T, meaning>;

  T* data;
  Index pixels, channels;
  Index stride = channels;  ///< elements from one pixel to the next

  Index size() const { return pixels * channels; }
  bool is_dense() const { return stride == channels; }
  /// The same pixels, `count` channels from `first` on.
  TensorView slice(Index first, Index count) const { return {data + first, pixels, count, stride}; }

  template <class U, class = std::enable_if_t<std::is_same<U, const T>::value && !std::is_const<T>::value>>
  operator TensorView<U, meaning>() const {
    return {data, pixels, channels, stride};
  }
};

/// A tensor of the forward pass; T or const T.
template <class T>
using Values = TensorView<T, Meaning::values>;
/// The derivative of the loss by such a tensor.
template <class T>
using Gradients = TensorView<T, Meaning::gradients>;

/// The read-only form of a view, as a parameter that T is not deduced from.
template <class View>
using Const = typename View::ConstView;

/// Views of `pixels` pixels, dense unless a stride is given. Without channels: so many numbers, one per pixel.
template <class T>
Values<T> values(T* data, Index pixels, Index channels = 1) {
  return {data, pixels, channels};
}
template <class T>
Values<T> values(T* data, Index pixels, Index channels, Index stride) {
  return {data, pixels, channels, stride};
}
template <class T>
Values<T> values(T* data, const Shape& shape) {
  return {data, shape.pixels(), shape.C};
}
template <class T>
Gradients<T> gradients(T* data, Index pixels, Index channels = 1) {
  return {data, pixels, channels};
}
template <class T>
Gradients<T> gradients(T* data, Index pixels, Index channels, Index stride) {
  return {data, pixels, channels, stride};
}
template <class T>
Gradients<T> gradients(T* data, const Shape& shape) {
  return {data, shape.pixels(), shape.C};
}

/// What an operation requires of its tensors. Throws std::logic_error otherwise: that is a mistake in the program.
template <class T, Meaning meaning>
void require_shape(const TensorView<T, meaning>& view, Index pixels, Index channels) {
  if (view.pixels == pixels && view.channels == channels && view.stride >= channels) return;
  throw std::logic_error("expected a tensor of " + std::to_string(pixels) + " pixels with " + std::to_string(channels) +
                         " channels, got " + std::to_string(view.pixels) + " with " + std::to_string(view.channels) +
                         " and stride " + std::to_string(view.stride));
}
/// The same, and that the tensor is dense.
template <class T, Meaning meaning>
void require_dense(const TensorView<T, meaning>& view, Index pixels, Index channels) {
  require_shape(view, pixels, channels);
  if (!view.is_dense())
    throw std::logic_error("expected a dense tensor of " + std::to_string(channels) + " channels, got stride " +
                           std::to_string(view.stride));
}

/// The size of dense tensors that all have the shape of the first, for operations element by element.
template <class View, class... Others>
Index size_of_same(const View& view, const Others&... others) {
  require_dense(view, view.pixels, view.channels);
  (require_dense(others, view.pixels, view.channels), ...);
  return view.size();
}

}  // namespace attnunet
