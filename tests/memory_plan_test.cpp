#include "common/nn/memory_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "common/core/random.h"
#include "support/files.h"

namespace attnunet {
namespace TEST_FILE {

void read(MemoryPlan& plan, const void* tensor) {
  plan.operation("read", {{tensor, true, false}});
}
void write(MemoryPlan& plan, const void* tensor) {
  plan.operation("write", {{tensor, false, true}});
}

TEST(MemoryPlan, TensorsThatLiveTogetherDoNotOverlap) {
  MemoryPlan plan;
  float *a, *b, *c, *unused;
  plan.add("a", a, 100);
  plan.add("b", b, 1);
  plan.add("c", c, 64);
  plan.add("unused", unused, 1000);
  plan.begin(0);
  write(plan, a);
  write(plan, b);
  read(plan, a);
  plan.operation("c = b", {{c, false, true}, {b, true, false}});
  plan.need_workspace(40);
  plan.need_workspace(28);
  plan.place();
  std::vector<std::byte> memory(static_cast<std::size_t>(plan.bytes()));
  plan.bind(memory.data());
  EXPECT_EQ(a, c);        // a's memory is reused
  EXPECT_EQ(b, a + 128);  // pieces of 256 bytes
  EXPECT_EQ(unused, nullptr);
  EXPECT_EQ(plan.bytes(), 512 + 256 + 256);
  EXPECT_EQ(plan.workspace_offset(), 512 + 256);
}

TEST(MemoryPlan, FirstGapThatIsLargeEnoughIsTaken) {
  MemoryPlan plan;
  std::byte *a, *b, *c, *d;
  plan.add("a", a, 1024);
  plan.add("b", b, 768);
  plan.add("c", c, 512);
  plan.add("d", d, 256);
  plan.begin(0);
  write(plan, a);
  write(plan, b);
  read(plan, a);
  write(plan, c);
  write(plan, d);
  read(plan, b);
  read(plan, c);
  plan.place();
  std::vector<std::byte> memory(static_cast<std::size_t>(plan.bytes()));
  plan.bind(memory.data());
  EXPECT_EQ(a, memory.data());
  EXPECT_EQ(b, memory.data() + 1024);
  EXPECT_EQ(c, memory.data());        // in a's place,
  EXPECT_EQ(d, memory.data() + 512);  // and so is d, behind it
  EXPECT_EQ(plan.bytes(), 1792);
}

// In the second sequence a and b live together, in the first they do not.
TEST(MemoryPlan, LifetimesOfAllSequencesCount) {
  for (const bool together : {false, true}) {
    MemoryPlan plan;
    float *a, *b;
    plan.add("a", a, 64);
    plan.add("b", b, 64);
    plan.begin(0);
    write(plan, a);
    write(plan, b);
    plan.begin(1);
    write(plan, a);
    if (together) plan.operation("b = a", {{b, false, true}, {a, true, false}});
    plan.place();
    EXPECT_EQ(plan.bytes(), together ? 512 : 256);
  }
}

TEST(MemoryPlan, ReadingWhatIsNotWrittenIsAMistake) {
  MemoryPlan plan;
  float *a, *b;
  plan.add("a", a, 64);
  plan.add("b", b, 64);
  plan.begin(0);
  write(plan, a);
  read(plan, a + 63);
  const std::string expected = "memory plan: read reads b, which nothing has written";
  EXPECT_EQ(message_of<std::logic_error>([&] { read(plan, b); }), expected);
  plan.begin(1);  // nothing survives
  EXPECT_THROW(read(plan, a), std::logic_error);
}

TEST(MemoryPlan, AccessOutsideOfEveryTensorIsAMistake) {
  MemoryPlan plan;
  float* a;
  plan.add("a", a, 64);
  plan.begin(0);
  EXPECT_THROW(write(plan, a + 64), std::logic_error);
  EXPECT_THROW(write(plan, a - 1), std::logic_error);
  EXPECT_THROW(write(plan, nullptr), std::logic_error);
  const auto* parameters = static_cast<float*>(plan.outside(400));
  EXPECT_NO_THROW(read(plan, parameters + 99));
}

// Random sequences of writes and reads, replayed on the memory that the plan gives: each read finds what was written.
TEST(MemoryPlan, NothingIsOverwrittenWhileItIsNeeded) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    std::vector<std::byte*> tensors(2 + random.below(20));
    std::vector<Index> sizes;
    MemoryPlan plan;
    for (std::byte*& tensor : tensors) {
      sizes.push_back(1 + random.below(2000));
      plan.add("tensor", tensor, sizes.back());
    }
    struct Step {
      std::size_t tensor;
      bool writes;
    };
    std::vector<std::vector<Step>> sequences(1 + random.below(3));
    for (std::size_t number = 0; number < sequences.size(); ++number) {
      plan.begin(number);
      std::vector<bool> written(tensors.size());
      for (int time = 0; time < 50; ++time) {
        // Lifetimes are short: only neighbours of a moving window are touched.
        const std::size_t tensor = (static_cast<std::size_t>(time) / 5 + random.below(4)) % tensors.size();
        const bool writes = !written[tensor] || random.below(4) == 0;
        plan.operation("step", {{tensors[tensor], !writes, writes}});
        sequences[number].push_back({tensor, writes});
        written[tensor] = true;
      }
    }
    plan.place();
    std::vector<std::byte> memory(static_cast<std::size_t>(plan.bytes()));
    plan.bind(memory.data());
    for (const std::vector<Step>& sequence : sequences)
      for (const Step& step : sequence) {
        std::byte* begin = tensors[step.tensor];
        std::byte* end = begin + sizes[step.tensor];
        const auto own = static_cast<std::byte>(step.tensor);
        if (step.writes)
          std::fill(begin, end, own);
        else
          EXPECT_EQ(std::count(begin, end, own), end - begin) << "seed " << seed << ", tensor " << step.tensor;
      }
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
