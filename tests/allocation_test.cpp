// From the second step on nothing is allocated: no tensor, no workspace, none of Eigen's packing buffers. malloc itself
// is counted, by standing in front of glibc's. In the simulator only device memory is counted, which it alone asks for
// by alignment; what it keeps books with is not the kernels' doing. (A GPU runs the same sources, with memory that
// cannot be counted here.)
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>

#include "common/core/adam_options.h"
#include "common/nn/attention_unet.h"
#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/networks.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<long> allocations{0}, aligned_allocations{0};
[[maybe_unused]] void count(std::atomic<long>& which) {
  if (counting.load(std::memory_order_relaxed)) ++which;
}
}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ATTNUNET_COUNTS_MALLOC 1
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t bytes) {
  count(allocations);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t items, std::size_t bytes) {
  count(allocations);
  return __libc_calloc(items, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  count(allocations);
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count(aligned_allocations);
  return __libc_memalign(alignment, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  count(aligned_allocations);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t bytes) {
  count(aligned_allocations);
  *result = __libc_memalign(alignment, bytes);
  return *result == nullptr ? 12 : 0;
}
}
#endif

namespace attnunet {
namespace TEST_FILE {

template <class B>
class Allocation : public BackendTest<B> {};
using Counted = ::testing::Types<Cpu<float>, Cpu<double>, CudaSim<float>, CudaSim<double>>;
TYPED_TEST_SUITE(Allocation, Counted);

// On the CPU the widest network at half the default size: every channel count of attention4. In the simulator a small
// one. Batch sizes as in an epoch whose last batch is smaller.
TYPED_TEST(Allocation, NoneFromTheSecondStepOn) {
#ifndef ATTNUNET_COUNTS_MALLOC
  GTEST_SKIP() << "malloc belongs to the sanitizer in this build";
#else
  using T = typename TypeParam::Scalar;
  const bool simulated = TypeParam::backend == Backend::cuda_sim;
  NetworkConfig config;
  if (simulated) config.base = 2;
  const Index H = simulated ? 24 : 120, W = simulated ? 32 : 128;
  const Architecture architecture = make_architecture(config);
  AttentionUNet<TypeParam> network(this->device, architecture, true);
  std::vector<double> parameters, statistics;
  initial_values(architecture, 1, parameters, statistics);
  network.load(parameters, statistics);
  AttentionUNetTape<TypeParam> tape(this->device, architecture, 2, H, W, Purpose::training);
  const Index n = architecture.parameter_elements;
  typename TypeParam::template Buffer<T> m(this->device, n), v(this->device, n), target(this->device, 2 * H * W);
  typename TypeParam::template Buffer<double> loss(this->device, 2);
  fill_zero(this->device, m.data(), n);
  fill_zero(this->device, v.data(), n);
  fill_zero(this->device, target.data(), target.size());
  fill_zero(this->device, tape.input, target.size());
  for (Index step = 1; step <= 3; ++step) {
    tape.set_batch(step == 3 ? 1 : 2);
    allocations = aligned_allocations = 0;
    counting = step > 1;
    const Pass pass{true, 1, static_cast<std::uint32_t>(step)};
    network.forward(tape, pass);
    bce_forward(this->device, loss.data(), tape.logit_values(), target.data(), tape.batch);
    bce_backward(this->device, tape.logit_gradients(), tape.logit_values(), target.data(), Write::set);
    network.backward(tape, pass);
    AdamOptions options;
    options.lr = 1e-3;
    options.step = step;
    adam_step(this->device, network.mutable_parameters(), m.data(), v.data(), network.gradients(), n, options);
    counting = false;
    EXPECT_EQ(aligned_allocations, 0) << "in step " << step;
    if (!simulated) {
      EXPECT_EQ(allocations, 0) << "in step " << step;
    }
  }
#endif
}

}  // namespace TEST_FILE
}  // namespace attnunet
