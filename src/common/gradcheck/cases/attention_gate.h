#pragma once

#include "common/gradcheck/cases/double_conv.h"
#include "common/nn/attention_gate.h"

namespace attnunet::gradcheck {

/// attention_gate in training mode; inputs g and x [N,H,W,C] and all parameters, output out.
template <class B>
LayerCase attention_gate_case(typename B::Device& device, Shape in, std::uint64_t seed) {
  using Block = BlockRun<B, AttentionGateTape<typename B::Scalar>>;
  const auto block = std::make_shared<Block>(device, attention_gate_architecture(in.C));
  auto& tape = block->tape;
  tape.H = in.H;
  tape.W = in.W;
  tape.C = in.C;
  block->plan.reserve(block->x, in.size());
  block->plan.reserve(block->g, in.size());
  attention_gate_plan_forward<B>(device, block->plan, tape, in.N, Purpose::training);
  block->plan.reserve(block->dy, in.size());
  block->plan.reserve(block->dg, in.size());
  attention_gate_plan_backward(block->plan, tape, block->dy, in.N);
  block->allocate();

  const auto forward = [block, in](const std::vector<Array>& inputs) {
    poison_memory<B>(block->device, block->memory.data(), block->memory.size());
    block->parameters = upload<B>(block->device, flat_parameters(block->architecture, inputs, 2));
    block->put(block->g, inputs[0]);
    block->put(block->x, inputs[1]);
    attention_gate_forward(block->run(Pass{}, in.N), block->tape, {block->p(), "block"}, block->g, block->x);
  };
  LayerCase result;
  result.name = "attention_gate " + std::to_string(in.C);
  Random random(seed);
  result.inputs = {random_array("g", in.size(), random), random_array("x", in.size(), random)};
  for (Array& array : parameter_arrays(block->architecture, seed)) result.inputs.push_back(std::move(array));
  result.forward = [block, forward, in](const std::vector<Array>& inputs) {
    forward(inputs);
    Forward at{{block->get("out", block->tape.out, in.size())}, {}};
    append_positive<B>(at.active_set, block->device, block->tape.s, in.pixels() * (in.C / 2));
    return at;
  };
  result.backward = [block, forward, in](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    forward(inputs);
    block->put(block->dy, d_outputs[0]);
    fill_zero(block->device, block->dg, in.size());  // the gate adds its share
    block->gradients = poisoned<B>(block->device, block->architecture.parameter_elements);
    attention_gate_backward(block->run(Pass{}, in.N), block->tape, {block->p(), "block"}, {block->d(), "block"},
                            block->g, block->x, block->dy, block->dg);
    std::vector<Array> gradients{block->get("g", block->dg, in.size()), block->get("x", block->tape.dx, in.size())};
    append_parameters(gradients, block->architecture, download<B>(block->device, "", block->gradients));
    return gradients;
  };
  return result;
}

}  // namespace attnunet::gradcheck
