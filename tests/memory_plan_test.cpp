#include "common/nn/memory_plan.h"

#include <gtest/gtest.h>

#include <vector>

namespace attnunet {
namespace {

TEST(MemoryPlan, TensorsThatLiveTogetherDoNotOverlap) {
  MemoryPlan plan;
  float *a, *b, *c;
  plan.reserve(a, 100);
  plan.reserve(b, 1);
  plan.release(a);
  plan.reserve(c, 64);
  plan.need_workspace<float>(10);
  plan.need_workspace<float>(7);
  std::vector<std::byte> memory(static_cast<std::size_t>(plan.bytes()));
  plan.bind(memory.data());
  EXPECT_EQ(a, c);        // a's memory is reused
  EXPECT_EQ(b, a + 128);  // pieces of 256 bytes
  EXPECT_EQ(plan.bytes(), 512 + 256 + 256);
  EXPECT_EQ(plan.workspace_offset(), 512 + 256);
}

TEST(MemoryPlan, FirstGapThatIsLargeEnoughIsTaken) {
  MemoryPlan plan;
  std::byte *a, *b, *c, *d, *e;
  plan.reserve(a, 256);
  plan.reserve(b, 512);
  plan.reserve(c, 256);
  plan.release(a);
  plan.reserve(d, 512);  // does not fit in a's place
  plan.reserve(e, 200);
  std::vector<std::byte> memory(static_cast<std::size_t>(plan.bytes()));
  plan.bind(memory.data());
  EXPECT_EQ(e, memory.data());
  EXPECT_EQ(d, memory.data() + 1024);
  EXPECT_EQ(plan.bytes(), 1536);
}

TEST(MemoryPlan, ReleasingWhatIsNotReservedIsAMistake) {
  MemoryPlan plan;
  float* a;
  EXPECT_THROW(plan.release(a), std::logic_error);
  plan.reserve(a, 1);
  plan.release(a);
  EXPECT_THROW(plan.release(a), std::logic_error);
}

}  // namespace
}  // namespace attnunet
