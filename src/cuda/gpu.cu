// The GPU's memory and copies, by the CUDA run-time. Not part of the simulator.
#include "cuda/device.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {

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
  check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream), "copy to the GPU");
}
void Gpu::copy_out(void* host, const void* device, std::size_t bytes) {
  check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream), "copy from the GPU");
  synchronize();
}
void Gpu::copy_within(void* destination, const void* source, std::size_t bytes) {
  check(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToDevice, stream), "copy on the GPU");
}
void Gpu::fill(void* device, std::size_t bytes) {
  check(cudaMemsetAsync(device, 0, bytes, stream), "fill");
}
void Gpu::synchronize() {
  check(cudaStreamSynchronize(stream), "wait for the GPU");
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
