// The backends that tests run on. A test body is written once, templated on the backend (TYPED_TEST).
#pragma once

#include <gtest/gtest.h>

#include "cpu/device.h"

namespace attnunet {

/// A device of backend B as tests use it: more threads than one, so that races and uneven shares can show.
template <class B>
struct TestDevice;

template <class T>
struct TestDevice<Cpu<T>> : cpu::Device {
  explicit TestDevice(int threads = 2) : cpu::Device(threads) {}
};

using DoubleBackends = ::testing::Types<Cpu<double>>;
using FloatBackends = ::testing::Types<Cpu<float>>;
using AllBackends = ::testing::Types<Cpu<float>, Cpu<double>>;

/// The same backend with the other precision.
template <class B, class T>
struct Rebind;
template <class From, class T>
struct Rebind<Cpu<From>, T> {
  using type = Cpu<T>;
};

/// Fixture for whole networks on a few pixels, where starting a second thread takes longer than the work.
template <class B>
class SmallNetworkTest : public ::testing::Test {
 protected:
  TestDevice<B> device{1};
};

/// Fixture of a typed test: a backend's device.
template <class B>
class BackendTest : public ::testing::Test {
 protected:
  TestDevice<B> device;
};

}  // namespace attnunet
