// The block of every level: conv1 3x3 -> bn1 -> ReLU -> dropout -> conv2 3x3 -> bn2 -> ReLU.
//
// x [N,H,W,C] -> y [N,H,W,K]; both convolutions padded by 1, without bias (batch norm subtracts any constant).
//
//   forward                                  saved for backward
//   a = conv1(x)                             x, a
//   h = dropout(relu(bn1(a)))                h, statistics of a
//   b = conv2(h)                             b
//   y = relu(bn2(b))                         y, statistics of b
//
//   backward, from dy (which is overwritten: each line reuses its memory where only one gradient is alive)
//   dy <- relu'(dy; y), then bn2'            now dL/db
//   dconv2 = conv2_w'(dL/db, h)              dh = conv2_x'(dL/db)
//   dh <- dropout'(dh), relu'(dh; h), bn1'   now dL/da
//   dconv1 = conv1_w'(dL/da, x)              dx = conv1_x'(dL/da)
//
// ReLU and dropout run in place on h; where dropout zeroed h its gradient is zero too, so h > 0 serves as ReLU's mask.
// Each layer's own math is in src/cpu/conv2d.h, batch_norm.h, relu.h, dropout.h.
// Proof: tests/double_conv_test.cpp
#pragma once

#include "common/nn/dropout_key.h"
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

  T *conv1_out, *hidden, *conv2_out, *y;
  BatchNormSaved<T> bn1, bn2;
  T *d_hidden, *dx;

  Conv2dGeometry conv1(Index N) const { return {N, H, W, C, K, 3}; }
  Conv2dGeometry conv2(Index N) const { return {N, H, W, K, K, 3}; }
  DropoutKey dropout_key(const Pass& pass) const { return {pass.seed, dropout_layer, pass.step}; }
};

template <class B, class T>
void double_conv_plan_forward(const typename B::Device& device, MemoryPlan& plan, DoubleConvTape<T>& tape, Index N,
                              Purpose purpose) {
  const Index pixels = N * tape.H * tape.W, size = pixels * tape.K;
  const bool keep = purpose != Purpose::inference;
  for (Index n = 1; n <= N; ++n) {  // a tape may run any smaller batch
    plan.need_workspace<T>(conv2d_workspace(device, tape.conv1(n)));
    plan.need_workspace<T>(conv2d_workspace(device, tape.conv2(n)));
    plan.need_workspace<T>(batch_norm_workspace(device, n * tape.H * tape.W, tape.K));
  }
  for (BatchNormSaved<T>* saved : {&tape.bn1, &tape.bn2}) {
    plan.reserve(saved->mean, tape.K);
    plan.reserve(saved->inv_std, tape.K);
  }
  plan.reserve(tape.conv1_out, size);
  plan.reserve(tape.hidden, size);
  if (!keep) plan.release(tape.conv1_out);
  plan.reserve(tape.conv2_out, size);
  if (!keep) plan.release(tape.hidden);
  plan.reserve(tape.y, size);
  if (!keep) plan.release(tape.conv2_out);
}

/// `dy` is the caller's pointer to the gradient of y, reserved by the caller and released here.
template <class T>
void double_conv_plan_backward(MemoryPlan& plan, DoubleConvTape<T>& tape, T*& dy, Index N, bool input_gradient) {
  const Index pixels = N * tape.H * tape.W;
  plan.release(tape.y);
  plan.release(tape.conv2_out);
  plan.reserve(tape.d_hidden, pixels * tape.K);
  plan.release(dy);
  plan.release(tape.hidden);
  plan.release(tape.conv1_out);
  if (input_gradient) plan.reserve(tape.dx, pixels * tape.C);
  plan.release(tape.d_hidden);
}

/// Batch norm as the pass wants it: batch statistics (saved, and the running ones updated) or the running statistics.
template <class B, class T>
void batch_norm(const Run<B>& run, T* y, const BatchNormSaved<T>& saved, const T* x, const BatchNormTensors<T>& p,
                Index pixels, Index C) {
  if (run.pass.training)
    batch_norm_forward(run.device, y, saved.mean, saved.inv_std, p.running_mean, p.running_var, x, p.gamma, p.beta,
                       run.workspace, pixels, C);
  else
    batch_norm_inference_forward(run.device, y, x, p.gamma, p.beta, p.running_mean, p.running_var, pixels, C);
}

/// x -> tape.y
template <class B, class T>
void double_conv_forward(const Run<B>& run, DoubleConvTape<T>& tape, const DoubleConvTensors<T>& p, const T* x) {
  auto& device = run.device;
  const Index pixels = run.N * tape.H * tape.W, size = pixels * tape.K;
  const T* no_bias = nullptr;
  conv2d_forward(device, tape.conv1_out, x, p.conv1, no_bias, run.workspace, tape.conv1(run.N));
  batch_norm(run, tape.hidden, tape.bn1, tape.conv1_out, p.bn1, pixels, tape.K);
  relu_forward(device, tape.hidden, tape.hidden, size);
  if (run.pass.training && tape.dropout_rate > 0)
    dropout_forward(device, tape.hidden, tape.hidden, tape.dropout_rate, tape.dropout_key(run.pass), size);
  conv2d_forward(device, tape.conv2_out, tape.hidden, p.conv2, no_bias, run.workspace, tape.conv2(run.N));
  batch_norm(run, tape.y, tape.bn2, tape.conv2_out, p.bn2, pixels, tape.K);
  relu_forward(device, tape.y, tape.y, size);
}

/// dy -> d (gradients of the parameters, overwritten) and, where input_gradient, tape.dx. dy is overwritten.
template <class B, class T>
void double_conv_backward(const Run<B>& run, DoubleConvTape<T>& tape, const DoubleConvTensors<T>& p,
                          const DoubleConvTensors<T>& d, const T* x, T* dy, bool input_gradient) {
  auto& device = run.device;
  const Index pixels = run.N * tape.H * tape.W, size = pixels * tape.K;
  T* no_bias = nullptr;
  relu_backward(device, dy, dy, tape.y, size);
  batch_norm_backward(device, dy, d.bn2.gamma, d.bn2.beta, dy, tape.conv2_out, tape.bn2.mean, tape.bn2.inv_std,
                      p.bn2.gamma, run.workspace, pixels, tape.K);
  conv2d_backward_weights(device, d.conv2, no_bias, dy, tape.hidden, run.workspace, tape.conv2(run.N));
  conv2d_backward_data(device, tape.d_hidden, dy, p.conv2, run.workspace, tape.conv2(run.N), Write::set);
  if (tape.dropout_rate > 0)
    dropout_backward(device, tape.d_hidden, tape.d_hidden, tape.dropout_rate, tape.dropout_key(run.pass), size);
  relu_backward(device, tape.d_hidden, tape.d_hidden, tape.hidden, size);
  batch_norm_backward(device, tape.d_hidden, d.bn1.gamma, d.bn1.beta, tape.d_hidden, tape.conv1_out, tape.bn1.mean,
                      tape.bn1.inv_std, p.bn1.gamma, run.workspace, pixels, tape.K);
  conv2d_backward_weights(device, d.conv1, no_bias, tape.d_hidden, x, run.workspace, tape.conv1(run.N));
  if (input_gradient)
    conv2d_backward_data(device, tape.dx, tape.d_hidden, p.conv1, run.workspace, tape.conv1(run.N), Write::set);
}

}  // namespace attnunet
