// The backends that tests run on. A test body is written once, templated on the backend (TYPED_TEST), and runs on the
// CPU, on the CUDA kernels in the simulator, and on a GPU where one is; where the build has CUDA and the machine no
// GPU, the GPU's tests are skipped by name.
#pragma once

#include <gtest/gtest.h>

#include "cpu/device.h"
#include "cuda/device.h"

namespace attnunet {

#if defined(__SANITIZE_THREAD__)
// Debian's libgomp is not built for the thread sanitizer: its own synchronisation would be reported.
constexpr int most_test_threads = 1;
#else
constexpr int most_test_threads = 2;
#endif

/// A device of backend B as tests use it; on the CPU with more threads than one, so that races and uneven shares can
/// show.
template <class B>
struct TestDevice : B::Device {
  explicit TestDevice(int /*threads*/ = most_test_threads) {}
};

template <class T>
struct TestDevice<Cpu<T>> : cpu::Device {
  explicit TestDevice(int threads = most_test_threads) : cpu::Device(threads) {}
};

/// On the CPU, 3x3 convolutions directly: for tests whose bounds are those of the direct sum.
template <class Device>
void convolve_directly(Device& device) {
  if constexpr (std::is_base_of<cpu::Device, Device>::value)
    static_cast<cpu::Device&>(device) = cpu::Device(device.threads(), ConvMethod::direct);
}

#ifdef ATTNUNET_TEST_CUDA
using DoubleBackends = ::testing::Types<Cpu<double>, CudaSim<double>, Cuda<double>>;
using FloatBackends = ::testing::Types<Cpu<float>, CudaSim<float>, Cuda<float>>;
using AllBackends =
    ::testing::Types<Cpu<float>, Cpu<double>, CudaSim<float>, CudaSim<double>, Cuda<float>, Cuda<double>>;
#else
using DoubleBackends = ::testing::Types<Cpu<double>, CudaSim<double>>;
using FloatBackends = ::testing::Types<Cpu<float>, CudaSim<float>>;
using AllBackends = ::testing::Types<Cpu<float>, Cpu<double>, CudaSim<float>, CudaSim<double>>;
#endif
/// For what is held against the CPU.
#ifdef ATTNUNET_TEST_CUDA
using CudaDoubleBackends = ::testing::Types<CudaSim<double>, Cuda<double>>;
using CudaFloatBackends = ::testing::Types<CudaSim<float>, Cuda<float>>;
#else
using CudaDoubleBackends = ::testing::Types<CudaSim<double>>;
using CudaFloatBackends = ::testing::Types<CudaSim<float>>;
#endif
/// For what only the CPU has: results that must not depend on the number of threads.
using CpuBackends = ::testing::Types<Cpu<float>, Cpu<double>>;

/// The same backend with the other precision.
template <class B, class T>
struct Rebind;
template <template <class> class Backend, class From, class T>
struct Rebind<Backend<From>, T> {
  using type = Backend<T>;
};

/// The backend whose code B runs: B itself, but for those that only choose another device for it (conv_methods.h).
template <class B>
struct CodeOf {
  using type = B;
};
template <class B>
using Code = typename CodeOf<B>::type;

/// Why tests of backend B cannot run here; empty if they can.
template <class B>
std::string backend_missing() {
  using T = typename B::Scalar;
  return std::is_same_v<Code<B>, Cuda<T>> ? cuda::gpu_missing() : "";
}

/// Fixture of a typed test: a backend's device.
template <class B>
class BackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string missing = backend_missing<B>();
    if (!missing.empty()) GTEST_SKIP() << missing;
  }
  TestDevice<B> device;
};

/// Fixture for whole networks on a few pixels, where starting a second thread takes longer than the work.
template <class B>
class SmallNetworkTest : public BackendTest<B> {
 protected:
  TestDevice<B> device{1};
};

}  // namespace attnunet
