// The CPU as a backend: how many threads work, where memory comes from, how host data gets in and out.
//
// Networks, trainer, gradient checks and tests are templated on a backend type B (here Cpu<float>, Cpu<double>) and
// reach everything through it:
//   B::Scalar        the number type activations, parameters and gradients have
//   B::Device        passed first to every operation; the operations of namespace cpu are found through it
//   B::Buffer<U>     owning memory of the device
//   B::LateCopy<U>   a value on its way to the host, which does not wait for it
//   B::reads_wait    whether a read from the device holds up the work on it: see Cpu
//   B::recomputes    whether training computes again what is cheap to compute: see Cpu
//   copy_to_device, copy_to_host, copy_on_device, fill_zero   the only ways in and out
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "common/core/backend.h"
#include "common/core/conv_method.h"
#include "common/core/geometry.h"

namespace attnunet {
namespace cpu {

/// What this copy of src/cpu is compiled for: a program may hold several and choose when it starts (src/dispatch.cpp).
struct InstructionSet {
  const char* name;     ///< as in g++ -march=..., e.g. "x86-64-v4"
  const char* vectors;  ///< its widest, e.g. "AVX-512"
};
InstructionSet instruction_set();

class Device {
 public:
  /// threads >= 1. Results do not depend on it, to the bit. `memory`: bytes that may be allocated, if that is known.
  explicit Device(int threads, ConvMethod conv = ConvMethod::automatic,
                  Index memory = std::numeric_limits<Index>::max())
      : threads_(threads), conv_(conv), memory_(memory) {}
  int threads() const { return threads_; }
  ConvMethod conv() const { return conv_; }
  /// Whether every layer that has plain loops (X_reference.h) runs those.
  bool plain_loops() const { return conv_ == ConvMethod::reference; }

  /// Returns when all that was asked for is done: here every operation is, when it returns.
  void synchronize() {}
  /// What work may be planned for. The system gives memory only as it is touched, and if there is none left it ends the
  /// process: so what does not fit must be refused beforehand.
  Index available_bytes() const { return memory_; }
  /// The processor's, as the system tells it.
  std::string name() const;

 private:
  int threads_;
  ConvMethod conv_;
  Index memory_;
};

/// Owning memory on 64-byte boundaries (a cache line, an AVX-512 vector). Contents start undefined. Large buffers lie
/// on huge pages where the system grants them: a pass over hundreds of megabytes then needs few address translations.
template <class U>
class Buffer {
  static_assert(std::is_trivially_copyable<U>::value, "buffers hold plain numbers and records");

 public:
  Buffer() = default;
  Buffer(Device&, Index count) : count_(count) {
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    const std::size_t wanted = static_cast<std::size_t>(count) * sizeof(U);
    const std::size_t alignment = wanted < 4 * huge_page ? 64 : huge_page;
    const std::size_t bytes = (wanted + alignment - 1) / alignment * alignment;
    if (bytes == 0) return;
    data_ = static_cast<U*>(std::aligned_alloc(alignment, bytes));
    if (data_ == nullptr) throw std::bad_alloc();
    if (alignment == huge_page) madvise(data_, bytes, MADV_HUGEPAGE);  // a wish: without them all works as well
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() { std::free(data_); }

  U* data() { return data_; }
  const U* data() const { return data_; }
  Index size() const { return count_; }

 private:
  void swap(Buffer& other) {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }
  U* data_ = nullptr;
  Index count_ = 0;
};

/// A copy of a value to the host that the host does not wait for: of what `source` holds when all that was asked for
/// before is done. Here that is at once.
template <class U>
class LateCopy {
 public:
  explicit LateCopy(Device&) {}
  void start(const U* source) { value_ = *source; }
  /// Whether the copy that was started last is done. Does not wait.
  bool arrived() const { return true; }
  /// Its value; waits for it.
  U value() { return value_; }

 private:
  U value_{};
};

template <class U>
void copy_on_device(Device&, U* destination, const U* source, Index count) {
  if (count > 0) std::memcpy(destination, source, static_cast<std::size_t>(count) * sizeof(U));
}
template <class U>
void copy_to_device(Device& device, U* destination, const U* host, Index count) {
  copy_on_device(device, destination, host, count);
}
template <class U>
void copy_to_host(Device& device, U* host, const U* source, Index count) {
  copy_on_device(device, host, source, count);
}
template <class U>
void fill_zero(Device&, U* destination, Index count) {
  if (count > 0) std::memset(destination, 0, static_cast<std::size_t>(count) * sizeof(U));
}

}  // namespace cpu

template <class T>
struct Cpu {
  using Scalar = T;
  using Device = cpu::Device;
  template <class U>
  using Buffer = cpu::Buffer<U>;
  template <class U>
  using LateCopy = cpu::LateCopy<U>;
  static constexpr Backend backend = Backend::cpu;
  /// True on a device of its own memory that works through its orders while the host goes on: there a read makes the
  /// host wait for all of them, and the device then for new ones. So training reads scores once per epoch, and keeps
  /// the dataset where the device has it at hand. Here memory is the host's, and every operation is done when it
  /// returns: scores are read after each step, and a second copy of the dataset would be a waste.
  static constexpr bool reads_wait = false;
  /// True where memory is dearer than a pass over it: what a pass makes from what is saved anyway is then made again in
  /// backward instead of being saved (nn/double_conv.h). On a GPU such passes are a third of a training step.
  static constexpr bool recomputes = true;
};

}  // namespace attnunet
