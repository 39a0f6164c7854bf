// The additive attention gate (Oktay et al. 2018, eqs. 1 and 2; with batch norm as in Laghmati et al. 2023, fig. 4):
//
//   alpha = sigmoid(bn_psi(psi * relu(bn_g(wg * g) + bn_x(wx * x)))),   out = x alpha
//
// g [N,H,W,C] the gating signal (decoder), x [N,H,W,C] the skip; wg, wx: 1x1, C -> C/2; psi: 1x1, C/2 -> 1;
// alpha [N,H,W,1], one value a pixel, broadcast over all channels of x. All without bias (batch norm follows).
// g and out are the two halves of the tensor that the decoder's convolutions take, cat [N,H,W,2C] = out | g: the gate
// reads the second half of every pixel and writes the first, and so nobody copies them together.
//
//   forward                                  saved for backward
//   a = wg * g,  b = wx * x                  g, x, a, b, statistics of both
//   s = relu(bn_g(a) + bn_x(b))              s
//   q = psi * s                              q, its statistics
//   alpha = sigmoid(bn_psi(q))               alpha
//   out = x alpha                            -
//
//   inference, batch norms folded into the convolutions before them (src/cpu/fold_batch_norm.h): two products into one
//   sum
//   s = relu((wg' * g + b_g') + wx' * x + b_x'),   alpha = sigmoid(psi' * s + b_psi'),   out = x alpha
//
//   backward, from d_cat = d_out | dg. x feeds two consumers (product and wx), g feeds two (wg and the convolutions
//   behind cat, whose share is in dg already): shares are added
//   dx = d_out alpha,  dalpha = sum_c d_out x
//   dalpha <- sigmoid'(dalpha; alpha), then bn_psi'    now dL/dq
//   dpsi = psi_w'(dL/dq, s)                  ds = psi_x'(dL/dq);  ds <- relu'(ds; s)
//   da = bn_g'(ds; a)                        db = bn_x'(ds; b), over ds
//   dwg = wg_w'(da, g),  dg += wg_x'(da)     dwx = wx_w'(db, x),  dx += wx_x'(db)
//
//   backward of an evaluation pass, for the gradients of x and g alone: the same without batch norms, da = db = ds
//
// Proof: tests/attention_gate_test.cpp
#pragma once

#include "common/nn/double_conv.h"

namespace attnunet {

template <class T>
struct AttentionGateTensors {
  T *wg, *wx, *psi;
  BatchNormTensors<T> bn_g, bn_x, bn_psi;

  AttentionGateTensors(const FlatTensors<T>& flat, const std::string& name)
      : wg(flat.parameter(name + ".wg.weight")),
        wx(flat.parameter(name + ".wx.weight")),
        psi(flat.parameter(name + ".psi.weight")),
        bn_g(flat, name + ".bn_g"),
        bn_x(flat, name + ".bn_x"),
        bn_psi(flat, name + ".bn_psi") {}
};

template <class T>
struct AttentionGateTape {
  Index H, W, C;

  T *g_out, *x_out, *s, *psi_out, *alpha;
  T* x_normalised;
  BatchStatistics<T> bn_g, bn_x, bn_psi;
  T *dx, *dalpha, *ds, *d_g_out;

  Conv2dGeometry wg(Index N) const { return {N, H, W, C, C / 2, 1}; }
  Conv2dGeometry wx(Index N) const { return {N, H, W, C, C / 2, 1}; }
  Conv2dGeometry psi(Index N) const { return {N, H, W, C / 2, 1, 1}; }
  /// dx [N,H,W,C]
  Gradients<T> input_gradient(Index N) const { return {dx, N * H * W, C}; }

  /// On which side of its kink the ReLU was: for gradient checks.
  std::vector<Values<const T>> relu_outputs(Index N) const { return {values<const T>(s, N * H * W, C / 2)}; }
  void add_to(MemoryPlan& plan, const std::string& name, Index N) {
    const Index pixels = N * H * W, half = pixels * (C / 2);
    plan.add(name + ".bn_g.mean", bn_g.mean, C / 2);
    plan.add(name + ".bn_g.inv_std", bn_g.inv_std, C / 2);
    plan.add(name + ".bn_x.mean", bn_x.mean, C / 2);
    plan.add(name + ".bn_x.inv_std", bn_x.inv_std, C / 2);
    plan.add(name + ".bn_psi.mean", bn_psi.mean, 1);
    plan.add(name + ".bn_psi.inv_std", bn_psi.inv_std, 1);
    plan.add(name + ".g_out", g_out, half);
    plan.add(name + ".x_out", x_out, half);
    plan.add(name + ".s", s, half);
    plan.add(name + ".x_normalised", x_normalised, half);
    plan.add(name + ".psi_out", psi_out, pixels);
    plan.add(name + ".alpha", alpha, pixels);
    plan.add(name + ".dx", dx, pixels * C);
    plan.add(name + ".dalpha", dalpha, pixels);
    plan.add(name + ".ds", ds, half);
    plan.add(name + ".d_g_out", d_g_out, half);
  }
};

/// The block's layers, appended to the list: out of g and x.
inline LayerOutput describe_attention_gate(LayerList& list, const std::string& name, const LayerOutput& g,
                                           const LayerOutput& x) {
  const Index half_channels = x.shape.C / 2;
  const LayerOutput a = list.batch_norm(name + ".bn_g", list.conv2d(name + ".wg", g, half_channels, 1));
  const LayerOutput b = list.batch_norm(name + ".bn_x", list.conv2d(name + ".wx", x, half_channels, 1));
  const LayerOutput s = list.relu(name + ".relu", list.name_output(list.add(name + ".add", a, b), name + ".sum"));
  const LayerOutput q = list.batch_norm(name + ".bn_psi", list.conv2d(name + ".psi", s, 1, 1));
  const LayerOutput alpha = list.name_output(list.sigmoid(name + ".sigmoid", q), name + ".alpha");
  return list.name_output(list.attention_multiply(name + ".multiply", x, alpha), name + ".out");
}

/// With the batch's statistics, which are saved and update the running ones.
template <class B, class T>
void batch_norm(const Run<B>& run, Values<T> y, BatchStatistics<T> saved, Values<T> x,
                const BatchNormTensors<const T>& p) {
  batch_norm_forward(run.device, y, saved, p.running, x, p.parameters, run.workspace);
}

/// g, the second half of cat, and x -> out, the first half. In evaluation mode `p` are folded parameters.
template <class B, class T>
void attention_gate_forward(const Run<B>& run, AttentionGateTape<T>& tape, const AttentionGateTensors<const T>& p,
                            Values<T> cat, Const<Values<T>> x) {
  auto& device = run.device;
  const Index pixels = run.N * tape.H * tape.W, C = tape.C, half = C / 2;
  const Values<T> out = cat.slice(0, C), g = cat.slice(C, C);
  const Values<T> g_out{tape.g_out, pixels, half}, x_out{tape.x_out, pixels, half};
  const Values<T> s{tape.s, pixels, half}, x_normalised{tape.x_normalised, pixels, half};
  const Values<T> psi_out{tape.psi_out, pixels, 1}, alpha{tape.alpha, pixels, 1};
  if (run.pass.training) {
    conv2d_forward(device, g_out, g, p.wg, Epilogue<T>{}, run.workspace, tape.wg(run.N));
    conv2d_forward(device, x_out, x, p.wx, Epilogue<T>{}, run.workspace, tape.wx(run.N));
    batch_norm(run, s, tape.bn_g, g_out, p.bn_g);
    batch_norm(run, x_normalised, tape.bn_x, x_out, p.bn_x);
    add_forward(device, s, s, x_normalised);
    relu_forward(device, s, s);
    conv2d_forward(device, psi_out, s, p.psi, Epilogue<T>{}, run.workspace, tape.psi(run.N));
    batch_norm(run, alpha, tape.bn_psi, psi_out, p.bn_psi);
  } else {
    const T *b_g = p.bn_g.parameters.beta, *b_x = p.bn_x.parameters.beta, *b_psi = p.bn_psi.parameters.beta;
    conv2d_forward(device, s, g, p.wg, Epilogue<T>{b_g}, run.workspace, tape.wg(run.N));
    conv2d_forward(device, s, x, p.wx, Epilogue<T>{b_x, Write::add, Activation::relu}, run.workspace, tape.wx(run.N));
    conv2d_forward(device, alpha, s, p.psi, Epilogue<T>{b_psi}, run.workspace, tape.psi(run.N));
  }
  sigmoid_forward(device, alpha, alpha);
  attention_multiply_forward(device, out, x, alpha);
}

/// d_out, the first half of d_cat -> d (gradients of the parameters), tape.dx (overwritten), and dg, the second half,
/// to which the gate's share is added.
template <class B, class T>
void attention_gate_backward(const Run<B>& run, AttentionGateTape<T>& tape, const AttentionGateTensors<const T>& p,
                             const AttentionGateTensors<T>& d, Const<Values<T>> cat, Const<Values<T>> x,
                             Gradients<T> d_cat) {
  auto& device = run.device;
  const Index pixels = run.N * tape.H * tape.W, C = tape.C, half = C / 2;
  const Values<const T> g = cat.slice(C, C);
  const Values<T> g_out{tape.g_out, pixels, half}, x_out{tape.x_out, pixels, half}, s{tape.s, pixels, half};
  const Values<T> psi_out{tape.psi_out, pixels, 1}, alpha{tape.alpha, pixels, 1};
  const Gradients<T> d_out = d_cat.slice(0, C), dg = d_cat.slice(C, C), dx = tape.input_gradient(run.N);
  const Gradients<T> dalpha{tape.dalpha, pixels, 1}, ds{tape.ds, pixels, half}, d_g_out{tape.d_g_out, pixels, half};
  T* no_bias = nullptr;
  attention_multiply_backward(device, dx, dalpha, d_out, x, alpha);
  sigmoid_backward(device, dalpha, dalpha, alpha);
  batch_norm_backward(device, dalpha, d.bn_psi.parameters, dalpha,
                      BatchNormSaved<T>{psi_out, tape.bn_psi, p.bn_psi.parameters}, run.workspace);
  conv2d_backward_weights(device, d.psi, no_bias, dalpha, s, run.workspace, tape.psi(run.N));
  conv2d_backward_data(device, ds, dalpha, p.psi, run.workspace, tape.psi(run.N), Write::set);
  relu_backward(device, ds, ds, s);
  batch_norm_backward(device, d_g_out, d.bn_g.parameters, ds, BatchNormSaved<T>{g_out, tape.bn_g, p.bn_g.parameters},
                      run.workspace);
  batch_norm_backward(device, ds, d.bn_x.parameters, ds, BatchNormSaved<T>{x_out, tape.bn_x, p.bn_x.parameters},
                      run.workspace);
  conv2d_backward_weights(device, d.wg, no_bias, d_g_out, g, run.workspace, tape.wg(run.N));
  conv2d_backward_data(device, dg, d_g_out, p.wg, run.workspace, tape.wg(run.N), Write::add);
  conv2d_backward_weights(device, d.wx, no_bias, ds, x, run.workspace, tape.wx(run.N));
  conv2d_backward_data(device, dx, ds, p.wx, run.workspace, tape.wx(run.N), Write::add);
}

/// Of an evaluation pass, with folded parameters: d_out -> tape.dx (overwritten) and dg, to which the gate's share is
/// added.
template <class B, class T>
void attention_gate_folded_backward(const Run<B>& run, AttentionGateTape<T>& tape,
                                    const AttentionGateTensors<const T>& p, Const<Values<T>> x, Gradients<T> d_cat) {
  auto& device = run.device;
  const Index pixels = run.N * tape.H * tape.W, C = tape.C, half = C / 2;
  const Values<T> s{tape.s, pixels, half}, alpha{tape.alpha, pixels, 1};
  const Gradients<T> d_out = d_cat.slice(0, C), dg = d_cat.slice(C, C), dx = tape.input_gradient(run.N);
  const Gradients<T> dalpha{tape.dalpha, pixels, 1}, ds{tape.ds, pixels, half};
  attention_multiply_backward(device, dx, dalpha, d_out, x, alpha);
  sigmoid_backward(device, dalpha, dalpha, alpha);
  conv2d_backward_data(device, ds, dalpha, p.psi, run.workspace, tape.psi(run.N), Write::set);
  relu_backward(device, ds, ds, s);
  conv2d_backward_data(device, dg, ds, p.wg, run.workspace, tape.wg(run.N), Write::add);
  conv2d_backward_data(device, dx, ds, p.wx, run.workspace, tape.wx(run.N), Write::add);
}

}  // namespace attnunet
