// CUDA's words for the host's compiler: qualifiers, indices, warp operations and atomics, on the engine of the
// simulator. Included by cuda/kernel.h alone.
#pragma once

#include <cmath>
#include <cstring>
#include <type_traits>

#include "cuda/sim/engine.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

#define threadIdx (::attnunet::cuda::sim::current_thread->thread_index)
#define blockIdx (::attnunet::cuda::sim::current_thread->block_index)
#define blockDim (::attnunet::cuda::sim::current_thread->block_dim)
#define gridDim (::attnunet::cuda::sim::current_thread->grid_dim)

namespace attnunet::cuda {

struct dim3 : sim::Dim3 {
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : sim::Dim3{x_, y_, z_} {}
};

// Vectors for 16- and 8-byte accesses, aligned as on the GPU (UBSan reports the access that is not).
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}

template <class T>
T atomicAdd(T* address, T value) {
  static_assert(std::is_integral<T>::value, "float sums depend on the order: reduce in two stages");
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}

namespace sim {

template <class T>
struct ShuffleSlot {
  T value, result;
  unsigned argument;
};

template <class T>
T shuffle_down(T value, unsigned delta, SourceLine place) {
  ShuffleSlot<T> slot{value, value, delta};
  warp_meeting(
      0xFFFFFFFFu, &slot,
      [](void* const(&lanes)[32]) {
        for (unsigned lane = 0; lane < 32; ++lane) {
          auto* mine = static_cast<ShuffleSlot<T>*>(lanes[lane]);
          if (lane + mine->argument < 32)
            mine->result = static_cast<ShuffleSlot<T>*>(lanes[lane + mine->argument])->value;
        }
      },
      false, place);
  return slot.result;
}

template <class T>
T shuffle_xor(T value, unsigned bits, SourceLine place) {
  ShuffleSlot<T> slot{value, value, bits};
  warp_meeting(
      0xFFFFFFFFu, &slot,
      [](void* const(&lanes)[32]) {
        for (unsigned lane = 0; lane < 32; ++lane) {
          auto* mine = static_cast<ShuffleSlot<T>*>(lanes[lane]);
          mine->result = static_cast<ShuffleSlot<T>*>(lanes[(lane ^ mine->argument) & 31])->value;
        }
      },
      false, place);
  return slot.result;
}

inline std::uint32_t ballot(bool predicate, SourceLine place) {
  ShuffleSlot<std::uint32_t> slot{predicate ? 1u : 0u, 0u, 0u};
  warp_meeting(
      0xFFFFFFFFu, &slot,
      [](void* const(&lanes)[32]) {
        std::uint32_t bits = 0;
        for (unsigned lane = 0; lane < 32; ++lane)
          bits |= static_cast<ShuffleSlot<std::uint32_t>*>(lanes[lane])->value << lane;
        for (void* lane : lanes) static_cast<ShuffleSlot<std::uint32_t>*>(lane)->result = bits;
      },
      false, place);
  return slot.result;
}

}  // namespace sim
}  // namespace attnunet::cuda
