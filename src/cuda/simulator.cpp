// The simulator's device memory is the host's: one allocation a buffer, so that the address sanitizer knows its bounds.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "cuda/device.h"
#include "cuda/sim/order.h"

namespace attnunet::cuda {

void* Simulator::allocate(std::size_t bytes) {
  // Not rounded up: the byte behind the last one belongs to nobody.
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, bytes) != 0)
    throw Error("the simulator cannot get " + std::to_string(bytes >> 20) + " MiB of memory");
  return memory;
}
void Simulator::release(void* memory) noexcept {
  std::free(memory);
}
void Simulator::copy_in(void* device, const void* host, std::size_t bytes) {
  std::memcpy(device, host, bytes);
}
void Simulator::copy_out(void* host, const void* device, std::size_t bytes) {
  std::memcpy(host, device, bytes);
}
void Simulator::copy_within(void* destination, const void* source, std::size_t bytes) {
  std::memcpy(destination, source, bytes);
}
void Simulator::fill(void* device, std::size_t bytes) {
  std::memset(device, 0, bytes);
}

void Simulator::LateCopy::start(const void* device) {
  std::memcpy(sent_.data(), device, sent_.size());
  std::memset(host_.data(), 0xFF, host_.size());  // nobody may look before it is there
  arrived_ = false;
  if (sim::order_of_environment().kind == sim::Order::ascending) wait();
}
const void* Simulator::LateCopy::wait() {
  host_ = sent_;
  arrived_ = true;
  return host_.data();
}

std::size_t Simulator::available_bytes() {
  return static_cast<std::size_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace attnunet::cuda
