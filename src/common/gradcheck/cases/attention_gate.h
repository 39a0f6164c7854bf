#pragma once

#include "common/gradcheck/cases/double_conv.h"
#include "common/nn/attention_gate.h"

namespace attnunet::gradcheck {

/// The halves of a concatenated tensor: first | second, C numbers of each a pixel.
inline Array interleaved(const Array& first, const Array& second, Index C) {
  Array both{"", {}};
  for (std::size_t p = 0; p < first.values.size(); p += static_cast<std::size_t>(C))
    for (const Array* half : {&first, &second})
      both.values.insert(both.values.end(), half->values.begin() + static_cast<std::ptrdiff_t>(p),
                         half->values.begin() + static_cast<std::ptrdiff_t>(p) + C);
  return both;
}
/// Half number 0 or 1.
inline Array half_of(const std::string& name, const Array& both, int half, Index C) {
  Array result{name, {}};
  for (std::size_t i = 0; i < both.values.size(); ++i)
    if (static_cast<Index>(i) / C % 2 == half) result.values.push_back(both.values[i]);
  return result;
}

/// attention_gate in training mode; inputs g and x [N,H,W,C] and all parameters, output out.
template <class B>
LayerCase attention_gate_case(typename B::Device& device, Shape in, std::uint64_t seed) {
  using Block = BlockRun<B, AttentionGateTape<typename B::Scalar>>;
  const auto block = std::make_shared<Block>(device, attention_gate_architecture(in.C));
  auto& tape = block->tape;
  tape.H = in.H;
  tape.W = in.W;
  tape.C = in.C;
  block->plan.add("x", block->x, in.size());
  block->plan.add("cat", block->cat, 2 * in.size());
  block->plan.add("d_cat", block->d_cat, 2 * in.size());
  block->allocate(in.N, [&](const auto& run, const auto& p, const auto& d) {
    const auto x = values(block->x, in), cat = values(block->cat, in.pixels(), 2 * in.C);
    planning::caller_fills(run.device, block->x, block->cat);
    attention_gate_forward(run, tape, {p, "block"}, cat, x);
    planning::caller_reads(run.device, block->cat);
    for (const auto& s : tape.relu_outputs(in.N)) planning::caller_reads(run.device, s.data);
    planning::caller_fills(run.device, block->d_cat);
    attention_gate_backward(run, tape, {p, "block"}, {d, "block"}, cat, x,
                            gradients(block->d_cat, in.pixels(), 2 * in.C));
    planning::caller_reads(run.device, tape.dx, block->d_cat);
  });

  const auto forward = [block, in](const std::vector<Array>& inputs) {
    poison_memory<B>(block->device, block->memory.data(), block->memory.size());
    block->parameters = upload<B>(block->device, flat_parameters(block->architecture, inputs, 2));
    const Array poison{"", std::vector<double>(inputs[0].values.size(), std::numeric_limits<double>::quiet_NaN())};
    block->put(block->cat, interleaved(poison, inputs[0], in.C));
    block->put(block->x, inputs[1]);
    attention_gate_forward(block->run(Pass{}, in.N), block->tape, {block->p(), "block"},
                           values(block->cat, in.pixels(), 2 * in.C), values(block->x, in));
  };
  LayerCase result;
  result.name = "attention_gate " + std::to_string(in.C);
  Random random(seed);
  result.inputs = {random_array("g", in.size(), random), random_array("x", in.size(), random)};
  for (Array& array : parameter_arrays(block->architecture, seed)) result.inputs.push_back(std::move(array));
  result.forward = [block, forward, in](const std::vector<Array>& inputs) {
    forward(inputs);
    Forward at{{half_of("out", block->get("", block->cat, 2 * in.size()), 0, in.C)}, {}};
    append_positive<B>(at.active_set, block->device, block->tape.relu_outputs(in.N));
    return at;
  };
  result.backward = [block, forward, in](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    forward(inputs);
    const Array zeros{"", std::vector<double>(d_outputs[0].values.size())};  // the gate adds its share
    block->put(block->d_cat, interleaved(d_outputs[0], zeros, in.C));
    block->gradients = poisoned<B>(block->device, block->architecture.parameter_elements);
    attention_gate_backward(block->run(Pass{}, in.N), block->tape, {block->p(), "block"}, {block->d(), "block"},
                            values(block->cat, in.pixels(), 2 * in.C), values(block->x, in),
                            gradients(block->d_cat, in.pixels(), 2 * in.C));
    std::vector<Array> result{half_of("g", block->get("", block->d_cat, 2 * in.size()), 1, in.C),
                              block->get("x", block->tape.dx, in.size())};
    append_parameters(result, block->architecture, download<B>(block->device, "", block->gradients));
    return result;
  };
  return result;
}

}  // namespace attnunet::gradcheck
