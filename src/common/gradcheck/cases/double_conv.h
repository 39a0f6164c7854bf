#pragma once

#include <memory>

#include "common/gradcheck/cases/flat_inputs.h"
#include "common/nn/double_conv.h"
#include "common/nn/planning.h"

namespace attnunet::gradcheck {

/// What a block needs to run alone: a tape, its memory and the caller's tensors, planned for one pass of training, and
/// the parameters.
template <class B, class Tape>
struct BlockRun {
  using T = typename B::Scalar;
  typename B::Device& device;
  Architecture architecture;
  Tape tape{};
  MemoryPlan plan;
  typename B::template Buffer<std::byte> memory;
  typename B::template Buffer<T> parameters, statistics, gradients;
  T *x = nullptr, *dy = nullptr;
  T *cat = nullptr, *d_cat = nullptr;  // attention gate only

  BlockRun(typename B::Device& where, Architecture what) : device(where), architecture(std::move(what)) {}

  /// Plans all memory for the passes of record(run, parameters, gradients), which runs them on the planning backend,
  /// and allocates it. The plan has the caller's tensors already.
  template <class Record>
  void allocate(Index N, Record record) {
    tape.add_to(plan, "block", N);
    planning::Device<B> recorder{device, plan};
    const auto outside = [this](Index elements) {
      return static_cast<T*>(plan.outside(elements * static_cast<Index>(sizeof(T))));
    };
    const FlatTensors<const T> p{architecture, outside(architecture.parameter_elements),
                                 outside(architecture.statistics_elements)};
    const FlatTensors<T> d{architecture, outside(architecture.parameter_elements), nullptr};
    plan.begin(0);
    record(Run<Planning<B>>{recorder, Pass{}, N, outside(0)}, p, d);
    plan.place();
    memory = typename B::template Buffer<std::byte>(device, plan.bytes());
    plan.bind(memory.data());
    statistics = upload<B>(device, {"statistics", initial_statistics(architecture)});
  }
  FlatTensors<const T> p() { return {architecture, parameters.data(), statistics.data()}; }
  FlatTensors<T> d() { return {architecture, gradients.data(), nullptr}; }
  Run<B> run(const Pass& pass, Index N) {
    return {device, pass, N, reinterpret_cast<T*>(memory.data() + plan.workspace_offset())};
  }
  void put(T* destination, const Array& array) {
    const std::vector<T> host(array.values.begin(), array.values.end());
    copy_to_device(device, destination, host.data(), static_cast<Index>(host.size()));
  }
  Array get(const std::string& name, const T* source, Index n) {
    std::vector<T> host(static_cast<std::size_t>(n));
    copy_to_host(device, host.data(), source, n);
    return {name, std::vector<double>(host.begin(), host.end())};
  }
};

/// double_conv in training mode; inputs x [N,H,W,C] and all parameters; the outputs are y and the running statistics
/// (which do not depend on what is differentiated in L: their upstream gradients must be zero, so they are not listed).
template <class B>
LayerCase double_conv_case(typename B::Device& device, Shape in, Index K, double rate, const Pass& pass,
                           std::uint32_t dropout_layer, std::uint64_t seed) {
  using Block = BlockRun<B, DoubleConvTape<typename B::Scalar>>;
  const auto block = std::make_shared<Block>(device, double_conv_architecture(in.C, K));
  auto& tape = block->tape;
  tape.H = in.H;
  tape.W = in.W;
  tape.C = in.C;
  tape.K = K;
  tape.dropout_rate = rate;
  tape.dropout_layer = dropout_layer;
  const Index out = in.pixels() * K;
  tape.recomputes = B::recomputes;
  block->plan.add("x", block->x, in.size());
  block->plan.add("dy", block->dy, out);
  block->allocate(in.N, [&](const auto& run, const auto& p, const auto& d) {
    planning::caller_fills(run.device, block->x);
    double_conv_forward(run, tape, {p, "block"}, values(block->x, in));
    for (const auto& y : tape.relu_outputs(in.N)) planning::caller_reads(run.device, y.data);
    planning::caller_fills(run.device, block->dy);
    double_conv_backward(run, tape, {p, "block"}, {d, "block"}, values(block->x, in),
                         gradients(block->dy, in.pixels(), K), true);
    planning::caller_reads(run.device, tape.dx);
  });

  const auto forward = [block, in, pass](const std::vector<Array>& inputs) {
    poison_memory<B>(block->device, block->memory.data(), block->memory.size());
    block->parameters = upload<B>(block->device, flat_parameters(block->architecture, inputs, 1));
    block->put(block->x, inputs[0]);
    double_conv_forward(block->run(pass, in.N), block->tape, {block->p(), "block"}, values(block->x, in));
  };
  LayerCase result;
  result.name = "double_conv " + std::to_string(in.C) + "->" + std::to_string(K);
  Random random(seed);
  result.inputs = {random_array("x", in.size(), random)};
  for (Array& array : parameter_arrays(block->architecture, seed)) result.inputs.push_back(std::move(array));
  result.forward = [block, forward, in, out](const std::vector<Array>& inputs) {
    forward(inputs);
    Forward at{{block->get("y", block->tape.y, out)}, {}};
    append_positive<B>(at.active_set, block->device, block->tape.relu_outputs(in.N));
    return at;
  };
  result.backward = [block, forward, in, pass](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    forward(inputs);
    block->put(block->dy, d_outputs[0]);
    block->gradients = poisoned<B>(block->device, block->architecture.parameter_elements);
    double_conv_backward(block->run(pass, in.N), block->tape, {block->p(), "block"}, {block->d(), "block"},
                         values(block->x, in), gradients(block->dy, in.pixels(), block->tape.K), true);
    std::vector<Array> result{block->get("x", block->tape.dx, in.size())};
    append_parameters(result, block->architecture, download<B>(block->device, "", block->gradients));
    return result;
  };
  return result;
}

}  // namespace attnunet::gradcheck
