// The GPU as a backend, and the simulator in its place: memory, copies, what the device is.
//
// Two machines run the kernels of src/cuda: Gpu (compiled by nvcc, only in builds that found it) and Simulator (the
// same sources compiled by the host's compiler, see sim/engine.h). Everything is templated on the machine, so that both
// stand in one program: operations take a Device<M>&, networks take Cuda<T> or CudaSim<T> where they take Cpu<T>.
//
// All work goes to one stream in the order it is asked for. The host does not wait for it but in copy_to_host,
// LateCopy::value and synchronize.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/core/backend.h"
#include "common/core/error.h"
#include "common/core/geometry.h"
#include "common/core/precision.h"

namespace attnunet {
namespace cuda {

/// What a machine must be able to do; gpu.cu and simulator.cpp define it. All throw Error with the reason.
struct Gpu {
  /// A copy of `bytes` to the host, in the order of all work, that the host does not wait for.
  class LateCopy {
   public:
    explicit LateCopy(std::size_t bytes);
    ~LateCopy();
    LateCopy(const LateCopy&) = delete;
    LateCopy& operator=(const LateCopy&) = delete;
    void start(const void* device);
    bool arrived() const;      ///< the copy that was started last; does not wait
    const void* wait() const;  ///< for that copy alone; where it is on the host

   private:
    std::size_t bytes_;
    void* host_ = nullptr;
    void* event_ = nullptr;  // a cudaEvent_t
  };

  static void* allocate(std::size_t bytes);  ///< at least 256-byte aligned
  static void release(void* memory) noexcept;
  static void copy_in(void* device, const void* host, std::size_t bytes);
  static void copy_out(void* host, const void* device, std::size_t bytes);  ///< waits for all work
  static void copy_within(void* destination, const void* source, std::size_t bytes);
  static void fill(void* device, std::size_t bytes);  ///< with zeros
  static void synchronize();
  static std::size_t available_bytes();
  static std::string name();
};
struct Simulator {
  /// Arrives at once or, if ATTNUNET_SIM_ORDER is not ascending, only when it is waited for.
  class LateCopy {
   public:
    explicit LateCopy(std::size_t bytes) : sent_(bytes), host_(bytes) {}
    void start(const void* device);
    bool arrived() const { return arrived_; }
    const void* wait();

   private:
    std::vector<std::byte> sent_, host_;
    bool arrived_ = false;
  };

  static void* allocate(std::size_t bytes);
  static void release(void* memory) noexcept;
  static void copy_in(void* device, const void* host, std::size_t bytes);
  static void copy_out(void* host, const void* device, std::size_t bytes);
  static void copy_within(void* destination, const void* source, std::size_t bytes);
  static void fill(void* device, std::size_t bytes);
  static void synchronize() {}
  static std::size_t available_bytes();
  static std::string name() { return "simulator"; }
};

/// Why no GPU can be used here; empty where one can.
#ifdef ATTNUNET_HAVE_CUDA
std::string gpu_missing();
#else
inline std::string gpu_missing() {
  return "this build has no CUDA: install the CUDA toolkit (nvcc) and run make again, or use --backend cuda-sim or cpu";
}
#endif

/// Touches no hardware until it is used: where gpu_missing() says something the first use throws.
template <class M>
class Device {
 public:
  /// float32 networks use tensor cores where the precision allows it; double networks are always exact.
  explicit Device(Precision precision = Precision::float32) : precision_(precision) {}

  Precision precision() const { return precision_; }
  /// Waits until all work is done. Throws Error where some of it failed.
  void synchronize() { M::synchronize(); }
  /// Memory that can still be had.
  Index available_bytes() const { return static_cast<Index>(M::available_bytes()); }
  std::string name() const { return M::name(); }

 private:
  Precision precision_;
};

/// Owning memory of the device, 256-byte aligned. Contents start undefined.
template <class M, class U>
class Buffer {
  static_assert(std::is_trivially_copyable<U>::value, "buffers hold plain numbers and records");

 public:
  Buffer() = default;
  /// Throws Error where the device has not enough memory.
  Buffer(Device<M>&, Index count) : count_(count) {
    if (count > 0) data_ = static_cast<U*>(M::allocate(static_cast<std::size_t>(count) * sizeof(U)));
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) M::release(data_);
  }

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
/// before is done.
template <class M, class U>
class LateCopy {
  static_assert(std::is_trivially_copyable<U>::value, "plain numbers and records are copied");

 public:
  explicit LateCopy(Device<M>&) : copy_(sizeof(U)) {}
  void start(const U* source) { copy_.start(source); }
  /// Whether the copy that was started last is done. Does not wait.
  bool arrived() const { return copy_.arrived(); }
  /// Its value; waits for it, not for what was asked for since.
  U value() {
    U value;
    std::memcpy(&value, copy_.wait(), sizeof value);
    return value;
  }

 private:
  typename M::LateCopy copy_;
};

template <class M, class U>
void copy_on_device(Device<M>&, U* destination, const U* source, Index count) {
  if (count > 0) M::copy_within(destination, source, static_cast<std::size_t>(count) * sizeof(U));
}
/// `host` may be reused at once.
template <class M, class U>
void copy_to_device(Device<M>&, U* destination, const U* host, Index count) {
  if (count > 0) M::copy_in(destination, host, static_cast<std::size_t>(count) * sizeof(U));
}
template <class M, class U>
void copy_to_host(Device<M>&, U* host, const U* source, Index count) {
  if (count > 0) M::copy_out(host, source, static_cast<std::size_t>(count) * sizeof(U));
}
template <class M, class U>
void fill_zero(Device<M>&, U* destination, Index count) {
  if (count > 0) M::fill(destination, static_cast<std::size_t>(count) * sizeof(U));
}

}  // namespace cuda

template <class T>
struct Cuda {
  using Scalar = T;
  using Device = cuda::Device<cuda::Gpu>;
  template <class U>
  using Buffer = cuda::Buffer<cuda::Gpu, U>;
  template <class U>
  using LateCopy = cuda::LateCopy<cuda::Gpu, U>;
  static constexpr Backend backend = Backend::cuda;
  static constexpr bool reads_wait = true;   // see Cpu
  static constexpr bool recomputes = false;  // see Cpu
};

template <class T>
struct CudaSim {
  using Scalar = T;
  using Device = cuda::Device<cuda::Simulator>;
  template <class U>
  using Buffer = cuda::Buffer<cuda::Simulator, U>;
  template <class U>
  using LateCopy = cuda::LateCopy<cuda::Simulator, U>;
  static constexpr Backend backend = Backend::cuda_sim;
  static constexpr bool reads_wait = true;   // see Cpu
  static constexpr bool recomputes = false;  // see Cpu
};

}  // namespace attnunet
