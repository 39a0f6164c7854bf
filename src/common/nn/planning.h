// The planning backend: forward and backward run on it once, before any memory is allocated, to record what they do.
//
// Planning<B> takes the place of a backend B. Its operations have the names and the arguments of B's. They compute
// nothing: each reports to a MemoryPlan which tensors it reads and writes, and how much workspace B's operation needs
// for the same shapes. Lifetimes cannot disagree with the passes, because they come from the same code.
//
// All operations have their destination as the first argument. What else they write is asked of the compiler: the
// arguments that B's operation does not accept as const. With Write::add the destination is read as well. (Operations
// are templates over all their arguments here: passes call them with arguments that have a type, not with bare braces.)
// Proof: tests/planning_test.cpp
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/core/batch_norm_views.h"
#include "common/core/dropout_key.h"
#include "common/nn/memory_plan.h"

namespace attnunet {
namespace planning {

template <class B>
struct Device {
  const typename B::Device& real;
  MemoryPlan& plan;
};

/// Memory that the plan does not place, such as the parameters.
template <class B, class U>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Device<B>& device, Index count)
      : data_(static_cast<U*>(device.plan.outside(count * static_cast<Index>(sizeof(U))))), count_(count) {}
  U* data() { return data_; }
  const U* data() const { return data_; }
  Index size() const { return count_; }

 private:
  U* data_ = nullptr;
  Index count_ = 0;
};

/// The caller of the passes fills these tensors, before the operations that follow.
template <class B, class... U>
void caller_fills(Device<B>& device, const U*... tensors) {
  device.plan.operation("the caller", {{tensors, false, true}...});
}
/// The caller of the passes reads these tensors, after the operations so far.
template <class B, class... U>
void caller_reads(Device<B>& device, const U*... tensors) {
  device.plan.operation("the caller", {{tensors, true, false}...});
}

// ---- how an operation is recorded

/// The type of an argument through which nothing can be written.
template <class U, class = void>
struct ReadOnly {
  using type = U;
};
template <class U>
struct ReadOnly<U*> {
  using type = const U*;
};
template <class U>
struct ReadOnly<U, std::void_t<typename U::ConstView>> {
  using type = typename U::ConstView;
};

/// Whether the operation of device Real accepts argument number `at` as const.
template <class Call, class Real, std::size_t at, class... Arguments, std::size_t... i>
constexpr bool accepts_const(std::index_sequence<i...>) {
  return std::is_invocable_v<Call, Real&,
                             std::conditional_t<i == at, typename ReadOnly<Arguments>::type, Arguments>...>;
}

/// Calls visit(pointer) for each piece of memory that an argument names.
template <class U, class Visit>
void for_each_pointer(U* pointer, Visit visit) {
  visit(pointer);
}
template <class T, Meaning meaning, class Visit>
void for_each_pointer(const TensorView<T, meaning>& view, Visit visit) {
  visit(view.data);
}
template <class T, class Visit>
void for_each_pointer(const BatchStatistics<T>& batch, Visit visit) {
  visit(batch.mean);
  visit(batch.inv_std);
}
template <class T, class Visit>
void for_each_pointer(const RunningStatistics<T>& running, Visit visit) {
  visit(running.mean);
  visit(running.var);
}
template <class T, class Visit>
void for_each_pointer(const BatchNormParameters<T>& parameters, Visit visit) {
  visit(parameters.gamma);
  visit(parameters.beta);
}
template <class T, class Visit>
void for_each_pointer(const BatchNormSaved<T>& saved, Visit visit) {
  visit(saved.x.data);
  for_each_pointer(saved.statistics, visit);
  for_each_pointer(saved.parameters, visit);
}
template <class T, class Visit>
void for_each_pointer(const Epilogue<T>& epilogue, Visit visit) {
  visit(epilogue.bias);
}
template <class U, class Visit>
void for_each_pointer(const U&, Visit) {
  constexpr bool has_none = std::is_arithmetic_v<U> || std::is_enum_v<U> || std::is_same_v<U, Dropout> ||
                            std::is_same_v<U, Shape> || std::is_same_v<U, Conv2dGeometry> ||
                            std::is_same_v<U, ConvTranspose2dGeometry>;
  static_assert(has_none, "which memory does an argument of this type name?");
}

template <class U>
bool adds(const U&) {
  return false;
}
inline bool adds(Write write) {
  return write == Write::add;
}
template <class T>
bool adds(const Epilogue<T>& epilogue) {
  return epilogue.write == Write::add;
}

template <class Call, class B, class... Arguments, std::size_t... i>
void record(Device<B>& device, const char* name, std::index_sequence<i...> all, const Arguments&... arguments) {
  using Real = typename B::Device;
  static_assert(std::is_invocable_v<Call, Real&, Arguments...>, "the backend has no such operation");
  std::vector<MemoryPlan::Access> accesses;
  accesses.reserve(2 * sizeof...(arguments));
  const auto append = [&](const auto& argument, bool reads, bool writes) {
    for_each_pointer(argument, [&](const void* memory) {
      const bool is_destination = accesses.empty();
      if (memory != nullptr || is_destination) accesses.push_back({memory, reads, writes});  // there may be no bias
    });
  };
  const bool adding = (adds(arguments) || ...);
  (append(arguments, i == 0 ? adding : accepts_const<Call, Real, i, Arguments...>(all),
          i == 0 || !accepts_const<Call, Real, i, Arguments...>(all)),
   ...);
  device.plan.operation(name, accesses);
}

/// The only argument of that type.
template <class Geometry, class... Arguments>
const Geometry& geometry_of(const Arguments&... arguments) {
  return std::get<const Geometry&>(std::tie(arguments...));
}

/// The destination.
template <class First, class... Others>
const First& first(const First& argument, const Others&...) {
  return argument;
}

// `workspace` is an expression of device.real and arguments..., in values.
#define ATTNUNET_PLANNED(operation, workspace)                                                                \
  struct operation##_call {                                                                                   \
    template <class Real, class... Arguments>                                                                 \
    auto operator()(Real& device, Arguments... arguments) const -> decltype(operation(device, arguments...)); \
  };                                                                                                          \
  template <class B, class... Arguments>                                                                      \
  void operation(Device<B>& device, const Arguments&... arguments) {                                          \
    record<operation##_call>(device, #operation, std::index_sequence_for<Arguments...>(), arguments...);      \
    device.plan.need_workspace((workspace) * static_cast<Index>(sizeof(typename B::Scalar)));                 \
  }

// ---- every operation that a pass may call

ATTNUNET_PLANNED(conv2d_forward, conv2d_workspace(device.real, geometry_of<Conv2dGeometry>(arguments...)))
ATTNUNET_PLANNED(conv2d_backward_data, conv2d_workspace(device.real, geometry_of<Conv2dGeometry>(arguments...)))
ATTNUNET_PLANNED(conv2d_backward_weights, conv2d_workspace(device.real, geometry_of<Conv2dGeometry>(arguments...)))
ATTNUNET_PLANNED(conv2d_statistics_forward,
                 conv2d_statistics_workspace(device.real, geometry_of<Conv2dGeometry>(arguments...)))
ATTNUNET_PLANNED(conv_transpose2d_forward,
                 conv_transpose2d_workspace(device.real, geometry_of<ConvTranspose2dGeometry>(arguments...)))
ATTNUNET_PLANNED(conv_transpose2d_backward_data,
                 conv_transpose2d_workspace(device.real, geometry_of<ConvTranspose2dGeometry>(arguments...)))
ATTNUNET_PLANNED(conv_transpose2d_backward_weights,
                 conv_transpose2d_workspace(device.real, geometry_of<ConvTranspose2dGeometry>(arguments...)))
ATTNUNET_PLANNED(batch_norm_forward,
                 batch_norm_workspace(device.real, first(arguments...).pixels, first(arguments...).channels))
ATTNUNET_PLANNED(batch_norm_backward,
                 batch_norm_workspace(device.real, first(arguments...).pixels, first(arguments...).channels))
ATTNUNET_PLANNED(batch_norm_relu_dropout_forward, 0)
ATTNUNET_PLANNED(batch_norm_relu_dropout_backward,
                 batch_norm_relu_dropout_workspace(device.real, first(arguments...).pixels,
                                                   first(arguments...).channels))
ATTNUNET_PLANNED(relu_forward, 0)
ATTNUNET_PLANNED(relu_backward, 0)
ATTNUNET_PLANNED(dropout_forward, 0)
ATTNUNET_PLANNED(dropout_backward, 0)
ATTNUNET_PLANNED(max_pool_forward, 0)
ATTNUNET_PLANNED(max_pool_backward, 0)
ATTNUNET_PLANNED(add_forward, 0)
ATTNUNET_PLANNED(sigmoid_forward, 0)
ATTNUNET_PLANNED(sigmoid_backward, 0)
ATTNUNET_PLANNED(attention_multiply_forward, 0)
ATTNUNET_PLANNED(attention_multiply_backward, 0)
ATTNUNET_PLANNED(concat_forward, 0)
ATTNUNET_PLANNED(concat_backward, 0)
ATTNUNET_PLANNED(edge_pad_forward, 0)
ATTNUNET_PLANNED(edge_pad_backward, 0)
ATTNUNET_PLANNED(crop_forward, 0)
ATTNUNET_PLANNED(crop_backward, 0)
ATTNUNET_PLANNED(fold_batch_norm, 0)
ATTNUNET_PLANNED(copy_on_device, 0)
ATTNUNET_PLANNED(fill_zero, 0)

#undef ATTNUNET_PLANNED

}  // namespace planning

template <class B>
struct Planning : B {
  using Device = planning::Device<B>;
  template <class U>
  using Buffer = planning::Buffer<B, U>;
};

}  // namespace attnunet
