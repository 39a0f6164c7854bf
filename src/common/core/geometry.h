// The words every layer shares: dimension names, shapes, and how a gradient is written.
//
// Activations are NHWC: element (n, h, w, c) of a tensor lies at ((n*H + h)*W + w)*C + c, so a pixel is C
// consecutive numbers. Dimension names, everywhere:
//   N images in the batch    H, W height and width    C channels in    K channels out    R, S kernel height and width
#pragma once

#include <cstdint>

namespace attnunet {

using Index = std::int64_t;

struct Shape {
  Index N = 0, H = 0, W = 0, C = 0;

  Index pixels() const { return N * H * W; }
  Index size() const { return N * H * W * C; }
  bool operator==(const Shape& other) const { return N == other.N && H == other.H && W == other.W && C == other.C; }
};

/// What a function does to the tensor it produces. Where a function has no such parameter it sets.
enum class Write {
  set,  ///< overwrite: earlier contents, even NaN, must not matter
  add   ///< add to the contents: the tensor feeds several consumers and each adds its share
};

/// What a convolution makes of its sums before they are written: nothing, or max(sum, 0) as relu_forward has it.
enum class Activation { none, relu };

/// All that a convolution does besides summing, on the way to y: it adds the bias, adds y's contents if asked to, and
/// applies the activation.
template <class T>
struct Epilogue {
  const T* bias = nullptr;  ///< [K]; may be null
  Write write = Write::set;
  Activation activation = Activation::none;
};

/// Convolution with an R x R kernel (R is 1 or 3), stride 1, padding (R - 1) / 2: x [N,H,W,C] -> y [N,H,W,K].
/// Weights are [K,R,R,C], C fastest.
struct Conv2dGeometry {
  Index N = 0, H = 0, W = 0, C = 0, K = 0, R = 0;

  Index pixels() const { return N * H * W; }
  Index weights() const { return K * R * R * C; }
  /// From dy to dx: backward-data is a convolution in the other direction.
  Conv2dGeometry swapped() const { return {N, H, W, K, C, R}; }
};

/// Transposed convolution with a 2 x 2 kernel and stride 2: x [N,H,W,C] -> y [N,2H,2W,K].
/// Weights are [2,2,K,C] (row r, column s of the kernel), C fastest.
struct ConvTranspose2dGeometry {
  Index N = 0, H = 0, W = 0, C = 0, K = 0;

  Index input_pixels() const { return N * H * W; }
  Index output_pixels() const { return 4 * N * H * W; }
  Index weights() const { return 4 * K * C; }
};

}  // namespace attnunet
