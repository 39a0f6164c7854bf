#include <algorithm>

#include "cuda/conv2d_tensor_core.h"
#include "cuda/gemm_tensor_core.h"
#include "cuda/kernel.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda::tensor_core {

template <class M>
Index conv2d_workspace(const Device<M>& device, const Conv2dGeometry& g) {
  return std::max(gemm::tensor_core::multiply_weights_workspace(device, g.K, g.R * g.R * g.C, g.pixels()),
                  bias_gradient_workspace(g.pixels(), g.K));
}

template <class M>
void conv2d_forward(Device<M>& device, float* y, const float* x, const float* w, const float* bias, float*,
                    const Conv2dGeometry& g, Write write, Activation activation) {
  const gemm::PixelRows<float> a{gemm::conv2d_windows(g, x, g.C, g.x_pixel(), g.R)};
  const gemm::MatrixRows<float> b = gemm::matrix_rows(w, g.K, g.R * g.R * g.C);
  const bool vectors = gemm::runs_of<4>({g.C, g.K, g.x_pixel()}, {x, w, y}, sizeof(float));
  gemm::tensor_core::multiply(device, a, b, gemm::conv2d_output(g, y, bias, g.K, g.K, write, activation), vectors);
}

template <class M>
Index conv2d_forward_statistics(Device<M>& device, float* y, float* chunk_means, float* chunk_m2, const float* x,
                                const float* w, const Conv2dGeometry& g) {
  const gemm::PixelRows<float> a{gemm::conv2d_windows(g, x, g.C, g.x_pixel(), g.R)};
  const gemm::MatrixRows<float> b = gemm::matrix_rows(w, g.K, g.R * g.R * g.C);
  const float* no_bias = nullptr;
  const bool vectors = gemm::runs_of<4>({g.C, g.K, g.x_pixel()}, {x, w, y}, sizeof(float));
  gemm::tensor_core::multiply(device, a, b, gemm::conv2d_output(g, y, no_bias, g.K, g.K, Write::set),
                              {chunk_means, chunk_m2}, vectors);
  return gemm::tensor_core::tile_rows(device, vectors);
}

template <class M>
void conv2d_backward_data(Device<M>& device, float* dx, const float* dy, const float* w, float*,
                          const Conv2dGeometry& g, Write write) {
  const gemm::PixelRows<float> a{gemm::conv2d_windows(g, dy, g.K, g.K, g.R)};
  const gemm::FlippedWeights<float> b = gemm::flipped_weights(w, g.K, g.R * g.R, g.C);
  const float* no_bias = nullptr;
  const bool vectors = gemm::runs_of<4>({g.C, g.K, g.x_pixel()}, {dx, dy, w}, sizeof(float));
  gemm::tensor_core::multiply(device, a, b, gemm::conv2d_output(g, dx, no_bias, g.C, g.x_pixel(), write), vectors);
}

template <class M>
void conv2d_backward_weights(Device<M>& device, float* dw, float* db, const float* dy, const float* x, float* workspace,
                             const Conv2dGeometry& g) {
  const gemm::TapRows<float> a{gemm::conv2d_windows(g, dy, g.K, g.K, 1)};
  const gemm::TapRows<float> b{gemm::conv2d_windows(g, x, g.C, g.x_pixel(), g.R)};
  const bool vectors = gemm::runs_of<4>({g.C, g.K, g.x_pixel()}, {dy, x, dw, workspace}, sizeof(float));
  gemm::tensor_core::multiply_weights(device, dw, a, b, workspace, g.K, g.R * g.R * g.C, vectors);
  if (db != nullptr) bias_gradient(device, db, dy, workspace, g.pixels(), g.K, g.K);
}

template Index conv2d_workspace(const ThisDevice&, const Conv2dGeometry&);
template void conv2d_forward(ThisDevice&, float*, const float*, const float*, const float*, float*,
                             const Conv2dGeometry&, Write, Activation);
template Index conv2d_forward_statistics(ThisDevice&, float*, float*, float*, const float*, const float*,
                                         const Conv2dGeometry&);
template void conv2d_backward_data(ThisDevice&, float*, const float*, const float*, float*, const Conv2dGeometry&,
                                   Write);
template void conv2d_backward_weights(ThisDevice&, float*, float*, const float*, const float*, float*,
                                      const Conv2dGeometry&);

}  // namespace attnunet::cuda::tensor_core
