// The plain loops of src/cpu/*_reference.cpp on arrays of double: what the tests hold every other method and backend
// against. They themselves are held against the formulas (formulas_*_test.cpp), numeric gradients and PyTorch.
#pragma once

#include "common/gradcheck/layer_case.h"
#include "cpu/batch_norm_reference.h"
#include "cpu/conv2d_reference.h"
#include "cpu/conv_transpose2d_reference.h"

namespace attnunet::reference {

using gradcheck::Array;

inline Array zeros(const std::string& name, Index n) {
  return {name, std::vector<double>(static_cast<std::size_t>(n))};
}
inline Index pixels_of(const Array& array, Index channels) {
  return static_cast<Index>(array.values.size()) / channels;
}
inline Values<double> view(Array& array, Index channels) {
  return {array.values.data(), pixels_of(array, channels), channels};
}
inline Values<const double> view(const Array& array, Index channels) {
  return {array.values.data(), pixels_of(array, channels), channels};
}
inline Gradients<double> d_view(Array& array, Index channels) {
  return {array.values.data(), pixels_of(array, channels), channels};
}
inline Gradients<const double> d_view(const Array& array, Index channels) {
  return {array.values.data(), pixels_of(array, channels), channels};
}
inline const double* data_or_null(const Array& array) {
  return array.values.empty() ? nullptr : array.values.data();
}

// A bias without values: none.

struct WeightGradients {
  Array dw, db;
};
struct ConvGradients {
  Array dx, dw, db;
};

inline Array conv2d_forward(const Conv2dGeometry& g, const Array& x, const Array& w, const Array& bias) {
  Array y = zeros("y", g.pixels() * g.K);
  cpu::conv2d_reference_forward(view(y, g.K), view(x, g.C), w.values.data(), {data_or_null(bias)}, g);
  return y;
}
inline Array conv2d_backward_data(const Conv2dGeometry& g, const Array& dy, const Array& w) {
  Array dx = zeros("dx", g.pixels() * g.C);
  cpu::conv2d_reference_backward_data(d_view(dx, g.C), d_view(dy, g.K), w.values.data(), g, Write::set);
  return dx;
}
inline WeightGradients conv2d_backward_weights(const Conv2dGeometry& g, const Array& dy, const Array& x) {
  WeightGradients d{zeros("dw", g.weights()), zeros("db", g.K)};
  cpu::conv2d_reference_backward_weights(d.dw.values.data(), d.db.values.data(), d_view(dy, g.K), view(x, g.C), g);
  return d;
}
inline ConvGradients conv2d_backward(const Conv2dGeometry& g, const Array& x, const Array& w, const Array& dy) {
  const WeightGradients d = conv2d_backward_weights(g, dy, x);
  return {conv2d_backward_data(g, dy, w), d.dw, d.db};
}

inline Array conv_transpose2d_forward(const ConvTranspose2dGeometry& g, const Array& x, const Array& w,
                                      const Array& bias) {
  Array y = zeros("y", g.output_pixels() * g.K);
  cpu::conv_transpose2d_reference_forward(view(y, g.K), view(x, g.C), w.values.data(), data_or_null(bias), g);
  return y;
}
inline Array conv_transpose2d_backward_data(const ConvTranspose2dGeometry& g, const Array& dy, const Array& w) {
  Array dx = zeros("dx", g.input_pixels() * g.C);
  cpu::conv_transpose2d_reference_backward_data(d_view(dx, g.C), d_view(dy, g.K), w.values.data(), g, Write::set);
  return dx;
}
inline WeightGradients conv_transpose2d_backward_weights(const ConvTranspose2dGeometry& g, const Array& dy,
                                                         const Array& x) {
  WeightGradients d{zeros("dw", g.weights()), zeros("db", g.K)};
  cpu::conv_transpose2d_reference_backward_weights(d.dw.values.data(), d.db.values.data(), d_view(dy, g.K),
                                                   view(x, g.C), g);
  return d;
}
inline ConvGradients conv_transpose2d_backward(const ConvTranspose2dGeometry& g, const Array& x, const Array& w,
                                               const Array& dy) {
  const WeightGradients d = conv_transpose2d_backward_weights(g, dy, x);
  return {conv_transpose2d_backward_data(g, dy, w), d.dw, d.db};
}

struct BatchNorm {
  Array y, mean, inv_std, running_mean, running_var;
};
struct BatchNormGradients {
  Array dx, dgamma, dbeta;
};

/// x [n, C], the others [C]; running_mean and running_var as they were before.
inline BatchNorm batch_norm_forward(const Array& x, const Array& gamma, const Array& beta, const Array& running_mean,
                                    const Array& running_var) {
  const auto C = static_cast<Index>(gamma.values.size());
  BatchNorm result{x, gamma, gamma, running_mean, running_var};
  cpu::batch_norm_reference_forward<double>(view(result.y, C),
                                            {result.mean.values.data(), result.inv_std.values.data()},
                                            {result.running_mean.values.data(), result.running_var.values.data()},
                                            view(x, C), {gamma.values.data(), beta.values.data()});
  return result;
}
inline BatchNormGradients batch_norm_backward(const Array& dy, const Array& x, const BatchNorm& forward,
                                              const Array& gamma) {
  const auto C = static_cast<Index>(gamma.values.size());
  BatchNormGradients d{dy, gamma, gamma};
  cpu::batch_norm_reference_backward<double>(
      d_view(d.dx, C), {d.dgamma.values.data(), d.dbeta.values.data()}, d_view(dy, C),
      {view(x, C), {forward.mean.values.data(), forward.inv_std.values.data()}, {gamma.values.data(), nullptr}});
  return d;
}

}  // namespace attnunet::reference
