// Four floats in one 16-byte access: a thread then has four times the bytes under way, which kernels that are bound by
// memory need to keep it busy.
#pragma once

#include "cuda/kernel.h"

namespace attnunet::cuda {

struct alignas(16) Quad {
  float of[4];
};

static __device__ __forceinline__ Quad load_quad(const float* from) {
  return *reinterpret_cast<const Quad*>(from);
}
static __device__ __forceinline__ void store_quad(float* to, const Quad& quad) {
  *reinterpret_cast<Quad*>(to) = quad;
}

/// Whether quads may start at all of these.
template <class... U>
bool quad_aligned(const U*... pointers) {
  return (... && (reinterpret_cast<std::uintptr_t>(pointers) % alignof(Quad) == 0));
}

}  // namespace attnunet::cuda
