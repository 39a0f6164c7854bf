// The block of every level: conv1 3x3 -> bn1 -> ReLU -> dropout -> conv2 3x3 -> bn2 -> ReLU.
//
// x [N,H,W,C] -> y [N,H,W,K]; both convolutions padded by 1, without bias (batch norm subtracts any constant).
//
//   forward, one operation a line            saved for backward
//   a, statistics of a = conv1(x)            x, a, statistics of a
//   h = dropout(relu(bn1(a)))                h, or nothing: see below
//   b, statistics of b = conv2(h)            b, statistics of b
//   y = relu(bn2(b))                         y
//
//   backward, from dy (which is overwritten: each line reuses its memory where only one gradient is alive)
//   dy <- (relu bn2)'(dy; y, b)              now dL/db
//   h where it was not saved: from a and its statistics, with the same mask, once more
//   dconv2 = conv2_w'(dL/db, h)              dh = conv2_x'(dL/db)
//   dh <- (dropout relu bn1)'(dh; h, a)      now dL/da
//   dconv1 = conv1_w'(dL/da, x)              dx = conv1_x'(dL/da)
//
// h is a seventh of all that a network saves, and one pass over a makes it again, to the bit: training does that on
// backends where memory is dearer than the pass (B::recomputes). Where gradients are checked (an input gradient is
// wanted) h stays, for its signs tell which side of the kinks a pass was on.
//
// Inference takes the running statistics, which are constants: batch norms are folded into the convolutions
// (src/cpu/fold_batch_norm.h), h = relu(conv1'(x) + b1'), y = relu(conv2'(h) + b2'). Nothing is dropped, and h and y
// are saved only to explain a prediction, which asks for dx alone:
//   dy <- relu'(dy; y)      dh = conv2'_x'(dy)      dh <- relu'(dh; h)      dx = conv1'_x'(dh)
// The operations' math is in src/cpu/conv2d_statistics.h, batch_norm_relu_dropout.h and, layer by layer, in conv2d.h,
// batch_norm.h, relu.h, dropout.h.
// Proof: tests/double_conv_test.cpp
#pragma once

#include <vector>

#include "common/core/dropout_key.h"
#include "common/nn/memory_plan.h"
#include "common/nn/tensors.h"

namespace attnunet {

template <class T>
struct DoubleConvTensors {
  T* conv1;
  BatchNormTensors<T> bn1;
  T* conv2;
  BatchNormTensors<T> bn2;

  DoubleConvTensors(const FlatTensors<T>& flat, const std::string& name)
      : conv1(flat.parameter(name + ".conv1.weight")),
        bn1(flat, name + ".bn1"),
        conv2(flat.parameter(name + ".conv2.weight")),
        bn2(flat, name + ".bn2") {}
};

template <class T>
struct DoubleConvTape {
  Index H, W, C, K;
  double dropout_rate;
  std::uint32_t dropout_layer;

  bool recomputes;  ///< hidden holds h in the forward pass only, hidden_again in the backward pass
  T *conv1_out, *hidden, *hidden_again, *conv2_out, *y;
  BatchStatistics<T> bn1, bn2;
  T *d_hidden, *dx;

  Conv2dGeometry conv1(Index N) const { return {N, H, W, C, K, 3}; }
  Conv2dGeometry conv2(Index N) const { return {N, H, W, K, K, 3}; }
  Dropout dropout(const Pass& pass) const { return {dropout_rate, {pass.seed, dropout_layer, pass.step}}; }
  /// y [N,H,W,K]; dx [N,H,W,C].
  Values<T> output(Index N) const { return {y, N * H * W, K}; }
  Gradients<T> input_gradient(Index N) const { return {dx, N * H * W, C}; }

  /// On which side of their kinks ReLUs were: for gradient checks.
  std::vector<Values<const T>> relu_outputs(Index N) const {
    return {values<const T>(hidden, N * H * W, K), values<const T>(y, N * H * W, K)};
  }
  void add_to(MemoryPlan& plan, const std::string& name, Index N) {
    const Index pixels = N * H * W;
    plan.add(name + ".bn1.mean", bn1.mean, K);
    plan.add(name + ".bn1.inv_std", bn1.inv_std, K);
    plan.add(name + ".bn2.mean", bn2.mean, K);
    plan.add(name + ".bn2.inv_std", bn2.inv_std, K);
    plan.add(name + ".conv1_out", conv1_out, pixels * K);
    plan.add(name + ".hidden", hidden, pixels * K);
    plan.add(name + ".hidden_again", hidden_again, pixels * K);
    plan.add(name + ".conv2_out", conv2_out, pixels * K);
    plan.add(name + ".y", y, pixels * K);
    plan.add(name + ".d_hidden", d_hidden, pixels * K);
    plan.add(name + ".dx", dx, pixels * C);
  }
};

/// The layers of one half of the block: number "1" or "2".
inline LayerOutput describe_conv_norm_relu_dropout(LayerList& list, const std::string& block, const std::string& number,
                                                   const LayerOutput& x, Index K, double rate) {
  const LayerOutput conv = list.conv2d(block + ".conv" + number, x, K, 3);
  LayerOutput y = list.relu(block + ".relu" + number, list.batch_norm(block + ".bn" + number, conv));
  if (rate > 0) y = list.dropout(block + ".dropout", y, rate);
  list.fuse(conv, rate);
  return y;
}

/// The block's layers, appended to the list: y of x.
inline LayerOutput describe_double_conv(LayerList& list, const std::string& name, const LayerOutput& x, Index K,
                                        double rate) {
  const LayerOutput hidden = describe_conv_norm_relu_dropout(list, name, "1", x, K, rate);
  return describe_conv_norm_relu_dropout(list, name, "2", hidden, K, 0);
}

/// A convolution's output and its statistics, which backward needs. Inference has neither.
template <class T>
struct ConvNormSaved {
  Values<T> out;
  BatchStatistics<T> statistics;
};

/// Training: out = conv(x), y = dropout(relu(batch_norm(out))) with the batch's statistics, which are saved and update
/// the running ones. Inference, with folded parameters: y = relu(conv(x) + beta).
template <class B, class T>
void conv_norm_relu_dropout(const Run<B>& run, Values<T> y, const ConvNormSaved<T>& saved, Const<Values<T>> x,
                            const T* w, const BatchNormTensors<const T>& p, const Dropout& dropout,
                            const Conv2dGeometry& g) {
  if (run.pass.training) {
    conv2d_statistics_forward(run.device, saved.out, saved.statistics, p.running, x, w, run.workspace, g);
    batch_norm_relu_dropout_forward(run.device, y, saved.out, saved.statistics, p.parameters, dropout);
  } else {
    conv2d_forward(run.device, y, x, w, Epilogue<T>{p.parameters.beta, Write::set, Activation::relu}, run.workspace, g);
  }
}

/// x -> tape.y. In evaluation mode `p` are folded parameters.
template <class B, class T>
void double_conv_forward(const Run<B>& run, DoubleConvTape<T>& tape, const DoubleConvTensors<const T>& p,
                         Const<Values<T>> x) {
  const Index pixels = run.N * tape.H * tape.W, K = tape.K;
  const Values<T> hidden{tape.hidden, pixels, K}, y = tape.output(run.N);
  const Values<T> conv1_out{tape.conv1_out, pixels, K}, conv2_out{tape.conv2_out, pixels, K};
  conv_norm_relu_dropout(run, hidden, {conv1_out, tape.bn1}, x, p.conv1, p.bn1, tape.dropout(run.pass),
                         tape.conv1(run.N));
  conv_norm_relu_dropout(run, y, {conv2_out, tape.bn2}, hidden, p.conv2, p.bn2, Dropout{}, tape.conv2(run.N));
}

/// dy -> d (gradients of the parameters, overwritten) and, where input_gradient, tape.dx. dy is overwritten.
template <class B, class T>
void double_conv_backward(const Run<B>& run, DoubleConvTape<T>& tape, const DoubleConvTensors<const T>& p,
                          const DoubleConvTensors<T>& d, Const<Values<T>> x, Gradients<T> dy, bool input_gradient) {
  auto& device = run.device;
  const Index pixels = run.N * tape.H * tape.W, K = tape.K;
  const Values<T> y = tape.output(run.N), hidden{tape.recomputes ? tape.hidden_again : tape.hidden, pixels, K};
  const Values<T> conv1_out{tape.conv1_out, pixels, K}, conv2_out{tape.conv2_out, pixels, K};
  const Gradients<T> d_hidden{tape.d_hidden, pixels, K};
  const Dropout dropout = tape.dropout(run.pass);
  T* no_bias = nullptr;
  batch_norm_relu_dropout_backward(device, dy, d.bn2.parameters, dy, y,
                                   BatchNormSaved<T>{conv2_out, tape.bn2, p.bn2.parameters}, 0.0, run.workspace);
  if (tape.recomputes) batch_norm_relu_dropout_forward(device, hidden, conv1_out, tape.bn1, p.bn1.parameters, dropout);
  conv2d_backward_weights(device, d.conv2, no_bias, dy, hidden, run.workspace, tape.conv2(run.N));
  conv2d_backward_data(device, d_hidden, dy, p.conv2, run.workspace, tape.conv2(run.N), Write::set);
  batch_norm_relu_dropout_backward(device, d_hidden, d.bn1.parameters, d_hidden, hidden,
                                   BatchNormSaved<T>{conv1_out, tape.bn1, p.bn1.parameters}, dropout.rate,
                                   run.workspace);
  conv2d_backward_weights(device, d.conv1, no_bias, d_hidden, x, run.workspace, tape.conv1(run.N));
  if (input_gradient)
    conv2d_backward_data(device, tape.input_gradient(run.N), d_hidden, p.conv1, run.workspace, tape.conv1(run.N),
                         Write::set);
}

/// Of an evaluation pass, with folded parameters: dy, which is overwritten, -> tape.dx.
template <class B, class T>
void double_conv_folded_backward(const Run<B>& run, DoubleConvTape<T>& tape, const DoubleConvTensors<const T>& p,
                                 Gradients<T> dy) {
  auto& device = run.device;
  const Index pixels = run.N * tape.H * tape.W;
  const Values<T> hidden{tape.hidden, pixels, tape.K};
  const Gradients<T> d_hidden{tape.d_hidden, pixels, tape.K};
  relu_backward(device, dy, dy, tape.output(run.N));
  conv2d_backward_data(device, d_hidden, dy, p.conv2, run.workspace, tape.conv2(run.N), Write::set);
  relu_backward(device, d_hidden, d_hidden, hidden);
  conv2d_backward_data(device, tape.input_gradient(run.N), d_hidden, p.conv1, run.workspace, tape.conv1(run.N),
                       Write::set);
}

}  // namespace attnunet
