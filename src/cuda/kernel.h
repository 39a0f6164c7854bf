// The words kernels are written in. Every .cu file includes it, and besides them only headers that define device
// functions (and the tests of the simulator); the order of includes makes no difference.
//
// nvcc compiles them for GPUs, the host's compiler for the simulator (ATTNUNET_SIMULATOR; sim/language.h gives CUDA's
// words their meaning there). So kernels keep to what both have:
//   launch(device, {"name", grid, block}, kernel, arguments...)   the one way to start a kernel
//   ATTNUNET_SHARED(float, tile, [16][17]);                       shared memory; ATTNUNET_DYNAMIC_SHARED(float, all);
//   ATTNUNET_SYNCTHREADS(); ATTNUNET_SYNCWARP(mask)               at most one a source line
//   warp_shuffle_down, warp_shuffle_xor, cp.async and mma wrappers (async_copy.h, tensor_core.h): all lanes take
//   part; no return before a barrier, no waiting for another block, no printf
// Launches, copies and the waiting for them belong to a stream of the host's thread that asks: a device and what lies
// on it are used by one thread.
//
// Rounding: products and sums never contract by themselves (nvcc -fmad=false, g++ -ffp-contract=off). Kernels say
// fma(a, b, c) where they want one rounding, so that simulator and GPU round alike and the bounds in
// tests/support/tolerance.h, made for separate roundings, hold for both. exp and log1p differ in the last bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/device.h"

#ifdef ATTNUNET_SIMULATOR
#include "cuda/sim/language.h"
#else
#include <cuda_runtime.h>
#endif

namespace attnunet::cuda {

struct LaunchShape {
  const char* kernel;  ///< its name, for messages
  dim3 grid, block;
  std::size_t dynamic_shared = 0;  ///< bytes
};

#ifdef ATTNUNET_SIMULATOR

using ThisMachine = Simulator;

template <class... P>
void launch(Device<Simulator>&, const LaunchShape& shape, void (*kernel)(P...), std::common_type_t<P>... arguments) {
  sim::run(shape.kernel, shape.grid, shape.block, shape.dynamic_shared, [&] { kernel(arguments...); });
}

#define ATTNUNET_UNROLL
#define ATTNUNET_KEEP_ROLLED
#define ATTNUNET_SYNCTHREADS() ::attnunet::cuda::sim::block_barrier({__FILE__, __LINE__})
#define ATTNUNET_SYNCWARP(mask) ::attnunet::cuda::sim::warp_meeting(mask, nullptr, nullptr, true, {__FILE__, __LINE__})
#define ATTNUNET_SHARED(type, name, dimensions)     \
  typedef type name##_array dimensions;             \
  static const char name##_key = 0;                 \
  name##_array& name = *static_cast<name##_array*>( \
      ::attnunet::cuda::sim::shared_memory(&name##_key, sizeof(name##_array), {__FILE__, __LINE__}))
#define ATTNUNET_DYNAMIC_SHARED(type, name) \
  type* name = static_cast<type*>(::attnunet::cuda::sim::shared_memory(nullptr, 0, {__FILE__, __LINE__}))

#else

using ThisMachine = Gpu;

/// Not the legacy default stream: this one can be captured in a graph. Each thread of the host has its own.
inline const cudaStream_t stream = cudaStreamPerThread;

inline void check(cudaError_t error, const char* what, const char* which = "") {
  if (error != cudaSuccess) throw Error(std::string("CUDA: ") + what + which + ": " + cudaGetErrorString(error));
}

/// Lets a kernel have more than the 48 KiB of shared memory that none needs to ask for. The run-time is asked once a
/// kernel, not at each of its launches.
void allow_shared_memory(const void* kernel, std::size_t bytes, const char* name);

template <class... P>
void launch(Device<Gpu>&, const LaunchShape& shape, void (*kernel)(P...), std::common_type_t<P>... arguments) {
  constexpr std::size_t without_asking = 48 << 10;
  if (shape.dynamic_shared > without_asking)
    allow_shared_memory(reinterpret_cast<const void*>(kernel), shape.dynamic_shared, shape.kernel);
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.dynamic_shared;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, arguments...), "kernel ", shape.kernel);
}

#define ATTNUNET_UNROLL _Pragma("unroll")
#define ATTNUNET_KEEP_ROLLED _Pragma("unroll 1")
#define ATTNUNET_SYNCTHREADS() __syncthreads()
#define ATTNUNET_SYNCWARP(mask) __syncwarp(mask)
#define ATTNUNET_SHARED(type, name, dimensions) __shared__ __align__(16) type name dimensions
#define ATTNUNET_DYNAMIC_SHARED(type, name)                               \
  extern __shared__ __align__(128) unsigned char dynamic_shared_memory[]; \
  type* name = reinterpret_cast<type*>(dynamic_shared_memory)

#endif

using ThisDevice = Device<ThisMachine>;

// ---- indices

constexpr int warp_size = 32;
constexpr std::uint32_t full_warp = 0xFFFFFFFFu;

/// Threads of a block in kernels to which its size makes no difference.
constexpr unsigned block_threads = 256;

/// Blocks of `threads` that give each of n elements a thread; at least one.
inline unsigned blocks_for(Index n, unsigned threads) {
  return n <= 0 ? 1u : static_cast<unsigned>((n + threads - 1) / threads);
}
/// This thread's number in a one-dimensional grid.
static __device__ __forceinline__ Index thread_of_grid() {
  return Index{blockIdx.x} * Index{blockDim.x} + Index{threadIdx.x};
}

// ---- math that is not the same word everywhere

#ifdef ATTNUNET_SIMULATOR
using std::fma;
#endif

template <class T>
static __device__ __forceinline__ T activated(T value, Activation activation) {
  return activation == Activation::relu && value <= T(0) ? T(0) : value;
}

// ---- warps

#ifdef ATTNUNET_SIMULATOR
/// The value of the lane `delta` above (unchanged where there is none), or of the lane whose number differs by `mask`.
#define warp_shuffle_down(value, delta) ::attnunet::cuda::sim::shuffle_down(value, delta, {__FILE__, __LINE__})
#define warp_shuffle_xor(value, bits) ::attnunet::cuda::sim::shuffle_xor(value, bits, {__FILE__, __LINE__})
#define warp_ballot(predicate) ::attnunet::cuda::sim::ballot(predicate, {__FILE__, __LINE__})
#else
#define warp_shuffle_down(value, delta) __shfl_down_sync(::attnunet::cuda::full_warp, value, delta)
#define warp_shuffle_xor(value, bits) __shfl_xor_sync(::attnunet::cuda::full_warp, value, bits)
#define warp_ballot(predicate) __ballot_sync(::attnunet::cuda::full_warp, predicate)
#endif

}  // namespace attnunet::cuda
