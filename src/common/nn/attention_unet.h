// Attention U-Net with D = 3 or 4 levels (Laghmati et al. 2023, figs. 2 and 3), forward and backward written out; and
// the plain U-Net, the same without gates. The level's connection from encoder to decoder decides (skip_connection.h).
//
//   image --(edge padding to a multiple of 2^D)--> encoder.0 --skip 0--> ... gate ... concat --> decoder.0 --> head
//                                                     | max pool                                     ^ up
//                                                  encoder.1 --skip 1--> ... gate ... concat --> decoder.1
//                                                     |                                              ^
//                                                    ...                bottleneck                  ...
//
//   forward, level i of the encoder (0 .. D-1)          backward, in the opposite order
//   skip_i = double_conv(below pooled)                  d_skip_i (from the gate) += max_pool'(d_pooled_i)
//   pooled_i, argmax_i = max_pool(skip_i)               d_pooled_(i-1) = double_conv'(d_skip_i)
//
//   level i of the decoder (D-1 .. 0)
//   up = conv_transpose(y_(i+1))                        d_gated | d_up = double_conv'(dy_i)
//   gated = gate(up, skip_i)                            d_skip_i, d_up += gate'(d_gated)
//   y_i = double_conv(gated | up)                       dy_(i+1) = conv_transpose'(d_up)
//   without a gate: y_i = double_conv(skip_i | up)      d_skip_i | d_up = double_conv'(dy_i)
//
// Each skip feeds pool, gate and product: its gradient is the sum of three shares. `up` feeds gate and concat: two.
// gated | up is one tensor, cat [N,H,W,2C], and no operation concatenates: transposed convolution and gate write into
// its halves, and read their gradients from the halves of double_conv's dx. (src/cpu/concat.h is what that amounts to.)
// Without a gate, concat copies the skip into its half, and its gradient out of it.
//
// Evaluation runs on folded parameters (src/cpu/fold_batch_norm.h), and so does its backward pass, the same chain with
// the blocks' folded halves, down to the output of one block and for no parameter: what explains a prediction
// (report/gradcam.h). Blocks have the numbers of their dropout layers, the order of execution: encoder 0 .. D-1,
// bottleneck D, decoder D-1 .. 0.
// Proof: tests/attention_unet_test.cpp, tests/gradcam_test.cpp
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "common/nn/attention_unet_tape.h"
#include "common/nn/planning.h"

namespace attnunet {

/// All layers, appended to the list in the order of execution.
inline void describe_attention_unet(LayerList& list, const NetworkConfig& config, const Shape& image) {
  const Index padded_H = config.padded(image.H), padded_W = config.padded(image.W);
  const bool pads = padded_H != image.H || padded_W != image.W;
  LayerOutput x = list.input(image);
  if (pads) x = list.edge_pad("pad", x, padded_H, padded_W);
  std::vector<LayerOutput> skips;
  for (int i = 0; i < config.levels(); ++i) {
    const std::string name = "encoder." + std::to_string(i);
    skips.push_back(describe_double_conv(list, name, x, config.channels(i), config.dropout_rate(i)));
    x = list.max_pool(name + ".pool", skips.back());
  }
  x = describe_double_conv(list, "bottleneck", x, config.channels(config.levels()),
                           config.dropout_rate(config.levels()));
  for (int i = config.levels(); i-- > 0;) {
    const std::string name = "decoder." + std::to_string(i);
    const LayerOutput up = list.conv_transpose2d(name + ".up", x, config.channels(i));
    const LayerOutput cat =
        describe_skip_connection(list, name, config.gated(), skips[static_cast<std::size_t>(i)], up);
    x = describe_double_conv(list, name, cat, config.channels(i), config.dropout_rate(i));
  }
  x = list.name_output(list.conv2d("head", x, 1, 1, true), "logits");
  if (pads) list.crop("crop", x, image.H, image.W);
}

/// Pointers to all parameters (or all gradients) of the network, resolved once.
template <class T>
struct AttentionUNetTensors {
  struct Decoder {
    T *up_weight, *up_bias;
    SkipConnectionTensors<T> skip;
    DoubleConvTensors<T> block;
  };
  std::vector<DoubleConvTensors<T>> encoder;
  DoubleConvTensors<T> bottleneck;
  std::vector<Decoder> decoder;
  T *head_weight, *head_bias;

  explicit AttentionUNetTensors(const FlatTensors<T>& flat)
      : bottleneck(flat, "bottleneck"),
        head_weight(flat.parameter("head.weight")),
        head_bias(flat.parameter("head.bias")) {
    for (int i = 0; i < flat.architecture.config.levels(); ++i) {
      encoder.emplace_back(flat, "encoder." + std::to_string(i));
      const std::string name = "decoder." + std::to_string(i);
      decoder.push_back(
          {flat.parameter(name + ".up.weight"), flat.parameter(name + ".up.bias"), {flat, name}, {flat, name}});
    }
  }
};

template <class B>
class AttentionUNet {
 public:
  using T = typename B::Scalar;
  using Tape = NetworkTape<T>;

  /// Parameters and statistics start undefined: load them. Only where `training` may it run training passes; else it
  /// keeps nothing but the folded parameters.
  AttentionUNet(typename B::Device& device, const Architecture& architecture, bool training);
  /// The memory of such a network.
  static Index bytes(const Architecture& architecture, bool training) {
    return static_cast<Index>(sizeof(T)) *
           ((training ? 3 : 1) * architecture.parameter_elements + architecture.statistics_elements);
  }

  const Architecture& architecture() const { return architecture_; }
  typename B::Device& device() const { return device_; }
  /// Null if the network is not for training. Reading leaves the folded parameters current.
  const T* parameters() const { return parameters_.data(); }
  const T* statistics() const { return statistics_.data(); }
  const T* gradients() const { return gradients_.data(); }
  T* mutable_gradients() { return gradients_.data(); }
  /// For changing the parameters before the next pass: they are folded anew when evaluation needs them.
  T* mutable_parameters() {
    folded_is_current_ = false;
    return parameters_.data();
  }
  /// What evaluation passes run, laid out as the parameters: with batch norms folded into the convolutions before them
  /// (src/cpu/fold_batch_norm.h), so that weights are w', and beta is the convolution's bias b'.
  const T* folded();

  /// Host values in our layout, of the flat buffers' lengths.
  void load(const std::vector<double>& parameters, const std::vector<double>& statistics);
  /// The same from device memory; only if the network is not for training.
  void load_from_device(const T* parameters, const T* statistics);

  /// tape.input -> tape.logits. Training passes also update the running statistics; evaluation runs folded().
  void forward(Tape& tape, const Pass& pass);
  /// tape.d_logits -> gradients(), overwritten, and tape.d_input where planned. Once after each training forward, with
  /// the same pass.
  void backward(Tape& tape, const Pass& pass);
  /// After an evaluation forward on a tape for explanation, and once: tape.d_logits -> the gradient of a block's
  /// output, [batch, h, w, K] of tape.block(number), in the tape's memory. Changes nothing of the network.
  Gradients<const T> backward_to_block(Tape& tape, int number);

 private:
  bool trains() const { return parameters_.size() > 0; }
  void fold_in_place();
  Gradients<const T> d_padded_logits(Tape& tape);

  typename B::Device& device_;
  Architecture architecture_;
  typename B::template Buffer<T> parameters_, statistics_, gradients_, folded_;
  bool folded_is_current_ = false;
  std::optional<AttentionUNetTensors<const T>> p_, f_;  // parameters, folded parameters
  std::optional<AttentionUNetTensors<T>> d_;            // gradients
};

// ---- network

template <class B>
AttentionUNet<B>::AttentionUNet(typename B::Device& device, const Architecture& architecture, bool training)
    : device_(device),
      architecture_(architecture),
      parameters_(device, training ? architecture.parameter_elements : 0),
      statistics_(device, architecture.statistics_elements),
      gradients_(device, training ? architecture.parameter_elements : 0),
      folded_(device, architecture.parameter_elements) {
  // The gaps between tensors are never written by a layer; Adam runs over them.
  fill_zero(device, gradients_.data(), gradients_.size());
  f_.emplace(FlatTensors<const T>{architecture_, folded_.data(), statistics_.data()});
  if (!training) return;
  p_.emplace(FlatTensors<const T>{architecture_, parameters_.data(), statistics_.data()});
  d_.emplace(FlatTensors<T>{architecture_, gradients_.data(), nullptr});
}

template <class B>
void AttentionUNet<B>::load(const std::vector<double>& parameters, const std::vector<double>& statistics) {
  const std::vector<T> host_parameters(parameters.begin(), parameters.end());
  const std::vector<T> host_statistics(statistics.begin(), statistics.end());
  copy_to_device(device_, statistics_.data(), host_statistics.data(), statistics_.size());
  copy_to_device(device_, trains() ? parameters_.data() : folded_.data(), host_parameters.data(), folded_.size());
  folded_is_current_ = false;
  if (!trains()) fold_in_place();
}

template <class B>
void AttentionUNet<B>::load_from_device(const T* parameters, const T* statistics) {
  copy_on_device(device_, folded_.data(), parameters, folded_.size());
  copy_on_device(device_, statistics_.data(), statistics, statistics_.size());
  fold_in_place();
}

/// folded_ holds parameters. Each batch norm follows its convolution in their list.
template <class B>
void AttentionUNet<B>::fold_in_place() {
  const FlatTensors<T> flat{architecture_, folded_.data(), statistics_.data()};
  for (std::size_t i = 1; i < architecture_.parameters.size(); ++i) {
    const TensorSpec &conv = architecture_.parameters[i - 1], &gamma = architecture_.parameters[i];
    if (gamma.kind != TensorKind::gamma) continue;
    const BatchNormTensors<T> norm(flat, gamma.name.substr(0, gamma.name.rfind('.')));
    fold_batch_norm(device_, folded_.data() + conv.offset, norm.parameters, norm.running, gamma.size,
                    conv.size / gamma.size);
  }
  folded_is_current_ = true;
}

template <class B>
const typename B::Scalar* AttentionUNet<B>::folded() {
  if (trains() && !folded_is_current_) {
    copy_on_device(device_, folded_.data(), parameters_.data(), parameters_.size());
    fold_in_place();
  }
  return folded_.data();
}

template <class B>
void AttentionUNet<B>::forward(Tape& tape, const Pass& pass) {
  if (pass.training)
    folded_is_current_ = false;  // it moves the running statistics
  else
    folded();
  const AttentionUNetTensors<const T>& p = pass.training ? p_.value() : *f_;
  const Run<B> run{device_, pass, tape.batch, tape.workspace};
  const Index N = tape.batch;

  Values<const T> x = values(tape.input, tape.image_shape());
  if (tape.pads()) {
    const Values<T> padded = values(tape.padded_input, tape.padded_shape());
    edge_pad_forward(device_, padded, x, tape.image_shape(), tape.padded_H, tape.padded_W);
    x = padded;
  }
  for (std::size_t i = 0; i < tape.encoder.size(); ++i) {
    EncoderTape<T>& level = tape.encoder[i];
    double_conv_forward(run, level.block, p.encoder[i], x);
    max_pool_forward(device_, level.pooled_values(N), level.argmax, level.block.output(N), level.skip_shape(N));
    x = level.pooled_values(N);
  }
  double_conv_forward(run, tape.bottleneck, p.bottleneck, x);

  Values<T> below = tape.bottleneck.output(N);
  for (std::size_t i = tape.decoder.size(); i-- > 0;) {
    DecoderTape<T>& level = tape.decoder[i];
    const Values<T> skip = tape.encoder[i].block.output(N), cat = level.cat_values(N), up = cat.slice(level.C, level.C);
    conv_transpose2d_forward(device_, up, below, p.decoder[i].up_weight, p.decoder[i].up_bias, tape.workspace,
                             level.up_geometry(N));
    skip_connection_forward(run, level.skip, p.decoder[i].skip, cat, skip);
    double_conv_forward(run, level.block, p.decoder[i].block, cat);
    below = level.block.output(N);
  }

  const Values<T> logits =
      tape.pads() ? values(tape.padded_logits, tape.padded_shape()) : values(tape.logits, tape.image_shape());
  conv2d_forward(device_, logits, below, p.head_weight, Epilogue<T>{p.head_bias}, tape.workspace,
                 tape.head_geometry(N));
  if (tape.pads()) crop_forward(device_, tape.logit_values(), logits, tape.image_shape(), tape.padded_H, tape.padded_W);
}

/// Of the head's output, which is the logits or, where the image was padded, more.
template <class B>
Gradients<const typename B::Scalar> AttentionUNet<B>::d_padded_logits(Tape& tape) {
  if (!tape.pads()) return tape.logit_gradients();
  const Gradients<T> padded{tape.d_padded_logits, tape.padded_shape().pixels(), 1};
  crop_backward(device_, padded, tape.logit_gradients(), tape.image_shape(), tape.padded_H, tape.padded_W);
  return padded;
}

template <class B>
void AttentionUNet<B>::backward(Tape& tape, const Pass& pass) {
  const AttentionUNetTensors<const T>& p = *p_;
  const AttentionUNetTensors<T>& d = *d_;
  const Run<B> run{device_, pass, tape.batch, tape.workspace};
  const Index N = tape.batch;
  const bool input_gradient = tape.purpose == Purpose::training_with_input_gradient;

  const Gradients<const T> d_logits = d_padded_logits(tape);
  Gradients<T> dy{tape.d_top, tape.padded_shape().pixels(), tape.decoder[0].C};
  conv2d_backward_weights(device_, d.head_weight, d.head_bias, d_logits, tape.decoder[0].block.output(N),
                          tape.workspace, tape.head_geometry(N));
  conv2d_backward_data(device_, dy, d_logits, p.head_weight, tape.workspace, tape.head_geometry(N), Write::set);

  for (std::size_t i = 0; i < tape.decoder.size(); ++i) {
    DecoderTape<T>& level = tape.decoder[i];
    const Values<T> skip = tape.encoder[i].block.output(N), cat = level.cat_values(N);
    const DoubleConvTape<T>& block_below = i + 1 < tape.decoder.size() ? tape.decoder[i + 1].block : tape.bottleneck;
    double_conv_backward(run, level.block, p.decoder[i].block, d.decoder[i].block, cat, dy, true);
    const Gradients<T> d_cat = level.block.input_gradient(N), d_up = d_cat.slice(level.C, level.C);
    skip_connection_backward(run, level.skip, p.decoder[i].skip, d.decoder[i].skip, cat, skip, d_cat);
    conv_transpose2d_backward_weights(device_, d.decoder[i].up_weight, d.decoder[i].up_bias, d_up,
                                      block_below.output(N), tape.workspace, level.up_geometry(N));
    dy = level.below_gradient(N);
    conv_transpose2d_backward_data(device_, dy, d_up, p.decoder[i].up_weight, tape.workspace, level.up_geometry(N),
                                   Write::set);
  }

  double_conv_backward(run, tape.bottleneck, p.bottleneck, d.bottleneck, tape.encoder.back().pooled_values(N), dy,
                       true);
  Gradients<T> d_pooled = tape.bottleneck.input_gradient(N);
  for (std::size_t i = tape.encoder.size(); i-- > 0;) {
    EncoderTape<T>& level = tape.encoder[i];
    const Gradients<T> d_skip = tape.decoder[i].skip.skip_gradient(N);
    max_pool_backward(device_, d_skip, d_pooled, level.argmax, level.skip_shape(N), Write::add);
    const Values<T> image =
        tape.pads() ? values(tape.padded_input, tape.padded_shape()) : values(tape.input, tape.image_shape());
    double_conv_backward(run, level.block, p.encoder[i], d.encoder[i],
                         i > 0 ? tape.encoder[i - 1].pooled_values(N) : image, d_skip, i > 0 || input_gradient);
    d_pooled = level.block.input_gradient(N);
  }
  if (input_gradient) {
    const Gradients<T> d_input{tape.d_input, tape.image_shape().pixels(), 1};
    if (tape.pads())
      edge_pad_backward(device_, d_input, d_pooled, tape.image_shape(), tape.padded_H, tape.padded_W);
    else
      copy_on_device(device_, d_input.data, d_pooled.data, d_input.size());
  }
}

template <class B>
Gradients<const typename B::Scalar> AttentionUNet<B>::backward_to_block(Tape& tape, int number) {
  const AttentionUNetTensors<const T>& p = *f_;
  const Run<B> run{device_, {false, 0, 0}, tape.batch, tape.workspace};
  const Index N = tape.batch;
  const int D = architecture_.config.levels();

  const Gradients<const T> d_logits = d_padded_logits(tape);
  Gradients<T> dy{tape.d_top, tape.padded_shape().pixels(), tape.decoder[0].C};
  conv2d_backward_data(device_, dy, d_logits, p.head_weight, tape.workspace, tape.head_geometry(N), Write::set);
  for (int i = 0; i < D; ++i) {
    if (number == 2 * D - i) return dy;
    const auto at = static_cast<std::size_t>(i);
    DecoderTape<T>& level = tape.decoder[at];
    double_conv_folded_backward(run, level.block, p.decoder[at].block, dy);
    const Gradients<T> d_cat = level.block.input_gradient(N), d_up = d_cat.slice(level.C, level.C);
    skip_connection_folded_backward(run, level.skip, p.decoder[at].skip, tape.encoder[at].block.output(N), d_cat);
    dy = level.below_gradient(N);
    conv_transpose2d_backward_data(device_, dy, d_up, p.decoder[at].up_weight, tape.workspace, level.up_geometry(N),
                                   Write::set);
  }
  if (number == D) return dy;
  double_conv_folded_backward(run, tape.bottleneck, p.bottleneck, dy);
  Gradients<T> d_pooled = tape.bottleneck.input_gradient(N);
  for (int i = D - 1;; --i) {
    const auto at = static_cast<std::size_t>(i);
    EncoderTape<T>& level = tape.encoder[at];
    const Gradients<T> d_skip = tape.decoder[at].skip.skip_gradient(N);
    max_pool_backward(device_, d_skip, d_pooled, level.argmax, level.skip_shape(N), Write::add);
    if (number == i) return d_skip;
    double_conv_folded_backward(run, level.block, p.encoder[at], d_skip);
    d_pooled = level.block.input_gradient(N);
  }
}

// ---- tape

/// Runs the passes that the tape is for on the planning backend, for every batch size: workspaces need not grow with
/// it. A tape for training runs evaluation passes as well. Between the passes are the accesses of the tape's callers.
template <class B>
void AttentionUNetTape<B>::record_passes(const typename B::Device& real, const Architecture& architecture) {
  planning::Device<B> device{real, plan_};
  AttentionUNet<Planning<B>> network(device, architecture, trains(this->purpose));
  NetworkTape<T>& tape = *this;
  tape.add_to(plan_);
  tape.workspace = static_cast<T*>(plan_.outside(0));
  const Pass training{true, 0, 0}, evaluation{false, 0, 0};
  const int blocks = 2 * architecture.config.levels() + 1;

  const auto forward = [&](const Pass& pass) {
    planning::caller_fills(device, tape.input);
    network.forward(tape, pass);
    planning::caller_reads(device, tape.logits);
    if (tape.purpose == Purpose::explanation)
      for (const DecoderTape<T>& level : tape.decoder)
        if (level.skip.gate) planning::caller_reads(device, level.skip.gate->alpha);
    if (tape.purpose == Purpose::training_with_input_gradient) {  // checks ask on which side of its kinks a pass was
      for (const Values<const T>& y : tape.relu_outputs()) planning::caller_reads(device, y.data);
      for (const EncoderTape<T>& level : tape.encoder) planning::caller_reads(device, level.argmax);
    }
  };
  const Index N = tape.batch;
  for (Index n = 1; n <= N; ++n) {
    tape.batch = n;
    std::size_t sequence = 0;
    if (trains(tape.purpose)) {
      plan_.begin(sequence++);
      forward(training);
      planning::caller_fills(device, tape.d_logits);
      network.backward(tape, training);
      planning::caller_reads(device, tape.input, tape.logits);
      if (tape.purpose == Purpose::training_with_input_gradient) planning::caller_reads(device, tape.d_input);
    }
    if (tape.purpose == Purpose::explanation) {
      for (int i = 0; i < blocks; ++i) {
        plan_.begin(sequence++);
        forward(evaluation);
        planning::caller_fills(device, tape.d_logits);
        const Gradients<const T> gradient = network.backward_to_block(tape, i);
        planning::caller_reads(device, gradient.data, tape.block(i).y, tape.input);
      }
    } else {
      plan_.begin(sequence);
      forward(evaluation);
      planning::caller_reads(device, tape.input);
    }
  }
}

}  // namespace attnunet
