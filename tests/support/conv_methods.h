// Backends that choose how they convolve: the CPU by one method, CUDA kernels in one precision.
#pragma once

#include "support/backends.h"

namespace attnunet {

/// The CPU by one method, whatever it would choose by itself.
template <class T, ConvMethod method>
struct CpuBy : Cpu<T> {};
template <class T, ConvMethod method>
struct TestDevice<CpuBy<T, method>> : cpu::Device {
  explicit TestDevice(int threads = most_test_threads) : cpu::Device(threads, method) {}
};

template <class T, ConvMethod method>
struct CodeOf<CpuBy<T, method>> {
  using type = Cpu<T>;
};

/// The CPU's plain loops (src/cpu/*_reference.cpp).
template <class T>
using CpuReference = CpuBy<T, ConvMethod::reference>;
template <class From, ConvMethod method, class T>
struct Rebind<CpuBy<From, method>, T> {
  using type = CpuBy<T, method>;
};

/// A CUDA backend with its products in one precision.
template <class B, Precision precision>
struct CudaIn : B {};
template <class B, Precision precision>
struct TestDevice<CudaIn<B, precision>> : B::Device {
  explicit TestDevice(int /*threads*/ = most_test_threads) : B::Device(precision) {}
};
template <class B, Precision precision>
struct CodeOf<CudaIn<B, precision>> {
  using type = B;
};

template <class Some, class Others>
struct Joined;
template <class... A, class... B>
struct Joined<::testing::Types<A...>, ::testing::Types<B...>> {
  using type = ::testing::Types<A..., B...>;
};

template <class T>
using CpuFastMethods =
    ::testing::Types<CpuBy<T, ConvMethod::gemm>, CpuBy<T, ConvMethod::direct>, CpuBy<T, ConvMethod::winograd>>;
template <class T>
using CpuMethods = typename Joined<CpuFastMethods<T>, ::testing::Types<CpuReference<T>>>::type;

/// The backends and the CPU's plain loops, for layers that have such.
using DoubleBackendsAndReference = Joined<DoubleBackends, ::testing::Types<CpuReference<double>>>::type;
using AllBackendsAndReference = Joined<AllBackends, ::testing::Types<CpuReference<float>, CpuReference<double>>>::type;
/// For suites that expect what the plain loops make in double: these are not held against themselves.
using AllBackendsAndFloatReference = Joined<AllBackends, ::testing::Types<CpuReference<float>>>::type;

}  // namespace attnunet
