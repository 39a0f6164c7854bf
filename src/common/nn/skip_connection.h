// The connection from encoder to decoder at one level. It is all that the variants differ in, apart from their depth:
//
//   attention3, attention4   cat = gate(up, skip) | up   the skip weighted by an attention gate (attention_gate.h)
//   unet3, unet4             cat = skip | up             the skip as it is: the plain U-Net (Ronneberger et al. 2015;
//                                                        here with padded convolutions, so nothing is cropped)
//
// skip [N,H,W,C] from the encoder, up [N,H,W,C] from below, cat [N,H,W,2C] for the decoder's convolutions. up is the
// second half of cat already (attention_unet.h): the connection fills the first.
//
//   backward, from d_cat = d_first | d_up
//   attention   d_skip, d_up += gate'(d_first)
//   plain       d_skip = d_first
//
// Proof: tests/attention_unet_test.cpp
#pragma once

#include <optional>
#include <string>

#include "common/nn/attention_gate.h"

namespace attnunet {

template <class T>
struct SkipConnectionTensors {
  std::optional<AttentionGateTensors<T>> gate;  ///< absent in a plain U-Net

  SkipConnectionTensors(const FlatTensors<T>& flat, const std::string& name) {
    if (flat.architecture.config.gated()) gate.emplace(flat, name + ".gate");
  }
};

template <class T>
struct SkipConnectionTape {
  Index H, W, C;
  std::optional<AttentionGateTape<T>> gate;  ///< absent in a plain U-Net
  T* d_skip;                                 ///< plain U-Net only: else the gate has it

  /// d_skip [N,H,W,C]
  Gradients<T> skip_gradient(Index N) const { return {gate ? gate->dx : d_skip, N * H * W, C}; }
  void add_to(MemoryPlan& plan, const std::string& name, Index N) {
    if (gate)
      gate->add_to(plan, name + ".gate", N);
    else
      plan.add(name + ".d_skip", d_skip, N * H * W * C);
  }
};

/// The connection's layers, appended to the list: cat of skip and up.
inline LayerOutput describe_skip_connection(LayerList& list, const std::string& name, bool gated,
                                            const LayerOutput& skip, const LayerOutput& up) {
  if (gated) return list.concat(name + ".concat", describe_attention_gate(list, name + ".gate", up, skip), up);
  return list.concat_copying_first(name + ".concat", skip, up);
}

/// skip and up, the second half of cat -> the first half of cat. In evaluation mode `p` are folded parameters.
template <class B, class T>
void skip_connection_forward(const Run<B>& run, SkipConnectionTape<T>& tape, const SkipConnectionTensors<const T>& p,
                             Values<T> cat, Const<Values<T>> skip) {
  if (tape.gate)
    attention_gate_forward(run, *tape.gate, *p.gate, cat, skip);
  else
    concat_forward(run.device, cat, skip, cat.slice(tape.C, tape.C));
}

/// d_cat -> d (gradients of the parameters), tape.skip_gradient() (overwritten), and d_up, the second half of d_cat, to
/// which a gate's share is added.
template <class B, class T>
void skip_connection_backward(const Run<B>& run, SkipConnectionTape<T>& tape, const SkipConnectionTensors<const T>& p,
                              const SkipConnectionTensors<T>& d, Const<Values<T>> cat, Const<Values<T>> skip,
                              Gradients<T> d_cat) {
  if (tape.gate)
    attention_gate_backward(run, *tape.gate, *p.gate, *d.gate, cat, skip, d_cat);
  else
    concat_backward(run.device, tape.skip_gradient(run.N), d_cat.slice(tape.C, tape.C), d_cat);
}

/// The same for an evaluation pass with folded parameters, without gradients of the parameters.
template <class B, class T>
void skip_connection_folded_backward(const Run<B>& run, SkipConnectionTape<T>& tape,
                                     const SkipConnectionTensors<const T>& p, Const<Values<T>> skip,
                                     Gradients<T> d_cat) {
  if (tape.gate)
    attention_gate_folded_backward(run, *tape.gate, *p.gate, skip, d_cat);
  else
    concat_backward(run.device, tape.skip_gradient(run.N), d_cat.slice(tape.C, tape.C), d_cat);
}

}  // namespace attnunet
