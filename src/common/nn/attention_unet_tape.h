// All memory of a pass of the Attention U-Net (attention_unet.h).
#pragma once

#include <string>
#include <vector>

#include "common/nn/double_conv.h"
#include "common/nn/skip_connection.h"

namespace attnunet {

template <class T>
struct EncoderTape {
  DoubleConvTape<T> block;
  T* pooled;
  std::uint8_t* argmax;

  Shape skip_shape(Index N) const { return {N, block.H, block.W, block.K}; }
  /// [N, H/2, W/2, K]
  Values<T> pooled_values(Index N) const { return {pooled, N * (block.H / 2) * (block.W / 2), block.K}; }
  void add_to(MemoryPlan& plan, const std::string& name, Index N) {
    block.add_to(plan, name, N);
    plan.add(name + ".pooled", pooled, pooled_values(N).size());
    plan.add(name + ".argmax", argmax, pooled_values(N).size());
  }
};

template <class T>
struct DecoderTape {
  Index H, W, C;  ///< of this level; the tensor from below is [N, H/2, W/2, 2C]
  T* cat;         ///< [N,H,W,2C]: the skip, gated or not, then what came up
  SkipConnectionTape<T> skip;
  DoubleConvTape<T> block;
  T* d_below;

  ConvTranspose2dGeometry up_geometry(Index N) const { return {N, H / 2, W / 2, 2 * C, C}; }
  Values<T> cat_values(Index N) const { return {cat, N * H * W, 2 * C}; }
  /// [N, H/2, W/2, 2C]
  Gradients<T> below_gradient(Index N) const { return {d_below, N * (H / 2) * (W / 2), 2 * C}; }
  void add_to(MemoryPlan& plan, const std::string& name, Index N) {
    plan.add(name + ".cat", cat, cat_values(N).size());
    skip.add_to(plan, name, N);
    block.add_to(plan, name, N);
    plan.add(name + ".d_below", d_below, below_gradient(N).size());
  }
};

/// The tensors of a pass over a batch of images of H x W.
template <class T>
struct NetworkTape {
  Index batch, H, W;
  Index padded_H, padded_W;
  Purpose purpose;

  T* input;     ///< [batch,H,W,1], filled by the caller; no pass changes it
  T* logits;    ///< [batch,H,W,1], valid until the next forward pass
  T* d_logits;  ///< [batch,H,W,1], filled by the caller after the forward pass (all but inference)
  T* d_input;   ///< [batch,H,W,1] (training_with_input_gradient)

  std::vector<EncoderTape<T>> encoder;
  DoubleConvTape<T> bottleneck;
  std::vector<DecoderTape<T>> decoder;
  T *padded_input, *padded_logits, *d_padded_logits, *d_top;
  T* workspace;

  /// Sizes, and no memory. `recomputes`: see DoubleConvTape.
  NetworkTape(const NetworkConfig& config, Index N, Index height, Index width, Purpose tape_purpose, bool recomputes);

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
  /// Of all blocks and gates.
  std::vector<Values<const T>> relu_outputs() const;
  void add_to(MemoryPlan& plan);
};

/// The memory of a NetworkTape for up to N images, planned and allocated once. The forward context that backward needs:
/// what forward saved stays valid until the next forward.
template <class B>
class AttentionUNetTape : public NetworkTape<typename B::Scalar> {
 public:
  using T = typename B::Scalar;

  /// H and W at least 2^D. Throws std::bad_alloc if the memory is not available.
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
  void set_batch(Index n) { this->batch = n; }
  Index bytes() const { return plan_.bytes(); }
  /// All planned memory, for tests that poison it.
  std::byte* memory() { return memory_.data(); }

 private:
  struct PlanOnly {};
  AttentionUNetTape(PlanOnly, const typename B::Device& device, const Architecture& architecture, Index N, Index H,
                    Index W, Purpose purpose);
  void record_passes(const typename B::Device& device, const Architecture& architecture);

  MemoryPlan plan_;
  typename B::template Buffer<std::byte> memory_;
};

template <class T>
NetworkTape<T>::NetworkTape(const NetworkConfig& config, Index N, Index height, Index width, Purpose tape_purpose,
                            bool recomputes)
    : batch(N), H(height), W(width), padded_H(config.padded(H)), padded_W(config.padded(W)), purpose(tape_purpose) {
  const int D = config.levels();
  // Dropout layers are numbered in the order of execution: encoder 0 .. D-1, bottleneck D, decoder D-1 .. 0.
  const auto block = [&](int level, Index C, int dropout_layer) {
    DoubleConvTape<T> tape{};
    tape.H = padded_H >> level;
    tape.W = padded_W >> level;
    tape.C = C;
    tape.K = config.channels(level);
    tape.dropout_rate = config.dropout_rate(level);
    tape.dropout_layer = static_cast<std::uint32_t>(dropout_layer);
    tape.recomputes = recomputes;
    return tape;
  };
  encoder.resize(static_cast<std::size_t>(D));
  decoder.resize(static_cast<std::size_t>(D));
  for (int i = 0; i < D; ++i) {
    const auto at = static_cast<std::size_t>(i);
    encoder[at].block = block(i, i == 0 ? 1 : config.channels(i - 1), i);
    decoder[at].block = block(i, 2 * config.channels(i), 2 * D - i);
    DecoderTape<T>& level = decoder[at];
    level.H = level.skip.H = padded_H >> i;
    level.W = level.skip.W = padded_W >> i;
    level.C = level.skip.C = config.channels(i);
    if (!config.gated()) continue;
    AttentionGateTape<T>& gate = level.skip.gate.emplace();
    gate.H = level.H;
    gate.W = level.W;
    gate.C = level.C;
  }
  bottleneck = block(D, config.channels(D - 1), D);
}

template <class T>
std::vector<Values<const T>> NetworkTape<T>::relu_outputs() const {
  std::vector<Values<const T>> all;
  const auto append = [&](const auto& block) {
    for (const Values<const T>& y : block.relu_outputs(batch)) all.push_back(y);
  };
  for (const EncoderTape<T>& level : encoder) append(level.block);
  append(bottleneck);
  for (const DecoderTape<T>& level : decoder) {
    if (level.skip.gate) append(*level.skip.gate);
    append(level.block);
  }
  return all;
}

template <class T>
void NetworkTape<T>::add_to(MemoryPlan& plan) {
  const Index N = batch, pixels = image_shape().pixels(), padded = padded_shape().pixels();
  plan.add("input", input, pixels);
  plan.add("padded_input", padded_input, padded);
  for (std::size_t i = 0; i < encoder.size(); ++i) encoder[i].add_to(plan, "encoder." + std::to_string(i), N);
  bottleneck.add_to(plan, "bottleneck", N);
  for (std::size_t i = 0; i < decoder.size(); ++i) decoder[i].add_to(plan, "decoder." + std::to_string(i), N);
  plan.add("padded_logits", padded_logits, padded);
  plan.add("logits", logits, pixels);
  plan.add("d_logits", d_logits, pixels);
  plan.add("d_padded_logits", d_padded_logits, padded);
  plan.add("d_top", d_top, padded * encoder[0].block.K);
  plan.add("d_input", d_input, pixels);
}

template <class B>
AttentionUNetTape<B>::AttentionUNetTape(typename B::Device& device, const Architecture& architecture, Index N,
                                        Index height, Index width, Purpose tape_purpose)
    : AttentionUNetTape(PlanOnly(), device, architecture, N, height, width, tape_purpose) {
  memory_ = typename B::template Buffer<std::byte>(device, plan_.bytes());
  plan_.bind(memory_.data());
  this->workspace = reinterpret_cast<T*>(memory_.data() + plan_.workspace_offset());
}

template <class B>
AttentionUNetTape<B>::AttentionUNetTape(PlanOnly, const typename B::Device& device, const Architecture& architecture,
                                        Index N, Index height, Index width, Purpose tape_purpose)
    : NetworkTape<T>(architecture.config, N, height, width, tape_purpose,
                     B::recomputes && tape_purpose == Purpose::training) {
  record_passes(device, architecture);
  plan_.place();
}

}  // namespace attnunet
