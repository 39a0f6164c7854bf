// The operations that networks call, in lockstep (lockstep.h). They win over those of cpu:: that the base
// class of their device makes visible.
#pragma once

#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/lockstep.h"
#include "support/lockstep_bounds.h"
#include "support/reference.h"

namespace attnunet::lockstep {

// ---- convolutions

// ReLU does not magnify: y is no further off than the sum.
template <class C>
void conv2d_forward(Device<C>& device, Values<float> y, Values<const float> x, const float* w,
                    const Epilogue<float>& epilogue, float* workspace, const Conv2dGeometry& g) {
  const bool adds = epilogue.write == Write::add;
  Operation<C> o(device, adds ? "conv2d_forward, adding" : "conv2d_forward");
  o.in(x);
  o.in(w, g.weights());
  o.in(epilogue.bias, g.K);
  if (adds) o.in(y);
  o.out(y);
  o.workspace(workspace, conv2d_workspace(device.companion, g));
  o.run([&](auto& where, auto at) { conv2d_forward(where, at(y), at(x), at(w), at(epilogue), at(workspace), g); });
  Numbers terms = reference::conv2d_forward(g, o.array(x), o.array(w), o.array(epilogue.bias)).values;
  const Numbers before = adds ? o.sizes(y) : Numbers{};
  for (std::size_t i = 0; i < before.size(); ++i) terms[i] += before[i];
  o.compare("y", y, bounds(terms, g.R * g.R * g.C + 2));
}

template <class C>
void conv2d_statistics_forward(Device<C>& device, Values<float> y, BatchStatistics<float> batch,
                               RunningStatistics<float> running, Values<const float> x, const float* w,
                               float* workspace, const Conv2dGeometry& g) {
  Operation<C> o(device, "conv2d_statistics_forward");
  o.in(x);
  o.in(w, g.weights());
  for (const float* one : {running.mean, running.var}) o.in(one, g.K);
  o.out(y);
  for (float* one : {batch.mean, batch.inv_std}) o.out(one, g.K);
  o.workspace(workspace, conv2d_statistics_workspace(device.companion, g));
  o.run([&](auto& where, auto at) {
    conv2d_statistics_forward(where, at(y), at(batch), at(running), at(x), at(w), at(workspace), g);
  });
  const Numbers y_bounds = bounds(reference::conv2d_forward(g, o.array(x), o.array(w), {}).values, g.R * g.R * g.C);
  o.compare("y", y, y_bounds);
  compare_statistics(o, moments(y, y_bounds), batch, running, g.pixels());
}

template <class C>
void conv2d_backward_data(Device<C>& device, Gradients<float> dx, Gradients<const float> dy, const float* w,
                          float* workspace, const Conv2dGeometry& g, Write write) {
  Operation<C> o(device, write == Write::add ? "conv2d_backward_data, adding" : "conv2d_backward_data");
  o.in(dy);
  o.in(w, g.weights());
  if (write == Write::add) o.in(dx);
  o.out(dx);
  o.workspace(workspace, conv2d_workspace(device.companion, g));
  const Numbers before = o.sizes(dx);
  o.run([&](auto& where, auto at) { conv2d_backward_data(where, at(dx), at(dy), at(w), at(workspace), g, write); });
  Numbers terms = reference::conv2d_backward_data(g, o.array(dy), o.array(w)).values;
  if (write == Write::add)
    for (std::size_t i = 0; i < terms.size(); ++i) terms[i] += before[i];
  o.compare("dx", dx, bounds(terms, g.R * g.R * g.K + 1));
}

template <class C>
void conv2d_backward_weights(Device<C>& device, float* dw, float* db, Gradients<const float> dy, Values<const float> x,
                             float* workspace, const Conv2dGeometry& g) {
  Operation<C> o(device, "conv2d_backward_weights");
  o.in(dy);
  o.in(x);
  o.out(dw, g.weights());
  o.out(db, g.K);
  o.workspace(workspace, conv2d_workspace(device.companion, g));
  o.run([&](auto& where, auto at) { conv2d_backward_weights(where, at(dw), at(db), at(dy), at(x), at(workspace), g); });
  const auto terms = reference::conv2d_backward_weights(g, o.array(dy), o.array(x));
  o.compare("dw", dw, bounds(terms.dw.values, g.pixels()));
  o.compare("db", db, bounds(terms.db.values, g.pixels()));
}

template <class C>
void conv_transpose2d_forward(Device<C>& device, Values<float> y, Values<const float> x, const float* w,
                              const float* bias, float* workspace, const ConvTranspose2dGeometry& g) {
  Operation<C> o(device, "conv_transpose2d_forward");
  o.in(x);
  o.in(w, g.weights());
  o.in(bias, g.K);
  o.out(y);
  o.workspace(workspace, conv_transpose2d_workspace(device.companion, g));
  o.run(
      [&](auto& where, auto at) { conv_transpose2d_forward(where, at(y), at(x), at(w), at(bias), at(workspace), g); });
  const auto terms = reference::conv_transpose2d_forward(g, o.array(x), o.array(w), o.array(bias));
  o.compare("y", y, bounds(terms.values, g.C + 1));
}

template <class C>
void conv_transpose2d_backward_data(Device<C>& device, Gradients<float> dx, Gradients<const float> dy, const float* w,
                                    float* workspace, const ConvTranspose2dGeometry& g, Write write) {
  Operation<C> o(device, "conv_transpose2d_backward_data");
  o.in(dy);
  o.in(w, g.weights());
  o.out(dx);
  o.workspace(workspace, conv_transpose2d_workspace(device.companion, g));
  o.run([&](auto& where, auto at) {
    conv_transpose2d_backward_data(where, at(dx), at(dy), at(w), at(workspace), g, write);
  });
  const auto terms = reference::conv_transpose2d_backward_data(g, o.array(dy), o.array(w));
  o.compare("dx", dx, bounds(terms.values, 4 * g.K));
}

template <class C>
void conv_transpose2d_backward_weights(Device<C>& device, float* dw, float* db, Gradients<const float> dy,
                                       Values<const float> x, float* workspace, const ConvTranspose2dGeometry& g) {
  Operation<C> o(device, "conv_transpose2d_backward_weights");
  o.in(dy);
  o.in(x);
  o.out(dw, g.weights());
  o.out(db, g.K);
  o.workspace(workspace, conv_transpose2d_workspace(device.companion, g));
  o.run([&](auto& where, auto at) {
    conv_transpose2d_backward_weights(where, at(dw), at(db), at(dy), at(x), at(workspace), g);
  });
  const auto terms = reference::conv_transpose2d_backward_weights(g, o.array(dy), o.array(x));
  o.compare("dw", dw, bounds(terms.dw.values, g.input_pixels()));
  o.compare("db", db, bounds(terms.db.values, g.output_pixels()));
}

// ---- batch norm

/// mean, inv_std and the running statistics.
template <class C>
void compare_statistics(Operation<C>& o, const std::vector<Moments>& channels, BatchStatistics<const float> batch,
                        RunningStatistics<const float> running, Index pixels) {
  Numbers mean_bounds, inv_std_bounds, running_mean_bounds, running_var_bounds;
  const Numbers old_mean = o.sizes(running.mean), old_var = o.sizes(running.var);
  const double unbiased = pixels > 1 ? static_cast<double>(pixels) / static_cast<double>(pixels - 1) : 1;
  for (std::size_t c = 0; c < channels.size(); ++c) {
    const Moments& m = channels[c];
    mean_bounds.push_back(m.mean_bound);
    inv_std_bounds.push_back(m.inv_std_bound());
    running_mean_bounds.push_back(0.1 * m.mean_bound + bound(0.9 * old_mean[c] + 0.1 * std::abs(m.mean), 2));
    running_var_bounds.push_back(0.1 * unbiased * m.variance_bound +
                                 bound(0.9 * old_var[c] + 0.1 * unbiased * m.variance, 2));
  }
  o.compare("mean", batch.mean, mean_bounds);
  o.compare("inv_std", batch.inv_std, inv_std_bounds);
  o.compare("running_mean", running.mean, running_mean_bounds);
  o.compare("running_var", running.var, running_var_bounds);
}

/// All that the structure points to. (Backward does not read beta.)
template <class C>
void in_saved(Operation<C>& o, const BatchNormSaved<float>& saved) {
  o.in(saved.x);
  for (const float* one :
       {saved.statistics.mean, saved.statistics.inv_std, saved.parameters.gamma, saved.parameters.beta})
    o.in(one, saved.x.channels);
}

template <class C>
void batch_norm_forward(Device<C>& device, Values<float> y, BatchStatistics<float> batch,
                        RunningStatistics<float> running, Values<const float> x, BatchNormParameters<const float> p,
                        float* workspace) {
  Operation<C> o(device, "batch_norm_forward");
  o.in(x);
  for (const float* one : {p.gamma, p.beta}) o.in(one, x.channels);
  for (const float* one : {running.mean, running.var}) o.in(one, x.channels);
  o.out(y);
  for (float* one : {batch.mean, batch.inv_std}) o.out(one, x.channels);
  o.workspace(workspace, batch_norm_workspace(device.companion, x.pixels, x.channels));
  const std::vector<Moments> statistics = moments(x);
  o.run([&](auto& where, auto at) {
    batch_norm_forward(where, at(y), at(batch), at(running), at(x), at(p), at(workspace));
  });
  compare_statistics(o, statistics, batch, running, x.pixels);
  // Each backend normalises with its own statistics: y also moves as mean and inv_std do.
  Numbers means, inv_stds, moved = o.sizes(x);
  const Numbers gammas = o.sizes(p.gamma);
  for (const Moments& m : statistics) {
    means.push_back(std::abs(m.mean));
    inv_stds.push_back(m.inv_std());
  }
  for (std::size_t i = 0; i < moved.size(); ++i) {
    const Moments& m = statistics[i % statistics.size()];
    moved[i] = gammas[i % statistics.size()] *
               (m.inv_std() * m.mean_bound + (moved[i] + std::abs(m.mean)) * m.inv_std_bound());
  }
  Numbers y_bounds = bounds(normalised_terms(o.sizes(x), means, inv_stds, gammas, o.sizes(p.beta), 1), 6);
  for (std::size_t i = 0; i < moved.size(); ++i) y_bounds[i] += moved[i];
  o.compare("y", y, y_bounds);
}

template <class C>
void batch_norm_backward(Device<C>& device, Gradients<float> dx, BatchNormParameters<float> d,
                         Gradients<const float> dy, const BatchNormSaved<float>& saved, float* workspace) {
  Operation<C> o(device, "batch_norm_backward");
  o.in(dy);
  in_saved(o, saved);
  o.out(dx);
  for (float* one : {d.gamma, d.beta}) o.out(one, dx.channels);
  o.workspace(workspace, batch_norm_workspace(device.companion, dx.pixels, dx.channels));
  o.run([&](auto& where, auto at) { batch_norm_backward(where, at(dx), at(d), at(dy), at(saved), at(workspace)); });
  const BatchNormGradientBounds b =
      batch_norm_gradient_bounds(o.sizes(dy), o.sizes(saved.x), o.sizes(saved.statistics.mean),
                                 o.sizes(saved.statistics.inv_std), o.sizes(saved.parameters.gamma));
  o.compare("dx", dx, b.dx);
  o.compare("dgamma", d.gamma, b.dgamma);
  o.compare("dbeta", d.beta, b.dbeta);
}

// Both in double, rounded once.
template <class C>
void fold_batch_norm(Device<C>& device, float* w, BatchNormParameters<float> p, RunningStatistics<const float> running,
                     Index K, Index n) {
  Operation<C> o(device, "fold_batch_norm");
  o.in(w, K * n);
  for (const float* one : {p.gamma, p.beta}) o.in(one, K);
  for (const float* one : {running.mean, running.var}) o.in(one, K);
  o.run([&](auto& where, auto at) { fold_batch_norm(where, at(w), at(p), at(running), K, n); });
  Numbers scale = inverse_deviations(o.sizes(running.var)), w_terms = o.sizes(w), bias_terms = o.sizes(p.beta);
  const Numbers gammas = o.sizes(p.gamma), means = o.sizes(running.mean);
  for (std::size_t k = 0; k < scale.size(); ++k) {
    scale[k] *= gammas[k];
    bias_terms[k] += scale[k] * means[k];
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
      w_terms[k * static_cast<std::size_t>(n) + i] *= scale[k];
  }
  o.compare("w", w, bounds(w_terms, 1));
  o.compare("beta", p.beta, bounds(bias_terms, 1));
}

// ReLU does not magnify: y is no further off than what goes into it.
template <class C>
void batch_norm_relu_dropout_forward(Device<C>& device, Values<float> y, Values<const float> x,
                                     BatchStatistics<const float> batch, BatchNormParameters<const float> p,
                                     const Dropout& dropout) {
  Operation<C> o(device, "batch_norm_relu_dropout_forward");
  in_saved(o, {x, batch, p});
  o.out(y);
  o.run([&](auto& where, auto at) { batch_norm_relu_dropout_forward(where, at(y), at(x), at(batch), at(p), dropout); });
  o.compare("y", y,
            bounds(normalised_terms(o.sizes(x), o.sizes(batch.mean), o.sizes(batch.inv_std), o.sizes(p.gamma),
                                    o.sizes(p.beta), 1 / (1 - dropout.rate)),
                   6));
}

template <class C>
void batch_norm_relu_dropout_backward(Device<C>& device, Gradients<float> dx, BatchNormParameters<float> d,
                                      Gradients<const float> dy, Values<const float> y,
                                      const BatchNormSaved<float>& saved, double rate, float* workspace) {
  Operation<C> o(device, "batch_norm_relu_dropout_backward");
  o.in(dy);
  o.in(y);
  in_saved(o, saved);
  o.out(dx);
  for (float* one : {d.gamma, d.beta}) o.out(one, dx.channels);
  o.workspace(workspace, batch_norm_relu_dropout_workspace(device.companion, dx.pixels, dx.channels));
  o.run([&](auto& where, auto at) {
    batch_norm_relu_dropout_backward(where, at(dx), at(d), at(dy), at(y), at(saved), rate, at(workspace));
  });
  Numbers g = o.sizes(dy);
  const Numbers outputs = o.sizes(y);  // none is negative: 0 is what ReLU or dropout took
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = outputs[i] > 0 ? g[i] / (1 - rate) : 0;
  const BatchNormGradientBounds b =
      batch_norm_gradient_bounds(g, o.sizes(saved.x), o.sizes(saved.statistics.mean), o.sizes(saved.statistics.inv_std),
                                 o.sizes(saved.parameters.gamma));
  o.compare("dx", dx, b.dx);
  o.compare("dgamma", d.gamma, b.dgamma);
  o.compare("dbeta", d.beta, b.dbeta);
}

// ---- element by element

template <class C>
void relu_forward(Device<C>& device, Values<float> y, Values<const float> x) {
  Operation<C> o(device, "relu_forward");
  o.in(x);
  o.out(y);
  o.run([&](auto& where, auto at) { relu_forward(where, at(y), at(x)); });
  o.compare("y", y);
}

template <class C>
void relu_backward(Device<C>& device, Gradients<float> dx, Gradients<const float> dy, Values<const float> y) {
  Operation<C> o(device, "relu_backward");
  o.in(dy);
  o.in(y);
  o.out(dx);
  o.run([&](auto& where, auto at) { relu_backward(where, at(dx), at(dy), at(y)); });
  o.compare("dx", dx);
}

template <class C>
void add_forward(Device<C>& device, Values<float> y, Values<const float> a, Values<const float> b) {
  Operation<C> o(device, "add_forward");
  o.in(a);
  o.in(b);
  o.out(y);
  o.run([&](auto& where, auto at) { add_forward(where, at(y), at(a), at(b)); });
  o.compare("y", y);
}

// exp, a sum and a quotient.
template <class C>
void sigmoid_forward(Device<C>& device, Values<float> y, Values<const float> x) {
  Operation<C> o(device, "sigmoid_forward");
  o.in(x);
  o.out(y);
  o.run([&](auto& where, auto at) { sigmoid_forward(where, at(y), at(x)); });
  Numbers terms;
  for (Index i = 0; i < y.size(); ++i) terms.push_back(static_cast<double>(y.data[i]));
  o.compare("y", y, bounds(terms, 4));
}

// dy y (1 - y): three roundings of no more than |dy| y.
template <class C>
void sigmoid_backward(Device<C>& device, Gradients<float> dx, Gradients<const float> dy, Values<const float> y) {
  Operation<C> o(device, "sigmoid_backward");
  o.in(dy);
  o.in(y);
  o.out(dx);
  o.run([&](auto& where, auto at) { sigmoid_backward(where, at(dx), at(dy), at(y)); });
  Numbers terms = o.sizes(dy);
  const Numbers outputs = o.sizes(y);
  for (std::size_t i = 0; i < terms.size(); ++i) terms[i] *= outputs[i];
  o.compare("dx", dx, bounds(terms, 3));
}

// One product.
template <class C>
void attention_multiply_forward(Device<C>& device, Values<float> y, Values<const float> x, Values<const float> alpha) {
  Operation<C> o(device, "attention_multiply_forward");
  o.in(x);
  o.in(alpha);
  o.out(y);
  o.run([&](auto& where, auto at) { attention_multiply_forward(where, at(y), at(x), at(alpha)); });
  o.compare("y", y);
}

template <class C>
void attention_multiply_backward(Device<C>& device, Gradients<float> dx, Gradients<float> dalpha,
                                 Gradients<const float> dy, Values<const float> x, Values<const float> alpha) {
  Operation<C> o(device, "attention_multiply_backward");
  o.in(dy);
  o.in(x);
  o.in(alpha);
  o.out(dx);
  o.out(dalpha);
  o.run(
      [&](auto& where, auto at) { attention_multiply_backward(where, at(dx), at(dalpha), at(dy), at(x), at(alpha)); });
  o.compare("dx", dx);
  const Numbers g = o.sizes(dy), skips = o.sizes(x);
  Numbers terms(static_cast<std::size_t>(x.pixels));
  for (std::size_t i = 0; i < g.size(); ++i) terms[i / static_cast<std::size_t>(x.channels)] += g[i] * skips[i];
  o.compare("dalpha", dalpha, bounds(terms, x.channels));
}

// ---- moves

template <class C>
void max_pool_forward(Device<C>& device, Values<float> y, std::uint8_t* argmax, Values<const float> x,
                      const Shape& in) {
  Operation<C> o(device, "max_pool_forward");
  o.in(x);
  o.out(y);
  o.out(argmax, y.size());
  o.run([&](auto& where, auto at) { max_pool_forward(where, at(y), at(argmax), at(x), in); });
  o.compare("y", y);
  o.compare("argmax", argmax);
}

// Windows do not overlap: one sum at most.
template <class C>
void max_pool_backward(Device<C>& device, Gradients<float> dx, Gradients<const float> dy, const std::uint8_t* argmax,
                       const Shape& in, Write write) {
  Operation<C> o(device, "max_pool_backward");
  o.in(dy);
  o.in(argmax, dy.size());
  if (write == Write::add) o.in(dx);
  o.out(dx);
  o.run([&](auto& where, auto at) { max_pool_backward(where, at(dx), at(dy), at(argmax), in, write); });
  o.compare("dx", dx);
}

// b is columns of y in the networks; the companion has a copy of its own and moves it.
template <class C>
void concat_forward(Device<C>& device, Values<float> y, Values<const float> a, Values<const float> b) {
  Operation<C> o(device, "concat_forward");
  o.in(a);
  o.in(b);
  o.out(y);
  o.run([&](auto& where, auto at) { concat_forward(where, at(y), at(a), at(b)); });
  o.compare("y", y);
}

template <class C>
void concat_backward(Device<C>& device, Gradients<float> da, Gradients<float> db, Gradients<const float> dy) {
  Operation<C> o(device, "concat_backward");
  o.in(dy);
  o.out(da);
  o.out(db);
  o.run([&](auto& where, auto at) { concat_backward(where, at(da), at(db), at(dy)); });
  o.compare("da", da);
  o.compare("db", db);
}

template <class C>
void edge_pad_forward(Device<C>& device, Values<float> y, Values<const float> x, const Shape& in, Index H, Index W) {
  Operation<C> o(device, "edge_pad_forward");
  o.in(x);
  o.out(y);
  o.run([&](auto& where, auto at) { edge_pad_forward(where, at(y), at(x), in, H, W); });
  o.compare("y", y);
}

template <class C>
void edge_pad_backward(Device<C>& device, Gradients<float> dx, Gradients<const float> dy, const Shape& in, Index H,
                       Index W) {
  Operation<C> o(device, "edge_pad_backward");
  o.in(dy);
  o.out(dx);
  o.run([&](auto& where, auto at) { edge_pad_backward(where, at(dx), at(dy), in, H, W); });
  Numbers terms(static_cast<std::size_t>(in.size()));
  const Numbers dy_sizes = o.sizes(dy);
  cpu::Device exact(1, ConvMethod::direct);
  edge_pad_backward(exact, gradients(terms.data(), in), gradients(dy_sizes.data(), dy.pixels, dy.channels), in, H, W);
  o.compare("dx", dx, bounds(terms, (H - in.H + 1) * (W - in.W + 1)));
}

template <class C>
void crop_forward(Device<C>& device, Values<float> y, Values<const float> x, const Shape& out, Index H, Index W) {
  Operation<C> o(device, "crop_forward");
  o.in(x);
  o.out(y);
  o.run([&](auto& where, auto at) { crop_forward(where, at(y), at(x), out, H, W); });
  o.compare("y", y);
}

template <class C>
void crop_backward(Device<C>& device, Gradients<float> dx, Gradients<const float> dy, const Shape& out, Index H,
                   Index W) {
  Operation<C> o(device, "crop_backward");
  o.in(dy);
  o.out(dx);
  o.run([&](auto& where, auto at) { crop_backward(where, at(dx), at(dy), out, H, W); });
  o.compare("dx", dx);
}

}  // namespace attnunet::lockstep
