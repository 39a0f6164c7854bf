#include "common/train/trainer.h"

#include <limits>
#include <sstream>

#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/simulator.h"
#include "support/training.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;
using TrainerTest = TrainingTest<Cpu<float>>;

TEST_F(TrainerTest, SameCommandTwiceAndAnyThreads) {
  const RunFolder a = train_new(in("a"));
  expect_same_run(a, train_new(in("b")));
  TrainConfig threads = in("c");
  threads.threads = 3;
  expect_same_run(a, train_new(threads));
  EXPECT_EQ(load_checkpoint(a.last()).epoch, 3);
  EXPECT_EQ(load_checkpoint(a.last()).step, 6);
}

// A network of four channels learns to find a dark square.
TEST_F(TrainerTest, Learns) {
  config.epochs = 25;
  config.lr = 2e-2;
  config.network.base = 4;
  config.network.dropout = 0.0;
  std::vector<EpochRow> rows;
  TrainCallbacks callbacks;
  callbacks.epoch = [&](const EpochRow& row, bool) { rows.push_back(row); };
  train_new(in("a"), callbacks);
  ASSERT_EQ(rows.size(), 25u);
  EXPECT_LT(rows.back().train.loss, 0.5 * rows.front().train.loss);
  EXPECT_GT(rows.back().train.iou, 0.8);
  EXPECT_GT(rows.back().val.iou, 0.8);
}

// Wherever it is stopped, between any two steps or within validation: the same files in the end.
TEST_F(TrainerTest, StoppedAnywhereAndResumed) {
  config.epochs = 2;
  config.batch = 1;
  config.augment = data::Augment::strong;
  config.loss = LossKind::bce_dice;
  config.lr_schedule = LrSchedule::cosine;
  config.weight_decay = 1e-3;
  const RunFolder whole = train_new(in("whole"));
  // An epoch asks before each of 4 steps, before validation and after each of its 2 batches.
  const int before_validation = 4, after_validation = 6, asked_in_epoch = 7;
  for (int n : {0, 1, 3, 4, 5, 6, 7, 9, 12}) {
    const TrainConfig here = in("stopped" + std::to_string(n));
    const RunFolder run = RunFolder::create(here);
    EXPECT_FALSE(train(new_run(here), run, stop_at(n)));
    const Checkpoint stopped = load_checkpoint(run.last());
    EXPECT_EQ(stopped.epoch, (n + 1) / asked_in_epoch) << n;
    EXPECT_EQ(stopped.batch,
              n % asked_in_epoch == after_validation ? 0 : std::min(n % asked_in_epoch, before_validation));
    expect_same_run(whole, resume(run.last(), TrainConfig(), {}));
  }
  // With the last epoch's validation done there is nothing left to interrupt.
  const TrainConfig here = in("late");
  const RunFolder late = RunFolder::create(here);
  EXPECT_TRUE(train(new_run(here), late, stop_at(2 * asked_in_epoch - 1)));
  expect_same_run(whole, late);
}

// The losses beside bce, with numbers of their own: they are learned from, and a resumed run keeps them.
TEST_F(TrainerTest, OtherLossesLearnAndResume) {
  LossConfig losses[] = {LossKind::bce_dice, LossKind::tversky, LossKind::focal};
  losses[1].tversky = {0.6, 0.4, 0.5};
  losses[2].focal = {1, 0.75};
  config.batch = 1;
  for (const LossConfig& loss : losses) {
    config.loss = loss;
    const std::string name = name_of(loss.kind);
    SCOPED_TRACE(name);
    std::vector<EpochRow> rows;
    TrainCallbacks callbacks;
    callbacks.epoch = [&](const EpochRow& row, bool) { rows.push_back(row); };
    const RunFolder whole = train_new(in("whole " + name), callbacks);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_LT(rows.back().train.loss, rows.front().train.loss);
    const RunFolder stopped = train_new(in("stopped " + name), stop_at(9));
    expect_same_run(whole, resume(stopped.last(), TrainConfig(), {}));
  }
}

/// The epochs of a run, and the column lr.
std::vector<double> rates_of(const RunFolder& run) {
  std::vector<double> rates;
  for (const EpochRow& row : read_metrics(run.csv())) rates.push_back(row.lr);
  return rates;
}

// Two steps per epoch: 1.5 epochs are three steps. Half an epoch is one step, so it changes nothing.
TEST_F(TrainerTest, Warmup) {
  const RunFolder plain = train_new(in("plain"));
  config.warmup = 1.5;
  config.lr_schedule = LrSchedule::poly;
  const double second = learning_rate(LrSchedule::poly, 1e-2, 1, 3),
               third = learning_rate(LrSchedule::poly, 1e-2, 2, 3);
  const RunFolder whole = train_new(in("whole"));
  EXPECT_EQ(rates_of(whole), (std::vector<double>{1e-2 * (2 / 3.0), second, third}));
  expect_same_run(whole, resume(train_new(in("stopped"), stop_at(1)).last(), TrainConfig(), {}));
  config.lr_schedule = LrSchedule::constant;
  config.warmup = 0.5;
  EXPECT_EQ(load_checkpoint(train_new(in("half")).last()).parameters, load_checkpoint(plain.last()).parameters);
}

/// A rate that is far too small for the validation IoU to move: only the first epoch is the best.
class PatienceTest : public TrainerTest {
 protected:
  PatienceTest() {
    config.lr = 1e-12;
    config.epochs = 8;
    config.patience = 3;
  }
};

TEST_F(PatienceTest, EndsTheTraining) {
  const RunFolder run = train_new(in("a"));
  const Checkpoint last = load_checkpoint(run.last());
  ASSERT_EQ(last.epoch - last.epochs_since_best, load_checkpoint(run.best()).epoch);
  EXPECT_EQ(last.epochs_since_best, 3);
  EXPECT_LT(last.epoch, 8);
  EXPECT_EQ(rates_of(run).size(), static_cast<std::size_t>(last.epoch));
  // Resumed as it is, or with more epochs, there is nothing to do.
  const std::string before = read_text(run.last());
  resume(run.last(), TrainConfig(), {});
  EXPECT_EQ(read_text(run.last()), before);
  TrainConfig longer;
  longer.epochs = 20;
  resume(run.last(), longer, {"epochs"});
  EXPECT_EQ(load_checkpoint(run.last()).epoch, last.epoch);
}

// Stopped while the epochs are counted: it ends where the undisturbed run does.
TEST_F(PatienceTest, CountIsResumed) {
  const RunFolder whole = train_new(in("whole"));
  const int asked_in_epoch = 4;  // before each of 2 steps, before and after validation
  for (const int n : {asked_in_epoch + 1, 2 * asked_in_epoch + 2, 3 * asked_in_epoch})
    expect_same_run(whole, resume(train_new(in("stopped" + std::to_string(n)), stop_at(n)).last(), TrainConfig(), {}));
}

// As a run with that patience from the start.
TEST_F(PatienceTest, AnotherPatienceGoesOn) {
  const RunFolder shorter = train_new(in("shorter"));
  TrainConfig given;
  given.patience = config.patience = 5;
  const RunFolder longer = train_new(in("longer"));
  EXPECT_EQ(load_checkpoint(longer.last()).epoch, load_checkpoint(shorter.last()).epoch + 2);
  expect_same_run(longer, resume(shorter.last(), given, {"patience"}));
  given.patience = config.patience = 0;
  const RunFolder all = train_new(in("all"));
  EXPECT_EQ(load_checkpoint(all.last()).epoch, 8);
  expect_same_run(all, resume(shorter.last(), given, {"patience"}));
}

// Balanced draws are the same however often the run is stopped, and others than those without balance.
TEST_F(TrainerTest, Balance) {
  config.batch = 1;
  config.augment = data::Augment::light;
  const RunFolder plain = train_new(in("plain"));
  config.balance = data::Balance::by_lesion;
  const RunFolder whole = train_new(in("whole"));
  EXPECT_NE(load_checkpoint(whole.last()).parameters, load_checkpoint(plain.last()).parameters);
  EXPECT_EQ(load_checkpoint(whole.last()).step, load_checkpoint(plain.last()).step);
  expect_same_run(whole, resume(train_new(in("stopped"), stop_at(9)).last(), TrainConfig(), {}));
}

TEST_F(TrainerTest, StoppedTwiceInOneEpoch) {
  config.batch = 1;
  const RunFolder whole = train_new(in("whole"));
  const TrainConfig here = in("a");
  const RunFolder run = train_new(here, stop_at(1));
  resume(run.last(), TrainConfig(), {}, stop_at(2));
  EXPECT_EQ(load_checkpoint(run.last()).batch, 3);
  expect_same_run(whole, resume(run.last(), TrainConfig(), {}));
}

TEST_F(TrainerTest, ResumedWithMoreEpochs) {
  const RunFolder whole = train_new(in("whole"));
  TrainConfig shorter = in("a");
  shorter.epochs = 1;
  const RunFolder first = train_new(shorter);
  expect_same_run(whole, resume(first.last(), config, {"epochs"}));
}

TEST_F(TrainerTest, ResumedElsewhere) {
  const RunFolder whole = train_new(in("whole"));
  const RunFolder stopped = train_new(in("a"), stop_at(5));
  const std::string before = read_text(stopped.last());
  expect_same_run(whole, resume(stopped.last(), in("b"), {"out"}));
  EXPECT_TRUE(read_text(stopped.last()) == before);
  // From the initial checkpoint too.
  TrainConfig none = in("c");
  none.epochs = 0;
  const RunFolder initial = train_new(none);
  EXPECT_FALSE(fs::exists(initial.best()));
  expect_same_run(whole, resume(initial.last(), config, {"epochs"}));
}

TEST_F(TrainerTest, ResumedFromTheBest) {
  const RunFolder whole = train_new(in("whole"));
  const RunFolder again = train_new(in("again"));
  ASSERT_TRUE(fs::exists(again.best()));
  resume(again.best(), TrainConfig(), {});
  expect_same_run(whole, again);
}

// The training cases of one epoch, told by the lesion pixels that the metric sums count after each step.
TEST_F(TrainerTest, OrderOfCases) {
  config.batch = 1;
  TrainConfig split_config = config;
  const data::Split split = split_of(dataset, split_config);
  const auto lesions_of_first = [&](bool no_shuffle, int steps, std::uint64_t seed) {
    TrainConfig here = in("order" + std::to_string(no_shuffle) + std::to_string(steps) + std::to_string(seed));
    here.no_shuffle = no_shuffle;
    Checkpoint start = new_run(here);
    start.config.seed = seed;
    const RunFolder run = RunFolder::create(here);
    cpu::Device device(1);
    Trainer<Cpu<float>>(device, dataset, split, start, run).run(stop_at(steps));
    std::istringstream words(load_checkpoint(run.last()).sums.to_text());
    std::vector<std::string> numbers{std::istream_iterator<std::string>(words), {}};
    return std::stoll(numbers[8]) + std::stoll(numbers[10]);  // tp + fn
  };
  Index all = 0, in_order = 0;
  for (std::size_t one : split.train) all += lesion_side(static_cast<int>(one)) * lesion_side(static_cast<int>(one));
  for (int steps = 1; steps <= 4; ++steps) {
    const Index side = lesion_side(static_cast<int>(split.train[static_cast<std::size_t>(steps - 1)]));
    in_order += side * side;
    EXPECT_EQ(lesions_of_first(true, steps, 1), in_order);
  }
  std::set<Index> firsts;
  for (std::uint64_t seed = 0; seed < 8; ++seed) firsts.insert(lesions_of_first(false, 1, seed));
  EXPECT_GT(firsts.size(), 1u) << "every seed begins with the same case";
  EXPECT_EQ(lesions_of_first(false, 4, 3), all);
}

TEST_F(TrainerTest, ReportsProgress) {
  std::vector<Index> images;
  int best = 0, rows = 0;
  TrainCallbacks callbacks;
  callbacks.progress = [&](const TrainProgress& p) {
    EXPECT_EQ(p.of_images, p.validating ? 2 : 4);
    EXPECT_EQ(p.epochs, 1);
    EXPECT_GT(p.loss, 0);
    images.push_back(p.images);
  };
  bool files_written = false;
  callbacks.files = [&](int, const std::vector<ImageScore>&) { files_written = true; };
  callbacks.epoch = [&](const EpochRow& row, bool is_best) {
    ++rows;
    best += is_best;
    EXPECT_EQ(row.epoch, 1);
    EXPECT_TRUE(files_written) << "their time counts";
    const double training = read_metrics(folder / "a/metrics.csv").at(0).seconds;
    EXPECT_GT(training, 0);
    EXPECT_GT(row.seconds, training);
  };
  config.epochs = 1;
  train_new(in("a"), callbacks);
  EXPECT_EQ(images, (std::vector<Index>{3, 4, 2}));
  EXPECT_EQ(rows, 1);
  EXPECT_EQ(best, 1);
}

TEST_F(TrainerTest, Init) {
  const RunFolder run = train_new(in("a"));
  TrainConfig here = in("b");
  here.seed = 77;
  here.init = run.best().string();
  const Checkpoint start = new_run(here), weights = load_checkpoint(run.best());
  EXPECT_EQ(start.parameters, weights.parameters);
  EXPECT_EQ(start.statistics, weights.statistics);
  EXPECT_EQ(start.adam_v, std::vector<float>(start.adam_v.size(), 0.0f));
  EXPECT_EQ(start.epoch, 0);
  EXPECT_EQ(start.step, 0);
  EXPECT_EQ(start.config.seed, 77u);
  here.network.base = 4;
  const std::string message = message_of<Error>([&] { new_run(here); });
  EXPECT_NE(message.find("another network"), std::string::npos) << message;
}

TEST_F(TrainerTest, OtherDataOrFewerEpochs) {
  const RunFolder run = train_new(in("a"), stop_at(1));
  TrainConfig fewer;
  fewer.epochs = 0;
  EXPECT_NO_THROW(resume(run.last(), fewer, {"epochs"}));
  const RunFolder done = train_new(in("b"));
  const std::string rows = read_text(done.csv());
  EXPECT_THROW(resume(done.last(), fewer, {"epochs"}), UsageError);
  write_case(folder / "data", "normal", 0);
  dataset = data::scan(folder / "data");
  const std::string message = message_of<Error>([&] { resume(done.last(), TrainConfig(), {}); });
  EXPECT_NE(message.find("--data"), std::string::npos) << message;
  EXPECT_EQ(read_text(done.csv()), rows);
  EXPECT_EQ(load_checkpoint(done.last()).epoch, 3);
}

// A checkpoint of a run with lists needs the lists no more.
TEST_F(TrainerTest, ListsAreKept) {
  write_text(folder / "train.txt", "benign (2)\r\nmalignant (1)\n\n");
  write_text(folder / "val.txt", "benign (1)\n");
  TrainConfig here = in("a");
  here.train_list = (folder / "train.txt").string();
  here.val_list = (folder / "val.txt").string();
  split_of(dataset, here);
  EXPECT_EQ(here.train_cases, (std::vector<std::string>{"benign (2)", "malignant (1)"}));
  const RunFolder run = train_new(here, stop_at(1));
  fs::remove(folder / "train.txt");
  fs::remove(folder / "val.txt");
  TrainConfig stored = load_checkpoint(run.last()).config;
  const data::Split split = split_of(dataset, stored);
  EXPECT_EQ(names_of(dataset, split.train), here.train_cases);
  EXPECT_EQ(names_of(dataset, split.val), here.val_cases);
  resume(run.last(), TrainConfig(), {});
  EXPECT_EQ(load_checkpoint(run.last()).epoch, 3);
  stored.val_cases = {"benign (99)"};
  const std::string message = message_of<Error>([&] { split_of(dataset, stored); });
  EXPECT_NE(message.find("benign (99)"), std::string::npos) << message;
}

// What every backend promises.
template <class B>
class TrainerOnBackend : public TrainingTest<B> {
 protected:
  // Float32 networks that run freely drift apart by what rounding flips; their losses stay within 2 % an epoch.
  RunFolder train_with_the_losses_of_the_cpu() {
    std::vector<EpochRow> there, here;
    TrainCallbacks callbacks;
    callbacks.epoch = [&](const EpochRow& row, bool) { here.push_back(row); };
    const RunFolder run = this->train_new(this->in("here"), callbacks);
    callbacks.epoch = [&](const EpochRow& row, bool) { there.push_back(row); };
    const TrainConfig config = this->in("cpu");
    TrainConfig split_config = config;
    cpu::Device device(1);
    Trainer<Cpu<float>>(device, this->dataset, split_of(this->dataset, split_config), new_run(config),
                        RunFolder::create(config))
        .run(callbacks);
    EXPECT_EQ(here.size(), static_cast<std::size_t>(config.epochs));
    for (std::size_t i = 0; i < here.size(); ++i) {
      EXPECT_LE(std::abs(here[i].train.loss - there[i].train.loss), 0.02 * there[i].train.loss) << "epoch " << i + 1;
      EXPECT_LE(std::abs(here[i].val.loss - there[i].val.loss), 0.02 * there[i].val.loss) << "epoch " << i + 1;
    }
    return run;
  }
};
TYPED_TEST_SUITE(TrainerOnBackend, FloatBackends);

TYPED_TEST(TrainerOnBackend, LossCurveOfTheCpu) {
  this->config.lr = 1e-3;
  this->train_with_the_losses_of_the_cpu();
}

// Neither side is a multiple of 8: both are padded, each by its own.
TYPED_TEST(TrainerOnBackend, SizeThatIsNoSquare) {
  this->config.size = {12, 20};
  this->config.lr = 1e-3;
  this->config.epochs = 2;
  this->config.augment = data::Augment::strong;
  const RunFolder whole = this->train_with_the_losses_of_the_cpu();
  const RunFolder stopped = this->train_new(this->in("stopped"), stop_at(1));
  EXPECT_EQ(load_checkpoint(stopped.last()).config.size, ImageSize(12, 20));
  this->expect_same_run(whole, this->resume(stopped.last(), TrainConfig(), {}));
}

TYPED_TEST(TrainerOnBackend, SameCommandTwice) {
  this->expect_same_run(this->train_new(this->in("a")), this->train_new(this->in("b")));
}

// The last batch of an epoch is smaller; stopped before it.
TYPED_TEST(TrainerOnBackend, StoppedBeforeTheSmallerBatch) {
  const RunFolder whole = this->train_new(this->in("whole"));
  const RunFolder stopped = this->train_new(this->in("a"), stop_at(1));
  EXPECT_EQ(load_checkpoint(stopped.last()).sums.images(), 3);
  this->expect_same_run(whole, this->resume(stopped.last(), TrainConfig(), {}));
}

// A limit above every norm changes no bit, one below them changes the first step, and it is the same however often the
// run is stopped.
TYPED_TEST(TrainerOnBackend, ClipNorm) {
  this->config.epochs = 2;
  const auto weights = [](const RunFolder& run) { return load_checkpoint(run.last()).parameters; };
  const RunFolder plain = this->train_new(this->in("plain"));
  this->config.clip_norm = 1e9;
  EXPECT_EQ(weights(this->train_new(this->in("far"))), weights(plain));
  this->config.clip_norm = 1e-3;
  const RunFolder whole = this->train_new(this->in("whole"));
  EXPECT_NE(weights(whole), weights(plain));
  const RunFolder stopped = this->train_new(this->in("stopped"), stop_at(1));
  // After one step m is a tenth of the clipped gradient.
  double squares = 0;
  for (const float m : load_checkpoint(stopped.last()).adam_m) squares += 100.0 * m * m;
  EXPECT_NEAR(std::sqrt(squares), 1e-3, 1e-8);
  this->expect_same_run(whole, this->resume(stopped.last(), TrainConfig(), {}));
}

// The average after every step, by the formula from the weights of runs that stop there.
TYPED_TEST(TrainerOnBackend, AverageOfTheWeights) {
  this->config.epochs = 2;
  const RunFolder plain = this->train_new(this->in("plain"));
  this->config.ema = 0.25;
  const RunFolder whole = this->train_new(this->in("whole"));
  const Checkpoint last = load_checkpoint(whole.last());
  EXPECT_EQ(last.parameters, load_checkpoint(plain.last()).parameters) << "training goes on with the weights";
  const Checkpoint start = new_run(this->in("start"));
  std::vector<double> average(start.parameters.begin(), start.parameters.end());
  for (int step = 1; step <= 2; ++step) {
    const Checkpoint stopped =
        load_checkpoint(this->train_new(this->in("stopped" + std::to_string(step)), stop_at(step)).last());
    ASSERT_EQ(stopped.step, step);
    const double share = 1 - ema_decay(0.25, step);
    for (std::size_t i = 0; i < average.size(); ++i) {
      average[i] += share * (static_cast<double>(stopped.parameters[i]) - average[i]);
      // Each step rounds at most three times, numbers of up to 4.
      EXPECT_NEAR(stopped.ema_parameters[i], average[i], step * 3 * 0x1p-22);
    }
    EXPECT_NE(stopped.ema_statistics, stopped.statistics);
    this->expect_same_run(
        whole, this->resume(this->folder / ("stopped" + std::to_string(step)) / "last.safetensors", TrainConfig(), {}));
  }
}

// What best.safetensors holds is what was validated: the averages alone.
TYPED_TEST(TrainerOnBackend, BestHasTheAverages) {
  this->config.ema = 0.9;
  this->config.epochs = 1;
  const RunFolder run = this->train_new(this->in("a"));
  Checkpoint last = load_checkpoint(run.last()), best = load_checkpoint(run.best());
  EXPECT_EQ(best.parameters, last.ema_parameters);
  EXPECT_EQ(best.statistics, last.ema_statistics);
  EXPECT_TRUE(best.adam_m.empty() && best.ema_parameters.empty());
  EXPECT_EQ(lacking(last), "");
  EXPECT_NE(lacking(best), "");
  EXPECT_NE(last.parameters, best.parameters);
  Checkpoint raw = last;
  EXPECT_EQ(choose_weights(raw, Weights::raw, "f"), "raw weights");
  EXPECT_EQ(raw.parameters, last.parameters);
  EXPECT_EQ(choose_weights(last, std::nullopt, "f"), "averaged weights (ema 0.9)");
  EXPECT_EQ(last.parameters, best.parameters);
  EXPECT_EQ(choose_weights(best, Weights::ema, "f"), "averaged weights (ema 0.9)");
  EXPECT_THROW(choose_weights(best, Weights::raw, "f"), Error);
  Checkpoint plain = new_run(this->in("b"));
  plain.config.ema = 0;
  plain.ema_parameters.clear();
  EXPECT_EQ(choose_weights(plain, std::nullopt, "f"), "");
  EXPECT_THROW(choose_weights(plain, Weights::ema, "f"), Error);
}

// The evaluator on a tape of its own, another batch size and another thread count repeats the row's validation.
TYPED_TEST(TrainerOnBackend, EvaluatorRepeatsTheRow) {
  EpochRow last;
  TrainCallbacks callbacks;
  callbacks.epoch = [&](const EpochRow& row, bool) { last = row; };
  const RunFolder run = this->train_new(this->in("a"), callbacks);
  const Checkpoint checkpoint = load_checkpoint(run.last());
  TestDevice<TypeParam> device(2);
  const Architecture architecture = make_architecture(checkpoint.config.network);
  AttentionUNet<TypeParam> network(device, architecture, false);
  network.load({checkpoint.parameters.begin(), checkpoint.parameters.end()},
               {checkpoint.statistics.begin(), checkpoint.statistics.end()});
  AttentionUNetTape<TypeParam> tape(device, architecture, 1, case_size, case_size, Purpose::inference);
  TrainConfig split_config = checkpoint.config;
  const data::Split split = split_of(this->dataset, split_config);
  Evaluator<TypeParam> evaluator(device, this->dataset, case_size, LossKind::bce, 1, 2);
  MetricSums sums;
  for (const ImageScore& score : evaluator.run(network, tape, split.val)) sums.add(score);
  EXPECT_EQ(sums.images(), 2);
  EXPECT_EQ(sums.metrics().loss, last.val.loss);
  EXPECT_EQ(sums.metrics().iou, last.val.iou);
  EXPECT_EQ(sums.metrics().keras_mean_iou, last.val.keras_mean_iou);
}

TYPED_TEST(TrainerOnBackend, LossThatIsNotFinite) {
  const TrainConfig here = this->in("a");
  const RunFolder run = RunFolder::create(here);
  Checkpoint start = new_run(here);
  const TensorSpec spec = make_architecture(here.network).parameter("head.weight");
  std::fill_n(start.parameters.begin() + spec.offset, spec.size, 3e38f);
  const std::string message = message_of<Error>([&] { this->train(start, run); });
  EXPECT_NE(message.find("the loss is not finite in epoch 1, step 1 "), std::string::npos) << message;
  EXPECT_NE(message.find("learning rate 0.01"), std::string::npos) << message;
  EXPECT_NE(message.find("--lr"), std::string::npos) << message;
  EXPECT_NE(message.find(run.last().string()), std::string::npos) << message;
  EXPECT_EQ(load_checkpoint(run.last()).step, 0);
  EXPECT_EQ(load_checkpoint(run.last()).parameters, start.parameters);
  EXPECT_FALSE(fs::exists(run.best()));
}

/// 90 cases of 8 x 8 pixels, one per step, and a weight that becomes NaN after a step.
template <class B>
class DivergingRun : public TrainingTest<B> {
 protected:
  DivergingRun() {
    this->config.size = 8;
    this->config.batch = 1;
    this->config.epochs = 2;
    for (int i = 0; i < 90; ++i) {
      const fs::path name = this->folder / "many" / "benign" / ("benign (" + std::to_string(i + 1) + ")");
      fs::create_directories(name.parent_path());
      data::Grey image{8, 8, std::vector<std::uint8_t>(64, static_cast<std::uint8_t>(20 + 2 * i))};
      data::write_png(name.string() + ".png", image);
      image.pixels.assign(64, 0);
      image.pixels[static_cast<std::size_t>(i % 64)] = 255;
      data::write_png(name.string() + "_mask.png", image);
    }
    this->dataset = data::scan(this->folder / "many");
  }

  struct End {
    std::string message;
    Index steps;  ///< done in this process
    Checkpoint last;
  };
  /// Trains from `start` on; the weight is NaN from the end of step `good_steps` on (of this process).
  End diverge(const Checkpoint& start, const RunFolder& run, Index good_steps) {
    TrainConfig split_config = start.config;
    const data::Split split = split_of(this->dataset, split_config);
    TestDevice<B> device(1);
    Trainer<B> trainer(device, this->dataset, split, start, run);
    const Index place = make_architecture(start.config.network).parameter("encoder.0.conv1.weight").offset;
    End end{};
    TrainCallbacks callbacks;
    callbacks.progress = [&](const TrainProgress& progress) {
      if (progress.validating || ++end.steps != good_steps) return;
      const float nan = std::numeric_limits<float>::quiet_NaN();
      copy_to_device(device, trainer.network().mutable_parameters() + place, &nan, 1);
    };
    end.message = message_of<Error>([&] { trainer.run(callbacks); });
    end.last = load_checkpoint(run.last());
    return end;
  }
};
TYPED_TEST_SUITE(DivergingRun, FloatBackends);

// Whether the device's word arrives at once or as late as can be.
TYPED_TEST(DivergingRun, EndsNearTheStepAndNamesIt) {
  for (const char* order : {"ascending", "descending"}) {
    const SimulatorOrder arrival(order);
    const TrainConfig here = this->in(order);
    const RunFolder run = RunFolder::create(here);
    const Checkpoint start = new_run(here);
    const auto end = this->diverge(start, run, 3);
    EXPECT_EQ(end.message.rfind("the loss is not finite in epoch 1, step 4 (learning rate 0.01)", 0), 0u)
        << end.message;
    EXPECT_NE(end.message.find(run.last().string()), std::string::npos) << end.message;
    EXPECT_EQ(end.message.find('\n'), std::string::npos);
    if (TypeParam::reads_wait) {
      EXPECT_LT(end.steps, 4 + 64);
    } else {
      EXPECT_EQ(end.steps, 3);
    }
    EXPECT_EQ(end.last.step, 0);
    EXPECT_EQ(end.last.parameters, start.parameters);
  }
}

// Steps are counted from the start of the run, however often it was resumed; the last good state is that of the stop.
TYPED_TEST(DivergingRun, ResumedRunsCountOn) {
  const TrainConfig here = this->in("a");
  const RunFolder run = RunFolder::create(here);
  this->train(new_run(here), run, stop_at(5));
  Checkpoint start = load_checkpoint(run.last());
  ASSERT_EQ(start.step, 5);
  TrainConfig given;
  given.resume = run.last().string();
  start.config = resumed_config(start.config, given, {"resume"});
  const auto end = this->diverge(start, RunFolder::resume(start), 2);
  EXPECT_NE(end.message.find("in epoch 1, step 8 "), std::string::npos) << end.message;
  EXPECT_EQ(end.last.step, 5);
  EXPECT_EQ(end.last.parameters, start.parameters);
}

// Between the epoch's last step and validation: that finds it.
TYPED_TEST(DivergingRun, AfterTheLastStepValidationTells) {
  const TrainConfig here = this->in("a");
  TrainConfig split_config = here;
  const auto steps = static_cast<Index>(split_of(this->dataset, split_config).train.size());
  const auto end = this->diverge(new_run(here), RunFolder::create(here), steps);
  EXPECT_NE(end.message.find("the validation loss is not finite in epoch 1, step " + std::to_string(steps) + " "),
            std::string::npos)
      << end.message;
  EXPECT_EQ(end.last.step, 0);
}

// Interrupted right after the step that ruined the weights: the good checkpoint is not overwritten.
TYPED_TEST(TrainerOnBackend, WeightsThatAreNotFiniteAreNotSaved) {
  const TrainConfig here = this->in("a");
  const RunFolder run = RunFolder::create(here);
  Checkpoint start = new_run(here);
  const TensorSpec spec = make_architecture(here.network).parameter("head.bias");
  start.adam_m[static_cast<std::size_t>(spec.offset)] = 3e38f;
  const std::string message = message_of<Error>([&] { this->train(start, run, stop_at(1)); });
  EXPECT_NE(message.find("a weight is not finite in epoch 1, step 1 "), std::string::npos) << message;
  EXPECT_EQ(load_checkpoint(run.last()).step, 0);
  EXPECT_EQ(load_checkpoint(run.last()).parameters, start.parameters);
}

}  // namespace TEST_FILE
}  // namespace attnunet
