// Training on a device of its own memory: what is read when, what lies where, and what fits. The device is the CPU that
// counts; what it computes must be what the CPU computes, to the bit.
#include <type_traits>

#include "cpu/operations.h"
#include "support/training.h"

namespace attnunet {
namespace apart {

struct Device : cpu::Device {
  using cpu::Device::Device;
  Index limit = Index{1} << 40, allocated = 0;
  int score_reads = 0, other_reads = 0, pixel_uploads = 0;
  int looks_before_arrival = 1000;
  Index available_bytes() const { return limit - allocated; }
};

template <class U>
struct Buffer : cpu::Buffer<U> {
  Buffer() = default;
  Buffer(Device& device, Index count) : cpu::Buffer<U>(device, count) {
    device.allocated += count * static_cast<Index>(sizeof(U));
  }
};

/// Arrives after so many looks, or when it is waited for.
template <class U>
class LateCopy {
 public:
  explicit LateCopy(Device& device) : device_(device) {}
  void start(const U* source) {
    value_ = *source;
    looks_ = 0;
  }
  bool arrived() { return ++looks_ > device_.looks_before_arrival; }
  U value() { return value_; }

 private:
  Device& device_;
  U value_{};
  int looks_ = 0;
};

// Overloads for this device win over those of cpu:: that its base class makes visible.
template <class U>
void copy_to_host(Device& device, U* host, const U* source, Index count) {
  ++(std::is_same_v<U, std::byte> ? device.score_reads : device.other_reads);
  cpu::copy_to_host(device, host, source, count);
}
template <class U>
void copy_to_device(Device& device, U* destination, const U* host, Index count) {
  device.pixel_uploads += std::is_same_v<U, std::uint8_t>;
  cpu::copy_to_device(device, destination, host, count);
}

struct Backend {
  using Scalar = float;
  using Device = apart::Device;
  template <class U>
  using Buffer = apart::Buffer<U>;
  template <class U>
  using LateCopy = apart::LateCopy<U>;
  static constexpr bool reads_wait = true;
  static constexpr bool recomputes = false;
};

}  // namespace apart

template <>
struct TestDevice<apart::Backend> : apart::Device {
  explicit TestDevice(int threads = 2) : apart::Device(threads) {}
};

namespace TEST_FILE {

class DeviceTraining : public TrainingTest<apart::Backend> {
 protected:
  DeviceTraining() { config.loss = LossKind::bce_dice; }

  /// The same on the CPU.
  RunFolder train_on_cpu(const TrainConfig& here) {
    const RunFolder run = RunFolder::create(here);
    cpu::Device device(1);
    Trainer<Cpu<float>>(device, dataset, split(), new_run(here), run).run({});
    return run;
  }
  data::Split split() const {
    TrainConfig copy = config;
    return split_of(dataset, copy);
  }
  /// On a device with so much memory; counts are left in `device`.
  RunFolder train_within(Index limit, const TrainConfig& here, const TrainCallbacks& callbacks = {}) {
    device.limit = limit;
    device.allocated = 0;
    const RunFolder run = RunFolder::create(here);
    train_on(device, new_run(here), run, callbacks);
    return run;
  }
};

constexpr Index plenty = Index{1} << 40;

TEST_F(DeviceTraining, SameFilesAsOnTheCpu) {
  const RunFolder expected = train_on_cpu(in("cpu"));
  expect_same_run(expected, train_within(plenty, in("cached")));
  EXPECT_EQ(device.pixel_uploads, 2) << "the images and the masks, once";
  config.augment = data::Augment::strong;
  const RunFolder augmented = train_on_cpu(in("cpu augmented"));
  expect_same_run(augmented, train_within(plenty, in("augmented")));
  EXPECT_EQ(device.pixel_uploads, 2 + 2 + 3 * 2 * 2) << "and the training batches of 3 epochs";
}

// No read while the device works: the scores of training and of validation, and the state for the checkpoint.
TEST_F(DeviceTraining, ReadsOnceAnEpoch) {
  int epochs = 0;
  TrainCallbacks callbacks;
  callbacks.progress = [&](const TrainProgress& progress) {
    EXPECT_EQ(device.score_reads, 2 * epochs + progress.validating);
    EXPECT_EQ(progress.scored, progress.validating ? 4 : 0);
    EXPECT_EQ(progress.loss > 0, progress.scored > 0);
    EXPECT_EQ(device.other_reads, 4 * epochs);
  };
  callbacks.epoch = [&](const EpochRow&, bool) {
    ++epochs;
    EXPECT_EQ(device.score_reads, 2 * epochs);
    EXPECT_EQ(device.other_reads, 4 * epochs) << "weights, statistics and two moments";
  };
  train_within(plenty, in("a"), callbacks);
  EXPECT_EQ(epochs, 3);
}

TEST_F(DeviceTraining, StoppedAnywhereAndResumed) {
  config.epochs = 2;
  config.batch = 1;
  const RunFolder whole = train_on_cpu(in("whole"));
  for (int n : {0, 1, 3, 4, 5, 6, 9, 12}) {
    const RunFolder run = train_new(in("stopped" + std::to_string(n)), stop_at(n));
    EXPECT_EQ(load_checkpoint(run.last()).sums.images(), n % 7 == 6 ? 0 : std::min(n % 7, 4)) << n;
    expect_same_run(whole, resume(run.last(), TrainConfig(), {}));
  }
}

// The second step's loss is the first that is not finite. It is found when the number arrives or, if the epoch ends
// before that, when its scores are read.
TEST_F(DeviceTraining, DivergenceNamesTheStep) {
  config.batch = 1;
  const int arrivals[] = {0, 1, 2, 1000}, steps_done[] = {1, 3, 4, 4};
  for (std::size_t i = 0; i < 4; ++i) {
    const TrainConfig here = in("a" + std::to_string(i));
    const RunFolder run = RunFolder::create(here);
    Checkpoint start = new_run(here);
    const TensorSpec spec = make_architecture(here.network).parameter("head.bias");
    start.adam_m[static_cast<std::size_t>(spec.offset)] = 3e38f;
    device.looks_before_arrival = arrivals[i];
    device.score_reads = 0;
    int steps = 0;
    TrainCallbacks callbacks;
    callbacks.progress = [&](const TrainProgress&) { ++steps; };
    const std::string message = message_of<Error>([&] { train_on(device, start, run, callbacks); });
    EXPECT_NE(message.find("the loss is not finite in epoch 1, step 2 "), std::string::npos) << message;
    EXPECT_NE(message.find(run.last().string()), std::string::npos) << message;
    EXPECT_EQ(steps, steps_done[i]);
    EXPECT_EQ(device.score_reads, steps == 4);
    EXPECT_EQ(load_checkpoint(run.last()).step, 0);
    EXPECT_EQ(load_checkpoint(run.last()).parameters, start.parameters);
  }
}

// However late the number arrives: named is the first bad step, and fewer than 64 steps follow it.
TEST(DivergenceWatch, EndsWithin64Steps) {
  apart::Device device(1);
  const double good = 1, bad = std::nan("");
  for (const int looks : {0, 1, 2, 5, 29, 30, 31, 63, 64, 65, 100000})
    for (Index bad_step = 1; bad_step < 130; ++bad_step) {
      device.looks_before_arrival = looks;
      DivergenceWatch<apart::Backend> watch(device);
      Index step = 0, found = 0;
      while (found == 0 && step < 1000) {
        ++step;
        found = watch.look(step >= bad_step ? &bad : &good, 1, step);
        if (step < bad_step) {
          ASSERT_EQ(found, 0);
        }
      }
      ASSERT_EQ(found, bad_step);
      ASSERT_LT(step, bad_step + 64) << looks;
      if (looks == 0) {
        ASSERT_EQ(step, bad_step);
      }
    }
}

// The plan is what is allocated, to the byte, and one byte less is refused.
TEST_F(DeviceTraining, MemoryIsKnownBeforehand) {
  config.batch = 1;  // cases take more than batches on their way
  for (const data::Augment augment : {data::Augment::none, data::Augment::light}) {
    for (const LossKind loss : {LossKind::bce, LossKind::bce_dice, LossKind::tversky}) {
      config.augment = augment;
      config.loss = loss;
      config.epochs = 0;
      const std::string name = std::string(name_of(augment)) + name_of(loss);
      device.allocated = 0;
      device.limit = plenty;
      const TrainingMemory cached = plan_training_memory<apart::Backend>(device, config, split());
      EXPECT_EQ(cached.cached.size(), augment == data::Augment::none ? 6u : 2u);
      train_within(plenty, in("cached " + name));
      EXPECT_EQ(device.allocated, cached.bytes);

      // The cache takes more than half of what is left: batches are uploaded.
      device.allocated = 0;
      device.limit = cached.bytes;
      const TrainingMemory tight = plan_training_memory<apart::Backend>(device, config, split());
      EXPECT_TRUE(tight.cached.empty());
      const RunFolder run = train_within(tight.bytes, in("tight " + name));
      EXPECT_EQ(device.allocated, tight.bytes);

      const std::string message = message_of<Error>([&] { train_within(tight.bytes - 1, in("refused " + name)); });
      EXPECT_EQ(message.rfind("training needs ", 0), 0u) << message;
      EXPECT_NE(message.find(" are free: use a smaller --batch, --size or --base"), std::string::npos) << message;
      EXPECT_EQ(device.allocated, 0) << "refused, but not before";
    }
  }
}

TEST_F(DeviceTraining, UploadsWhereTheCasesDoNotFit) {
  const RunFolder expected = train_on_cpu(in("cpu"));
  device.limit = plenty;
  const Index need = plan_training_memory<apart::Backend>(device, config, split()).bytes;
  expect_same_run(expected, train_within(need, in("tight")));
  EXPECT_EQ(device.pixel_uploads, 3 * 2 * (2 + 1)) << "in 3 epochs 2 batches for training and 1 for validation";
}

TEST(DeviceMemory, TheMessageGivesNeedAndFreeAmount) {
  EXPECT_NO_THROW(require_memory("training", 5, 5, "memory", "--batch"));
  EXPECT_EQ(message_of<Error>([] { require_memory("evaluation", 3 << 20, 0, "memory", "--batch or --size"); }),
            "evaluation needs 3.0 MiB of memory, 0.0 MiB are free: use a smaller --batch or --size");
  EXPECT_EQ(message_of<Error>([] {
              require_memory("training", Index{13207024435}, Index{8482560410}, "device memory",
                             "--batch, --size or --base");
            }),
            "training needs 12.3 GiB of device memory, 7.9 GiB are free: use a smaller --batch, --size or --base");
}

}  // namespace TEST_FILE
}  // namespace attnunet
