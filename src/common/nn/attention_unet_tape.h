// All memory of a pass of the Attention U-Net (attention_unet.h), planned in the order of its operations.
#pragma once

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
  /// [N, H/2, W/2, K]
  Values<T> pooled_values(Index N) const { return {pooled, N * (block.H / 2) * (block.W / 2), block.K}; }
};

template <class T>
struct DecoderTape {
  Index H, W, C;  ///< of this level; the tensor from below is [N, H/2, W/2, 2C]
  T* cat;         ///< [N,H,W,2C]: the gated skip, then what came up
  AttentionGateTape<T> gate;
  DoubleConvTape<T> block;
  T* d_below;

  ConvTranspose2dGeometry up_geometry(Index N) const { return {N, H / 2, W / 2, 2 * C, C}; }
  Values<T> cat_values(Index N) const { return {cat, N * H * W, 2 * C}; }
  /// [N, H/2, W/2, 2C]
  Gradients<T> below_gradient(Index N) const { return {d_below, N * (H / 2) * (W / 2), 2 * C}; }
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
  T* d_logits;  ///< [batch,H,W,1], filled by the caller (all but inference)
  T* d_input;   ///< [batch,H,W,1] (training_with_input_gradient)

  std::vector<EncoderTape<T>> encoder;
  DoubleConvTape<T> bottleneck;
  std::vector<DecoderTape<T>> decoder;
  T *padded_input, *padded_logits, *d_padded_logits, *d_top;
  T* workspace;

  /// By its number in the order of execution (attention_unet.h).
  const DoubleConvTape<T>& block(int number) const {
    const int D = static_cast<int>(encoder.size());
    if (number == D) return bottleneck;
    return number < D ? encoder[static_cast<std::size_t>(number)].block
                      : decoder[static_cast<std::size_t>(2 * D - number)].block;
  }
  bool pads() const { return padded_H != H || padded_W != W; }
  Shape image_shape() const { return {batch, H, W, 1}; }
  Shape padded_shape() const { return {batch, padded_H, padded_W, 1}; }
  /// What the loss takes and gives.
  Values<T> logit_values() const { return values(logits, image_shape()); }
  Gradients<T> logit_gradients() const { return gradients(d_logits, image_shape()); }
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
  const int D = config.levels();
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
    double_conv_plan_backward(plan_, level.block, *dy, N, purpose, true);
    attention_gate_plan_backward(plan_, level.gate, N, purpose);
    plan_.release(level.cat);
    plan_.reserve(level.d_below, size / 2);
    plan_.release(level.block.dx);
    dy = &level.d_below;
  }
  double_conv_plan_backward(plan_, bottleneck, *dy, N, purpose, true);
  T** d_pooled = &bottleneck.dx;
  for (std::size_t i = encoder.size(); i-- > 0;) {
    EncoderTape<T>& level = encoder[i];
    plan_.release(level.pooled);
    plan_.release(level.argmax);
    plan_.release(*d_pooled);
    double_conv_plan_backward(plan_, level.block, decoder[i].gate.dx, N, purpose, i > 0 || input_gradient);
    d_pooled = &level.block.dx;
  }
  if (input_gradient) plan_.reserve(d_input, N * H * W);
}

}  // namespace attnunet
