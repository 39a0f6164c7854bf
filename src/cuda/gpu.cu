// The GPU's memory and copies, by the CUDA run-time. Not part of the simulator.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "cuda/device.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

// Errors of kernels show where the host waits next, without their name.
void check_work(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  throw Error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(error) +
              " (in this or in earlier work: CUDA_LAUNCH_BLOCKING=1 names the kernel)");
}

// Host memory that is locked in place, through which everything goes to the GPU. From ordinary memory the run-time may
// let the host wait until the GPU has done all it was asked for before; from here a copy takes its place in the stream
// and the host goes on. Pieces are used in turn, each again when its last copy is done.
class Staging {
 public:
  void copy(std::byte* device, const std::byte* host, std::size_t bytes) {
    for (std::size_t done = 0, part = 0; done < bytes; done += part) {
      part = std::min(bytes - done, piece_bytes);
      Piece& piece = pieces_[next_++ % pieces];
      if (piece.memory == nullptr) {
        check(cudaEventCreateWithFlags(&piece.copied, cudaEventDisableTiming), "make an event");
        check(cudaMallocHost(&piece.memory, piece_bytes), "lock memory of the host");
      } else {
        check_work(cudaEventSynchronize(piece.copied), "copy to the GPU");
      }
      std::memcpy(piece.memory, host + done, part);
      check_work(cudaMemcpyAsync(device + done, piece.memory, part, cudaMemcpyHostToDevice, stream), "copy to the GPU");
      check(cudaEventRecord(piece.copied, stream), "record an event");
    }
  }

 private:
  // A training step that brings its batch along uploads two pieces, so the host may be three steps ahead.
  static constexpr std::size_t pieces = 8, piece_bytes = std::size_t{4} << 20;
  struct Piece {
    void* memory = nullptr;
    cudaEvent_t copied = nullptr;
  };
  Piece pieces_[pieces];
  std::size_t next_ = 0;
};

}  // namespace

void allow_shared_memory(const void* kernel, std::size_t bytes, const char* name) {
  thread_local std::unordered_map<const void*, std::size_t> allowed;
  std::size_t& most = allowed[kernel];
  if (bytes <= most) return;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
        "shared memory for kernel ", name);
  most = bytes;
}

std::string gpu_missing() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess && count > 0) return "";
  static_cast<void>(cudaGetLastError());
  return "no CUDA device: use --backend cuda-sim or cpu, or run where nvidia-smi lists a GPU";
}

void* Gpu::allocate(std::size_t bytes) {
  void* memory = nullptr;
  if (cudaMalloc(&memory, bytes) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    const std::string missing = gpu_missing();
    if (!missing.empty()) throw Error(missing);
    throw Error("the GPU cannot give " + std::to_string(bytes >> 20) + " MiB more memory, " +
                std::to_string(available_bytes() >> 20) + " MiB are free: use a smaller --batch, --size or --base");
  }
  return memory;
}
void Gpu::release(void* memory) noexcept {
  static_cast<void>(cudaFree(memory));
}
void Gpu::copy_in(void* device, const void* host, std::size_t bytes) {
  // Never released: at the end of the program the run-time may be gone already.
  thread_local Staging& staging = *new Staging;
  staging.copy(static_cast<std::byte*>(device), static_cast<const std::byte*>(host), bytes);
}
void Gpu::copy_out(void* host, const void* device, std::size_t bytes) {
  check_work(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream), "copy from the GPU");
  synchronize();
}
void Gpu::copy_within(void* destination, const void* source, std::size_t bytes) {
  check(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToDevice, stream), "copy on the GPU");
}
void Gpu::fill(void* device, std::size_t bytes) {
  check(cudaMemsetAsync(device, 0, bytes, stream), "fill");
}
void Gpu::synchronize() {
  check_work(cudaStreamSynchronize(stream), "wait for the GPU");
}

Gpu::LateCopy::LateCopy(std::size_t bytes) : bytes_(bytes) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "make an event");
  event_ = event;
  check(cudaMallocHost(&host_, bytes), "lock memory of the host");
}
Gpu::LateCopy::~LateCopy() {
  // The copy may be under way still. Errors have no one to be told.
  static_cast<void>(cudaEventSynchronize(static_cast<cudaEvent_t>(event_)));
  static_cast<void>(cudaEventDestroy(static_cast<cudaEvent_t>(event_)));
  static_cast<void>(cudaFreeHost(host_));
}
void Gpu::LateCopy::start(const void* device) {
  check_work(cudaMemcpyAsync(host_, device, bytes_, cudaMemcpyDeviceToHost, stream), "copy from the GPU");
  check(cudaEventRecord(static_cast<cudaEvent_t>(event_), stream), "record an event");
}
bool Gpu::LateCopy::arrived() const {
  const cudaError_t answer = cudaEventQuery(static_cast<cudaEvent_t>(event_));
  if (answer == cudaErrorNotReady) return false;
  check_work(answer, "copy from the GPU");
  return true;
}
const void* Gpu::LateCopy::wait() const {
  check_work(cudaEventSynchronize(static_cast<cudaEvent_t>(event_)), "copy from the GPU");
  return host_;
}

std::size_t Gpu::available_bytes() {
  std::size_t available = 0, total = 0;
  check(cudaMemGetInfo(&available, &total), "ask the GPU for its free memory");
  return available;
}
std::string Gpu::name() {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "ask the GPU for its name");
  return properties.name;
}

}  // namespace attnunet::cuda
