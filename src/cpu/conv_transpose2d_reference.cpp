#include "cpu/conv_transpose2d_reference.h"

namespace attnunet::cpu {

// y_{n, 2h+i, 2w+j, k} = b_k + sum over c of w_{ijkc} x_{nhwc}
template <class T>
void conv_transpose2d_reference_forward(Values<T> y, Const<Values<T>> x, const T* weights, const T* bias,
                                        const ConvTranspose2dGeometry& g) {
  const Index H = g.H, W = g.W, C = g.C, K = g.K;
  for (Index n = 0; n < g.N; ++n)
    for (Index h = 0; h < H; ++h)
      for (Index w = 0; w < W; ++w)
        for (Index i = 0; i < 2; ++i)
          for (Index j = 0; j < 2; ++j)
            for (Index k = 0; k < K; ++k) {
              double sum = bias != nullptr ? bias[k] : 0;
              for (Index c = 0; c < C; ++c)
                sum += double{weights[((i * 2 + j) * K + k) * C + c]} * x.data[((n * H + h) * W + w) * x.stride + c];
              y.data[((n * 2 * H + 2 * h + i) * 2 * W + 2 * w + j) * y.stride + k] = static_cast<T>(sum);
            }
}

// dx_{nhwc} = sum over i, j, k of w_{ijkc} dy_{n, 2h+i, 2w+j, k}
template <class T>
void conv_transpose2d_reference_backward_data(Gradients<T> dx, Const<Gradients<T>> dy, const T* weights,
                                              const ConvTranspose2dGeometry& g, Write write) {
  const Index H = g.H, W = g.W, C = g.C, K = g.K;
  for (Index n = 0; n < g.N; ++n)
    for (Index h = 0; h < H; ++h)
      for (Index w = 0; w < W; ++w)
        for (Index c = 0; c < C; ++c) {
          double sum = 0;
          for (Index i = 0; i < 2; ++i)
            for (Index j = 0; j < 2; ++j)
              for (Index k = 0; k < K; ++k)
                sum += double{weights[((i * 2 + j) * K + k) * C + c]} *
                       dy.data[((n * 2 * H + 2 * h + i) * 2 * W + 2 * w + j) * dy.stride + k];
          T& out = dx.data[((n * H + h) * W + w) * dx.stride + c];
          out = static_cast<T>(write == Write::add ? out + sum : sum);
        }
}

// dw_{ijkc} = sum over n, h, w of dy_{n, 2h+i, 2w+j, k} x_{nhwc},   db_k = sum of dy_{..k} over all output pixels
template <class T>
void conv_transpose2d_reference_backward_weights(T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                                 const ConvTranspose2dGeometry& g) {
  const Index H = g.H, W = g.W, C = g.C, K = g.K;
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 2; ++j)
      for (Index k = 0; k < K; ++k)
        for (Index c = 0; c < C; ++c) {
          double sum = 0;
          for (Index n = 0; n < g.N; ++n)
            for (Index h = 0; h < H; ++h)
              for (Index w = 0; w < W; ++w)
                sum += double{dy.data[((n * 2 * H + 2 * h + i) * 2 * W + 2 * w + j) * dy.stride + k]} *
                       x.data[((n * H + h) * W + w) * x.stride + c];
          dw[((i * 2 + j) * K + k) * C + c] = static_cast<T>(sum);
        }
  for (Index k = 0; k < K && db != nullptr; ++k) {
    double sum = 0;
    for (Index p = 0; p < g.output_pixels(); ++p) sum += dy.data[p * dy.stride + k];
    db[k] = static_cast<T>(sum);
  }
}

#define ATTNUNET_INSTANTIATE(T)                                                                          \
  template void conv_transpose2d_reference_forward(Values<T>, Values<const T>, const T*, const T*,       \
                                                   const ConvTranspose2dGeometry&);                      \
  template void conv_transpose2d_reference_backward_data(Gradients<T>, Gradients<const T>, const T*,     \
                                                         const ConvTranspose2dGeometry&, Write);         \
  template void conv_transpose2d_reference_backward_weights(T*, T*, Gradients<const T>, Values<const T>, \
                                                            const ConvTranspose2dGeometry&);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
