#include "cpu/conv2d_reference.h"

namespace attnunet::cpu {

namespace {

// x_{nij}, C numbers; null outside the image, where x is 0.
template <class T>
const T* pixel(const Values<const T>& x, const Conv2dGeometry& g, Index n, Index i, Index j) {
  const bool inside = i >= 0 && i < g.H && j >= 0 && j < g.W;
  return inside ? x.data + ((n * g.H + i) * g.W + j) * x.stride : nullptr;
}

}  // namespace

// y_{nhwk} = b_k + sum over r, s, c of w_{krsc} x_{n, h+r-q, w+s-q, c}
template <class T>
void conv2d_reference_forward(Values<T> y, Const<Values<T>> x, const T* weights, const Epilogue<T>& epilogue,
                              const Conv2dGeometry& g) {
  const Index H = g.H, W = g.W, C = g.C, K = g.K, R = g.R, q = (R - 1) / 2;
  for (Index n = 0; n < g.N; ++n)
    for (Index h = 0; h < H; ++h)
      for (Index w = 0; w < W; ++w)
        for (Index k = 0; k < K; ++k) {
          double sum = epilogue.bias != nullptr ? epilogue.bias[k] : 0;
          for (Index r = 0; r < R; ++r)
            for (Index s = 0; s < R; ++s) {
              const T* in = pixel(x, g, n, h + r - q, w + s - q);
              for (Index c = 0; c < C; ++c)
                sum += weights[((k * R + r) * R + s) * C + c] * (in != nullptr ? double{in[c]} : 0);
            }
          T& out = y.data[((n * H + h) * W + w) * y.stride + k];
          if (epilogue.write == Write::add) sum += out;
          out = epilogue.activation == Activation::relu && sum <= 0 ? T(0) : static_cast<T>(sum);
        }
}

// dx_{nijc} = sum over k, r, s of w_{krsc} dy_{n, i-r+q, j-s+q, k}
template <class T>
void conv2d_reference_backward_data(Gradients<T> dx, Const<Gradients<T>> dy, const T* weights, const Conv2dGeometry& g,
                                    Write write) {
  const Index H = g.H, W = g.W, C = g.C, K = g.K, R = g.R, q = (R - 1) / 2;
  for (Index n = 0; n < g.N; ++n)
    for (Index i = 0; i < H; ++i)
      for (Index j = 0; j < W; ++j)
        for (Index c = 0; c < C; ++c) {
          double sum = 0;
          for (Index r = 0; r < R; ++r)
            for (Index s = 0; s < R; ++s) {
              const Index h = i - r + q, w = j - s + q;
              if (h < 0 || h >= H || w < 0 || w >= W) continue;  // there is no such output
              for (Index k = 0; k < K; ++k)
                sum += double{weights[((k * R + r) * R + s) * C + c]} * dy.data[((n * H + h) * W + w) * dy.stride + k];
            }
          T& out = dx.data[((n * H + i) * W + j) * dx.stride + c];
          out = static_cast<T>(write == Write::add ? out + sum : sum);
        }
}

// dw_{krsc} = sum over n, h, w of dy_{nhwk} x_{n, h+r-q, w+s-q, c},   db_k = sum over n, h, w of dy_{nhwk}
template <class T>
void conv2d_reference_backward_weights(T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                       const Conv2dGeometry& g) {
  const Index H = g.H, W = g.W, C = g.C, K = g.K, R = g.R, q = (R - 1) / 2;
  for (Index k = 0; k < K; ++k)
    for (Index r = 0; r < R; ++r)
      for (Index s = 0; s < R; ++s)
        for (Index c = 0; c < C; ++c) {
          double sum = 0;
          for (Index n = 0; n < g.N; ++n)
            for (Index h = 0; h < H; ++h)
              for (Index w = 0; w < W; ++w) {
                const T* in = pixel(x, g, n, h + r - q, w + s - q);
                sum += dy.data[((n * H + h) * W + w) * dy.stride + k] * (in != nullptr ? double{in[c]} : 0);
              }
          dw[((k * R + r) * R + s) * C + c] = static_cast<T>(sum);
        }
  for (Index k = 0; k < K && db != nullptr; ++k) {
    double sum = 0;
    for (Index p = 0; p < g.pixels(); ++p) sum += dy.data[p * dy.stride + k];
    db[k] = static_cast<T>(sum);
  }
}

#define ATTNUNET_INSTANTIATE(T)                                                                                   \
  template void conv2d_reference_forward(Values<T>, Values<const T>, const T*, const Epilogue<T>&,                \
                                         const Conv2dGeometry&);                                                  \
  template void conv2d_reference_backward_data(Gradients<T>, Gradients<const T>, const T*, const Conv2dGeometry&, \
                                               Write);                                                            \
  template void conv2d_reference_backward_weights(T*, T*, Gradients<const T>, Values<const T>, const Conv2dGeometry&);
ATTNUNET_INSTANTIATE(float)
ATTNUNET_INSTANTIATE(double)
#undef ATTNUNET_INSTANTIATE

}  // namespace attnunet::cpu
