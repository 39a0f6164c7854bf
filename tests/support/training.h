// A small dataset and what tests of training do with it: train, stop, resume, compare the files.
// Include the backend's operations.h before the place of instantiation.
#pragma once

#include <filesystem>
#include <set>
#include <sstream>
#include <string>

#include "common/core/random.h"
#include "common/data/png.h"
#include "common/train/trainer.h"
#include "support/backends.h"
#include "support/files.h"
#include "support/networks.h"

namespace attnunet {

constexpr int case_size = 32, cases_per_class = 3;

/// Six noisy pictures with a dark square, each of another size, so that a case can be told by its lesion's pixels.
inline Index lesion_side(int number) {
  return 6 + 2 * number;
}
inline void write_case(const std::filesystem::path& root, const std::string& class_name, int number) {
  const std::filesystem::path name =
      root / class_name / (class_name + " (" + std::to_string(number % cases_per_class + 1) + ")");
  std::filesystem::create_directories(name.parent_path());
  Random random(9, 0, static_cast<std::uint32_t>(number));
  data::Grey image{case_size, case_size, std::vector<std::uint8_t>(case_size * case_size)}, mask = image;
  for (int i = 0; i < case_size * case_size; ++i) {
    const int row = i / case_size - 4, column = i % case_size - 5;
    const bool lesion = row >= 0 && column >= 0 && row < lesion_side(number) && column < lesion_side(number);
    image.pixels[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>((lesion ? 20 : 150) + random.below(60));
    mask.pixels[static_cast<std::size_t>(i)] = lesion ? 255 : 0;
  }
  data::write_png(name.string() + ".png", image);
  data::write_png(name.string() + "_mask.png", mask);
}

/// metrics.csv without its column of seconds.
inline std::string rows_without_seconds(const std::filesystem::path& csv) {
  std::istringstream lines(read_text(csv));
  std::string line, kept;
  while (std::getline(lines, line)) {
    const std::size_t lr = line.find(',') + 1, seconds = line.find(',', lr) + 1, rest = line.find(',', seconds);
    kept += line.substr(0, seconds) + line.substr(rest) + "\n";
  }
  return kept;
}

/// Six cases and a small configuration, trained on backend B.
template <class B>
class TrainingTest : public BackendTest<B> {
 protected:
  TrainingTest() {
    for (int i = 0; i < cases_per_class; ++i) {
      write_case(folder / "data", "benign", i);
      write_case(folder / "data", "malignant", i + cases_per_class);
    }
    dataset = data::scan(folder / "data");
    config.network.variant = Variant::attention3;
    config.network.base = 2;
    config.size = case_size;
    config.batch = 3;  // of 4 training cases: the last batch has one
    config.epochs = 3;
    config.lr = 1e-2;
    config.seed = 4;
    config.split = data::SplitKind::random;
  }

  TrainConfig in(const std::string& out) const {
    TrainConfig here = config;
    here.out = (folder / out).string();
    return here;
  }

  bool train(const Checkpoint& start, const RunFolder& run, const TrainCallbacks& callbacks = {}) {
    TestDevice<B> device(start.config.threads);
    return train_on(device, start, run, callbacks);
  }
  bool train_on(typename B::Device& device, const Checkpoint& start, const RunFolder& run,
                const TrainCallbacks& callbacks = {}) {
    TrainConfig split_config = start.config;
    const data::Split split = split_of(dataset, split_config);
    return Trainer<B>(device, dataset, split, start, run).run(callbacks);
  }
  RunFolder train_new(const TrainConfig& here, const TrainCallbacks& callbacks = {}) {
    const RunFolder run = RunFolder::create(here);
    train(new_run(here), run, callbacks);
    return run;
  }
  RunFolder resume(const std::filesystem::path& checkpoint, TrainConfig given, std::set<std::string> options,
                   const TrainCallbacks& callbacks = {}) {
    given.resume = checkpoint.string();
    options.insert("resume");
    Checkpoint start = load_checkpoint(checkpoint);
    start.config = resumed_config(start.config, given, options);
    const RunFolder run = RunFolder::resume(start);
    train(start, run, callbacks);
    return run;
  }
  void expect_same_run(const RunFolder& a, const RunFolder& b) {
    EXPECT_TRUE(read_text(a.last()) == read_text(b.last())) << "last.safetensors differ";
    EXPECT_TRUE(read_text(a.best()) == read_text(b.best())) << "best.safetensors differ";
    EXPECT_EQ(rows_without_seconds(a.csv()), rows_without_seconds(b.csv()));
  }

  TemporaryFolder folder;
  data::Dataset dataset;
  TrainConfig config;
};

/// The signal comes before the n-th time (from 0) that the trainer asks for it.
inline TrainCallbacks stop_at(int n) {
  TrainCallbacks callbacks;
  callbacks.interrupted = [n, asked = 0]() mutable { return asked++ >= n; };
  return callbacks;
}

}  // namespace attnunet
