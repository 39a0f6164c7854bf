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
void conv2d_forward(Device<M>& device, Values<float> y, Values<const float> x, const float* w,
                    const Epilogue<float>& epilogue, float*, const Conv2dGeometry& g) {
  const gemm::PixelRows<float> a{gemm::conv2d_windows(g, x, g.R)};
  const gemm::MatrixRows<float> b = gemm::matrix_rows(w, g.K, g.R * g.R * g.C);
  const bool vectors = gemm::runs_of<4>({g.C, g.K, x.stride, y.stride}, {x.data, w, y.data}, sizeof(float));
  gemm::tensor_core::multiply(device, a, b, gemm::conv2d_output(g, y, epilogue), vectors);
}

template <class M>
Index conv2d_forward_statistics(Device<M>& device, Values<float> y, float* chunk_means, float* chunk_m2,
                                Values<const float> x, const float* w, const Conv2dGeometry& g) {
  const gemm::PixelRows<float> a{gemm::conv2d_windows(g, x, g.R)};
  const gemm::MatrixRows<float> b = gemm::matrix_rows(w, g.K, g.R * g.R * g.C);
  const bool vectors = gemm::runs_of<4>({g.C, g.K, x.stride, y.stride}, {x.data, w, y.data}, sizeof(float));
  gemm::tensor_core::multiply(device, a, b, gemm::conv2d_output(g, y, {}), {chunk_means, chunk_m2}, vectors);
  return gemm::tensor_core::tile_rows(device, vectors);
}

template <class M>
void conv2d_backward_data(Device<M>& device, Gradients<float> dx, Gradients<const float> dy, const float* w, float*,
                          const Conv2dGeometry& g, Write write) {
  const gemm::PixelRows<float> a{gemm::conv2d_windows(g, dy, g.R)};
  const gemm::FlippedWeights<float> b = gemm::flipped_weights(w, g.K, g.R * g.R, g.C);
  const bool vectors = gemm::runs_of<4>({g.C, g.K, dx.stride, dy.stride}, {dx.data, dy.data, w}, sizeof(float));
  gemm::tensor_core::multiply(device, a, b, gemm::conv2d_output(g, dx, {nullptr, write}), vectors);
}

template <class M>
void conv2d_backward_weights(Device<M>& device, float* dw, float* db, Gradients<const float> dy, Values<const float> x,
                             float* workspace, const Conv2dGeometry& g) {
  const gemm::TapRows<float> a{gemm::conv2d_windows(g, dy, 1)};
  const gemm::TapRows<float> b{gemm::conv2d_windows(g, x, g.R)};
  const bool vectors =
      gemm::runs_of<4>({g.C, g.K, x.stride, dy.stride}, {dy.data, x.data, dw, workspace}, sizeof(float));
  gemm::tensor_core::multiply_weights(device, dw, a, b, workspace, g.K, g.R * g.R * g.C, vectors);
  if (db != nullptr) bias_gradient(device, db, dy, workspace);
}

template Index conv2d_workspace(const ThisDevice&, const Conv2dGeometry&);
template void conv2d_forward(ThisDevice&, Values<float>, Values<const float>, const float*, const Epilogue<float>&,
                             float*, const Conv2dGeometry&);
template Index conv2d_forward_statistics(ThisDevice&, Values<float>, float*, float*, Values<const float>, const float*,
                                         const Conv2dGeometry&);
template void conv2d_backward_data(ThisDevice&, Gradients<float>, Gradients<const float>, const float*, float*,
                                   const Conv2dGeometry&, Write);
template void conv2d_backward_weights(ThisDevice&, float*, float*, Gradients<const float>, Values<const float>, float*,
                                      const Conv2dGeometry&);

}  // namespace attnunet::cuda::tensor_core
