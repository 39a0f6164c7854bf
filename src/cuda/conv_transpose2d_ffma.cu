#include <algorithm>

#include "cuda/conv_transpose2d_ffma.h"
#include "cuda/gemm_ffma.h"
#include "cuda/kernel.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda::ffma {

template <class M>
Index conv_transpose2d_workspace(const Device<M>& device, const ConvTranspose2dGeometry& g) {
  return std::max(gemm::multiply_weights_workspace(device, 4 * g.K, g.C, g.input_pixels()),
                  bias_gradient_workspace(4 * g.input_pixels(), g.K));
}

template <class M>
void conv_transpose2d_forward(Device<M>& device, Values<float> y, Values<const float> x, const float* w,
                              const float* bias, float*, const ConvTranspose2dGeometry& g) {
  const gemm::PixelRows<float> a{gemm::conv_transpose2d_pixels(g, x)};
  const gemm::MatrixRows<float> b = gemm::matrix_rows(w, 4 * g.K, g.C);
  const bool vectors = gemm::runs_of<4>({g.C, g.K, x.stride, y.stride}, {x.data, w, y.data}, sizeof(float));
  gemm::multiply(device, a, b, gemm::conv_transpose2d_output(g, y, bias), vectors);
}

template <class M>
void conv_transpose2d_backward_data(Device<M>& device, Gradients<float> dx, Gradients<const float> dy, const float* w,
                                    float*, const ConvTranspose2dGeometry& g, Write write) {
  const gemm::PixelRows<float> a{gemm::conv_transpose2d_blocks(g, dy)};
  const gemm::FlippedWeights<float> b = gemm::flipped_weights(w, 4 * g.K, 1, g.C);
  const bool vectors = gemm::runs_of<4>({g.C, g.K, dx.stride, dy.stride}, {dx.data, dy.data, w}, sizeof(float));
  gemm::multiply(device, a, b, gemm::conv_transpose2d_gradient(g, dx, write == Write::add), vectors);
}

template <class M>
void conv_transpose2d_backward_weights(Device<M>& device, float* dw, float* db, Gradients<const float> dy,
                                       Values<const float> x, float* workspace, const ConvTranspose2dGeometry& g) {
  const gemm::TapRows<float> a{gemm::conv_transpose2d_blocks(g, dy)};
  const gemm::TapRows<float> b{gemm::conv_transpose2d_pixels(g, x)};
  const bool vectors =
      gemm::runs_of<4>({g.C, g.K, x.stride, dy.stride}, {dw, dy.data, x.data, workspace}, sizeof(float));
  gemm::multiply_weights(device, dw, a, b, workspace, 4 * g.K, g.C, vectors);
  if (db != nullptr) bias_gradient(device, db, dy, workspace);
}

template Index conv_transpose2d_workspace(const ThisDevice&, const ConvTranspose2dGeometry&);
template void conv_transpose2d_forward(ThisDevice&, Values<float>, Values<const float>, const float*, const float*,
                                       float*, const ConvTranspose2dGeometry&);
template void conv_transpose2d_backward_data(ThisDevice&, Gradients<float>, Gradients<const float>, const float*,
                                             float*, const ConvTranspose2dGeometry&, Write);
template void conv_transpose2d_backward_weights(ThisDevice&, float*, float*, Gradients<const float>,
                                                Values<const float>, float*, const ConvTranspose2dGeometry&);

}  // namespace attnunet::cuda::ffma
