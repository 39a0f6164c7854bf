#include "common/data/watch.h"

#include "common/core/error.h"
#include "cpu/operations.h"
#include "support/command_line.h"
#include "support/training.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

/// What may happen to a file, in words, and how.
struct Change {
  const char* name;
  void (*make)(const fs::path& file);
  const char* message;
};

const Change changes[] = {
    {"Removed", [](const fs::path& file) { fs::remove(file); }, "was removed"},
    {"Replaced",
     [](const fs::path& file) {
       fs::copy_file(file, file.string() + ".new");
       fs::rename(file.string() + ".new", file);
     },
     "was replaced"},
    {"Written", [](const fs::path& file) { write_text(file, read_text(file) + "x"); }, "was written"},
    {"WrittenWithTheSameSize",
     [](const fs::path& file) {
       const auto then = fs::last_write_time(file);
       write_text(file, std::string(fs::file_size(file), 'x'));
       fs::last_write_time(file, then + std::chrono::nanoseconds(1));
     },
     "was written"}};

class WatchTest : public TrainingTest<Cpu<float>> {
 protected:
  data::Split data_split() const {
    TrainConfig here = config;
    return split_of(dataset, here);
  }
};

TEST_F(WatchTest, TellsEveryChangeOfAnImageAndOfAMask) {
  for (const Change& change : changes)
    for (const bool mask : {false, true}) {
      SCOPED_TRACE(std::string(change.name) + (mask ? " mask" : " image"));
      TemporaryFolder other;
      fs::copy(dataset.root, other / "data", fs::copy_options::recursive);
      const data::Dataset copied = data::scan(other / "data");
      const data::Watch watch(copied, {1, 3});
      EXPECT_EQ(watch.change(), "");
      change.make(copied.cases[0].image);  // not watched
      EXPECT_EQ(watch.change(), "");
      const fs::path file = mask ? copied.cases[3].masks[0] : copied.cases[3].image;
      change.make(file);
      EXPECT_NE(watch.change().find(file.string()), std::string::npos) << watch.change();
      EXPECT_NE(watch.change().find(change.message), std::string::npos) << watch.change();
    }
}

TEST_F(WatchTest, HashIsOfNamesAndSizes) {
  TemporaryFolder other;
  fs::copy(dataset.root, other / "data", fs::copy_options::recursive);
  const data::Dataset copied = data::scan(other / "data");
  const std::string hash = data::hash_of_file_sizes(dataset, {0, 1, 2});
  EXPECT_EQ(data::hash_of_file_sizes(copied, {0, 1, 2}), hash);
  EXPECT_NE(data::hash_of_file_sizes(copied, {0, 1}), hash);
  write_text(copied.cases[2].masks[0], read_text(copied.cases[2].masks[0]) + "x");
  EXPECT_NE(data::hash_of_file_sizes(copied, {0, 1, 2}), hash);
  fs::remove(copied.cases[2].image);
  message_of<Error>([&] { data::hash_of_file_sizes(copied, {2}); });
}

// The second epoch may have seen the change: the run ends with what the first one left, whole and to be continued.
TEST_F(WatchTest, TrainingThatMayHaveSeenAChangeIsNotSaved) {
  TrainConfig one_epoch = in("one");
  one_epoch.epochs = 1;
  const RunFolder one = train_new(one_epoch);
  for (const bool interrupted : {false, true})
    for (const bool validates : {false, true}) {
      const fs::path image = dataset.cases[(validates ? data_split().val : data_split().train)[0]].image;
      const std::string whole = read_text(image);
      const TrainConfig here = in(std::string(interrupted ? "i" : "w") + (validates ? "v" : "t"));
      const RunFolder run = RunFolder::create(here);
      TrainCallbacks callbacks;
      int steps = 0;
      callbacks.progress = [&](const TrainProgress& progress) {
        if (progress.epoch == 2 && steps++ == 0) changes[2].make(image);
      };
      callbacks.interrupted = [&] { return interrupted && steps > 0; };
      const std::string message = message_of<Error>([&] { train(new_run(here), run, callbacks); });
      EXPECT_NE(message.find(image.string()), std::string::npos) << message;
      EXPECT_NE(message.find("in epoch 2"), std::string::npos) << message;
      EXPECT_NE(message.find(run.last().string()), std::string::npos) << message;
      Checkpoint saved = load_checkpoint(run.last());
      EXPECT_EQ(saved.epoch, 1);
      EXPECT_EQ(saved.batch, 0);
      EXPECT_EQ(saved.parameters, load_checkpoint(one.last()).parameters);
      EXPECT_EQ(rows_without_seconds(run.csv()), rows_without_seconds(one.csv()));
      write_text(image, whole);
      resume(run.last(), config, {});
      EXPECT_EQ(load_checkpoint(run.last()).epoch, config.epochs);
    }
}

TEST(TrainCommandWatch, ChangesAreReported) {
  const PhantomFolder phantoms;
  const std::string image = phantoms / "data/malignant/malignant (1).png";
  std::vector<std::string> arguments = phantoms.train(phantoms / "run");
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "100000";
  ProcessOptions options;
  bool changed = false;
  options.signal_when = [&](const std::string& out) {
    if (!changed && out.find("validation loss") != std::string::npos) {
      write_text(image, read_text(image) + "x");
      changed = true;
    }
    return 0;
  };
  expect_failure(attnunet_run(arguments, options), 1, {"dataset changed", image, "last.safetensors"});
  // Other bytes in the run's own dataset are no error, but not what was begun with.
  const Finished resumed =
      attnunet_run({"train", "--resume", phantoms / "run/last.safetensors", "--threads", "1", "--epochs",
                    std::to_string(load_checkpoint(phantoms / "run/last.safetensors").epoch)});
  expect_success(resumed);
  EXPECT_NE(resumed.out.find("warning: files of"), std::string::npos) << resumed.out;
}

}  // namespace TEST_FILE
}  // namespace attnunet
