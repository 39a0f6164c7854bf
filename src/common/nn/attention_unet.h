// Attention U-Net with D = 3 or 4 levels (Laghmati et al. 2023, figs. 2 and 3), forward and backward written out.
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
//
// Each skip feeds pool, gate and product: its gradient is the sum of three shares. `up` feeds gate and concat: two.
// gated | up is one tensor, cat [N,H,W,2C], and no operation concatenates: transposed convolution and gate write into
// its halves, and read their gradients from the halves of double_conv's dx. (src/cpu/concat.h is what that amounts to.)
// Proof: tests/attention_unet_test.cpp
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "common/nn/attention_gate.h"
#include "common/nn/double_conv.h"

namespace attnunet {

template <class T>
struct EncoderTape {
  DoubleConvTape<T> block;
  T* pooled;
  std::uint8_t* argmax;

  Shape skip_shape(Index N) const { return {N, block.H, block.W, block.K}; }
};

template <class T>
struct DecoderTape {
  Index H, W, C;  ///< of this level; the tensor from below is [N, H/2, W/2, 2C]
  T* cat;         ///< [N,H,W,2C]: the gated skip, then what came up
  AttentionGateTape<T> gate;
  DoubleConvTape<T> block;
  T* d_below;

  ConvTranspose2dGeometry up_geometry(Index N) const { return {N, H / 2, W / 2, 2 * C, C, 2 * C}; }
};

/// Pointers to all parameters (or all gradients) of the network, resolved once.
template <class T>
struct AttentionUNetTensors {
  struct Decoder {
    T *up_weight, *up_bias;
    AttentionGateTensors<T> gate;
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
    for (int i = 0; i < flat.architecture.config.levels; ++i) {
      encoder.emplace_back(flat, "encoder." + std::to_string(i));
      const std::string name = "decoder." + std::to_string(i);
      decoder.push_back({flat.parameter(name + ".up.weight"),
                         flat.parameter(name + ".up.bias"),
                         {flat, name + ".gate"},
                         {flat, name}});
    }
  }
};

/// All memory of a pass over up to N images of H x W, planned and allocated once. The forward context that backward
/// needs: what forward saved stays valid until the next forward.
template <class B>
class AttentionUNetTape {
 public:
  using T = typename B::Scalar;

  /// H and W at least 2^D. Throws std::bad_alloc where the memory is not to be had.
  AttentionUNetTape(typename B::Device& device, const Architecture& architecture, Index N, Index H, Index W,
                    Purpose purpose);
  AttentionUNetTape(const AttentionUNetTape&) = delete;
  AttentionUNetTape& operator=(const AttentionUNetTape&) = delete;

  /// The bytes() of such a tape, of which nothing is allocated.
  static Index planned_bytes(const typename B::Device& device, const Architecture& architecture, Index N, Index H,
                             Index W, Purpose purpose) {
    return AttentionUNetTape(PlanOnly(), device, architecture, N, H, W, purpose).bytes();
  }

  /// Runs with fewer images than planned, as for the last batch of an epoch: 1 <= n <= N.
  void set_batch(Index n) { batch = n; }
  Index bytes() const { return plan_.bytes(); }

  Index batch, H, W;
  Index padded_H, padded_W;
  Purpose purpose;

  T* input;     ///< [batch,H,W,1], filled by the caller
  T* logits;    ///< [batch,H,W,1]
  T* d_logits;  ///< [batch,H,W,1], filled by the caller (training)
  T* d_input;   ///< [batch,H,W,1] (training_with_input_gradient)

  std::vector<EncoderTape<T>> encoder;
  DoubleConvTape<T> bottleneck;
  std::vector<DecoderTape<T>> decoder;
  T *padded_input, *padded_logits, *d_padded_logits, *d_top;
  T* workspace;

  bool pads() const { return padded_H != H || padded_W != W; }
  Shape image_shape() const { return {batch, H, W, 1}; }
  Conv2dGeometry head_geometry(Index N) const { return {N, padded_H, padded_W, encoder[0].block.K, 1, 1}; }
  /// All planned memory, for tests that poison it.
  std::byte* memory() { return memory_.data(); }

 private:
  struct PlanOnly {};
  AttentionUNetTape(PlanOnly, const typename B::Device& device, const Architecture& architecture, Index N, Index H,
                    Index W, Purpose purpose);
  void plan_forward(const typename B::Device& device);
  void plan_backward();

  MemoryPlan plan_;
  typename B::template Buffer<std::byte> memory_;
};

template <class B>
class AttentionUNet {
 public:
  using T = typename B::Scalar;
  using Tape = AttentionUNetTape<B>;

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
  /// Null where it is not for training. Whoever asks for these or for the statistics may change them until the next
  /// pass: they are folded anew when evaluation needs them.
  T* parameters() {
    folded_is_current_ = false;
    return parameters_.data();
  }
  T* statistics() {
    folded_is_current_ = false;
    return statistics_.data();
  }
  T* gradients() { return gradients_.data(); }
  /// What evaluation passes run, laid out as the parameters: with batch norms folded into the convolutions before them
  /// (src/cpu/fold_batch_norm.h), so that weights are w', and beta is the convolution's bias b'.
  const T* folded();

  /// Host values in our layout, of the flat buffers' lengths.
  void load(const std::vector<double>& parameters, const std::vector<double>& statistics);

  /// tape.input -> tape.logits. Training passes also update the running statistics; evaluation runs folded().
  void forward(Tape& tape, const Pass& pass);
  /// tape.d_logits -> gradients(), overwritten, and tape.d_input where planned. Once after each training forward, with
  /// the same pass.
  void backward(Tape& tape, const Pass& pass);

 private:
  bool trains() const { return parameters_.size() > 0; }
  void fold_in_place();

  typename B::Device& device_;
  Architecture architecture_;
  typename B::template Buffer<T> parameters_, statistics_, gradients_, folded_;
  bool folded_is_current_ = false;
  std::optional<AttentionUNetTensors<T>> p_, d_, f_;
};

// ---- memory

template <class B>
AttentionUNetTape<B>::AttentionUNetTape(typename B::Device& device, const Architecture& architecture, Index N,
                                        Index height, Index width, Purpose tape_purpose)
    : AttentionUNetTape(PlanOnly(), device, architecture, N, height, width, tape_purpose) {
  memory_ = typename B::template Buffer<std::byte>(device, plan_.bytes());
  plan_.bind(memory_.data());
  workspace = reinterpret_cast<T*>(memory_.data() + plan_.workspace_offset());
}

template <class B>
AttentionUNetTape<B>::AttentionUNetTape(PlanOnly, const typename B::Device& device, const Architecture& architecture,
                                        Index N, Index height, Index width, Purpose tape_purpose)
    : batch(N), H(height), W(width), purpose(tape_purpose) {
  const NetworkConfig& config = architecture.config;
  const int D = config.levels;
  const Index multiple = config.multiple();
  padded_H = (H + multiple - 1) / multiple * multiple;
  padded_W = (W + multiple - 1) / multiple * multiple;
  // Dropout layers are numbered in the order of execution: encoder 0 .. D-1, bottleneck D, decoder D-1 .. 0.
  const auto block = [&](int level, Index C, int dropout_layer) {
    DoubleConvTape<T> tape{};
    tape.H = padded_H >> level;
    tape.W = padded_W >> level;
    tape.C = C;
    tape.K = config.channels(level);
    tape.dropout_rate = config.dropout_rate(level);
    tape.dropout_layer = static_cast<std::uint32_t>(dropout_layer);
    return tape;
  };
  encoder.resize(static_cast<std::size_t>(D));
  decoder.resize(static_cast<std::size_t>(D));
  for (int i = 0; i < D; ++i) {
    const auto at = static_cast<std::size_t>(i);
    encoder[at].block = block(i, i == 0 ? 1 : config.channels(i - 1), i);
    decoder[at].block = block(i, 2 * config.channels(i), 2 * D - i);
    decoder[at].H = decoder[at].gate.H = padded_H >> i;
    decoder[at].W = decoder[at].gate.W = padded_W >> i;
    decoder[at].C = decoder[at].gate.C = config.channels(i);
  }
  bottleneck = block(D, config.channels(D - 1), D);

  plan_forward(device);
  if (purpose != Purpose::inference) plan_backward();
}

template <class B>
void AttentionUNetTape<B>::plan_forward(const typename B::Device& device) {
  const bool keep = purpose != Purpose::inference;
  const Index N = batch, padded_pixels = N * padded_H * padded_W;
  plan_.reserve(input, N * H * W);
  if (pads()) plan_.reserve(padded_input, padded_pixels);
  T** from_above = nullptr;
  const auto plan_block = [&](DoubleConvTape<T>& block) {
    double_conv_plan_forward<B>(device, plan_, block, N, purpose);
    if (!keep && from_above != nullptr) plan_.release(*from_above);
  };
  for (EncoderTape<T>& level : encoder) {
    plan_block(level.block);
    const Index pooled = level.skip_shape(N).size() / 4;
    plan_.reserve(level.pooled, pooled);
    plan_.reserve(level.argmax, pooled);
    if (!keep) plan_.release(level.argmax);
    from_above = &level.pooled;
  }
  plan_block(bottleneck);
  T** below = &bottleneck.y;
  for (auto level = decoder.rbegin(); level != decoder.rend(); ++level) {
    const Index size = N * level->H * level->W * level->C;
    for (Index n = 1; n <= N; ++n) plan_.need_workspace<T>(conv_transpose2d_workspace(device, level->up_geometry(n)));
    plan_.reserve(level->cat, 2 * size);
    if (!keep) plan_.release(*below);
    attention_gate_plan_forward<B>(device, plan_, level->gate, N, purpose);
    if (!keep) plan_.release(encoder[static_cast<std::size_t>(decoder.rend() - level - 1)].block.y);
    double_conv_plan_forward<B>(device, plan_, level->block, N, purpose);
    if (!keep) plan_.release(level->cat);
    below = &level->block.y;
  }
  for (Index n = 1; n <= N; ++n) plan_.need_workspace<T>(conv2d_workspace(device, head_geometry(n)));
  plan_.reserve(logits, N * H * W);
  if (pads()) plan_.reserve(padded_logits, padded_pixels);
}

template <class B>
void AttentionUNetTape<B>::plan_backward() {
  const Index N = batch, padded_pixels = N * padded_H * padded_W;
  const bool input_gradient = purpose == Purpose::training_with_input_gradient;
  plan_.reserve(d_logits, N * H * W);
  if (pads()) plan_.reserve(d_padded_logits, padded_pixels);
  plan_.reserve(d_top, padded_pixels * decoder[0].C);
  T** dy = &d_top;
  for (DecoderTape<T>& level : decoder) {
    const Index size = N * level.H * level.W * level.C;
    double_conv_plan_backward(plan_, level.block, *dy, N, true);
    attention_gate_plan_backward(plan_, level.gate, N);
    plan_.release(level.cat);
    plan_.reserve(level.d_below, size / 2);
    plan_.release(level.block.dx);
    dy = &level.d_below;
  }
  double_conv_plan_backward(plan_, bottleneck, *dy, N, true);
  T** d_pooled = &bottleneck.dx;
  for (std::size_t i = encoder.size(); i-- > 0;) {
    EncoderTape<T>& level = encoder[i];
    plan_.release(level.pooled);
    plan_.release(level.argmax);
    plan_.release(*d_pooled);
    double_conv_plan_backward(plan_, level.block, decoder[i].gate.dx, N, i > 0 || input_gradient);
    d_pooled = &level.block.dx;
  }
  if (input_gradient) plan_.reserve(d_input, N * H * W);
}

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
  f_.emplace(FlatTensors<T>{architecture_, folded_.data(), statistics_.data()});
  if (!training) return;
  p_.emplace(FlatTensors<T>{architecture_, parameters_.data(), statistics_.data()});
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

/// folded_ holds parameters. Each batch norm follows its convolution in their list.
template <class B>
void AttentionUNet<B>::fold_in_place() {
  const FlatTensors<T> flat{architecture_, folded_.data(), statistics_.data()};
  for (std::size_t i = 1; i < architecture_.parameters.size(); ++i) {
    const TensorSpec &conv = architecture_.parameters[i - 1], &gamma = architecture_.parameters[i];
    if (gamma.kind != TensorKind::gamma) continue;
    const BatchNormTensors<T> norm(flat, gamma.name.substr(0, gamma.name.rfind('.')));
    const T *factor = norm.gamma, *mean = norm.running_mean, *variance = norm.running_var;
    fold_batch_norm(device_, folded_.data() + conv.offset, norm.beta, factor, mean, variance, gamma.size,
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
  const AttentionUNetTensors<T>& p = pass.training ? p_.value() : *f_;
  const Run<B> run{device_, pass, tape.batch, tape.workspace};
  const Index N = tape.batch;

  const T* x = tape.input;
  if (tape.pads()) {
    edge_pad_forward(device_, tape.padded_input, tape.input, tape.image_shape(), tape.padded_H, tape.padded_W);
    x = tape.padded_input;
  }
  for (std::size_t i = 0; i < tape.encoder.size(); ++i) {
    EncoderTape<T>& level = tape.encoder[i];
    double_conv_forward(run, level.block, p.encoder[i], x);
    max_pool_forward(device_, level.pooled, level.argmax, level.block.y, level.skip_shape(N));
    x = level.pooled;
  }
  double_conv_forward(run, tape.bottleneck, p.bottleneck, x);

  const T* below = tape.bottleneck.y;
  for (std::size_t i = tape.decoder.size(); i-- > 0;) {
    DecoderTape<T>& level = tape.decoder[i];
    const T* skip = tape.encoder[i].block.y;
    T* up = level.cat + level.C;
    conv_transpose2d_forward(device_, up, below, p.decoder[i].up_weight, p.decoder[i].up_bias, tape.workspace,
                             level.up_geometry(N));
    attention_gate_forward(run, level.gate, p.decoder[i].gate, level.cat, skip);
    double_conv_forward(run, level.block, p.decoder[i].block, level.cat);
    below = level.block.y;
  }

  conv2d_forward(device_, tape.pads() ? tape.padded_logits : tape.logits, below, p.head_weight, p.head_bias,
                 tape.workspace, tape.head_geometry(N));
  if (tape.pads())
    crop_forward(device_, tape.logits, tape.padded_logits, tape.image_shape(), tape.padded_H, tape.padded_W);
}

template <class B>
void AttentionUNet<B>::backward(Tape& tape, const Pass& pass) {
  const AttentionUNetTensors<T>&p = *p_, &d = *d_;
  const Run<B> run{device_, pass, tape.batch, tape.workspace};
  const Index N = tape.batch;
  const bool input_gradient = tape.purpose == Purpose::training_with_input_gradient;

  T* d_logits = tape.d_logits;
  if (tape.pads()) {
    crop_backward(device_, tape.d_padded_logits, tape.d_logits, tape.image_shape(), tape.padded_H, tape.padded_W);
    d_logits = tape.d_padded_logits;
  }
  conv2d_backward_weights(device_, d.head_weight, d.head_bias, d_logits, tape.decoder[0].block.y, tape.workspace,
                          tape.head_geometry(N));
  conv2d_backward_data(device_, tape.d_top, d_logits, p.head_weight, tape.workspace, tape.head_geometry(N), Write::set);

  T* dy = tape.d_top;
  for (std::size_t i = 0; i < tape.decoder.size(); ++i) {
    DecoderTape<T>& level = tape.decoder[i];
    const T* skip = tape.encoder[i].block.y;
    const T* below = i + 1 < tape.decoder.size() ? tape.decoder[i + 1].block.y : tape.bottleneck.y;
    double_conv_backward(run, level.block, p.decoder[i].block, d.decoder[i].block, level.cat, dy, true);
    T* d_cat = level.block.dx;
    const T* d_up = d_cat + level.C;
    attention_gate_backward(run, level.gate, p.decoder[i].gate, d.decoder[i].gate, level.cat, skip, d_cat);
    conv_transpose2d_backward_weights(device_, d.decoder[i].up_weight, d.decoder[i].up_bias, d_up, below,
                                      tape.workspace, level.up_geometry(N));
    conv_transpose2d_backward_data(device_, level.d_below, d_up, p.decoder[i].up_weight, tape.workspace,
                                   level.up_geometry(N), Write::set);
    dy = level.d_below;
  }

  const EncoderTape<T>& deepest = tape.encoder.back();
  double_conv_backward(run, tape.bottleneck, p.bottleneck, d.bottleneck, deepest.pooled, dy, true);
  const T* d_pooled = tape.bottleneck.dx;
  for (std::size_t i = tape.encoder.size(); i-- > 0;) {
    EncoderTape<T>& level = tape.encoder[i];
    T* d_skip = tape.decoder[i].gate.dx;
    max_pool_backward(device_, d_skip, d_pooled, level.argmax, level.skip_shape(N), Write::add);
    const T* image = tape.pads() ? tape.padded_input : tape.input;
    double_conv_backward(run, level.block, p.encoder[i], d.encoder[i], i > 0 ? tape.encoder[i - 1].pooled : image,
                         d_skip, i > 0 || input_gradient);
    d_pooled = level.block.dx;
  }
  if (input_gradient) {
    if (tape.pads())
      edge_pad_backward(device_, tape.d_input, tape.encoder[0].block.dx, tape.image_shape(), tape.padded_H,
                        tape.padded_W);
    else
      copy_on_device(device_, tape.d_input, tape.encoder[0].block.dx, tape.image_shape().size());
  }
}

}  // namespace attnunet
