#include "common/train/run_folder.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "common/core/error.h"
#include "support/files.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

const std::string header =
    "epoch,lr,seconds,train_loss,train_accuracy,train_iou,train_dice,train_keras_mean_iou,val_loss,val_accuracy,"
    "val_iou,val_dice,val_pooled_iou,val_pooled_dice,val_keras_mean_iou\n";

TrainConfig config_in(const fs::path& out) {
  TrainConfig config;
  config.network.variant = Variant::attention3;
  config.network.base = 2;
  config.size = 16;
  config.epochs = 5;
  config.out = out.string();
  return config;
}

EpochRow row(int epoch) {
  EpochRow r;
  r.epoch = epoch;
  r.lr = 1.0 / 3;
  r.seconds = 0.5;
  double next = epoch;
  for (Metrics* m : {&r.train, &r.val})
    for (double* value :
         {&m->loss, &m->accuracy, &m->iou, &m->dice, &m->pooled_iou, &m->pooled_dice, &m->keras_mean_iou})
      *value = next += 0.125;
  return r;
}

std::string rows(int first, int last) {
  std::string text;
  for (int e = first; e <= last; ++e) {
    const std::string n = std::to_string(e);
    const std::string n1 = std::to_string(e + 1);
    // 1/3 in 17 digits: reading it gives the same double.
    text += n + ",0.33333333333333331,0.5," + n + ".125," + n + ".25," + n + ".375," + n + ".5," + n + ".875," + n1 +
            "," + n1 + ".125," + n1 + ".25," + n1 + ".375," + n1 + ".5," + n1 + ".625," + n1 + ".75\n";
  }
  return text;
}

// A run of `epochs` epochs in `out`, best at epoch `best`.
RunFolder make_run(const fs::path& out, int epochs, int best) {
  const TrainConfig config = config_in(out);
  const RunFolder folder = RunFolder::create(config);
  Checkpoint checkpoint = initial_checkpoint(config);
  folder.begin(checkpoint);
  for (checkpoint.epoch = 1; checkpoint.epoch <= epochs; ++checkpoint.epoch) {
    folder.append(row(checkpoint.epoch));
    save_checkpoint(folder.last(), checkpoint);
    if (checkpoint.epoch == best) save_checkpoint(folder.best(), checkpoint);
  }
  return folder;
}

Checkpoint at_epoch(const RunFolder& run, int epoch, const fs::path& out) {
  Checkpoint checkpoint = load_checkpoint(run.last());
  checkpoint.epoch = epoch;
  checkpoint.config.out = out.string();
  checkpoint.config.resume = run.last().string();
  return checkpoint;
}

// Resumes and begins.
RunFolder resume(const Checkpoint& checkpoint) {
  const RunFolder folder = RunFolder::resume(checkpoint);
  folder.begin(checkpoint);
  return folder;
}

TEST(RunFolder, NewRun) {
  TemporaryFolder folder;
  const RunFolder run = RunFolder::create(config_in(folder / "a" / "b"));
  for (const fs::directory_entry& entry : fs::directory_iterator(run.path()))
    EXPECT_EQ(entry.path().filename(), ".lock") << "a run that does not begin must not look like one";
  run.begin(initial_checkpoint(config_in(run.path())));
  EXPECT_EQ(read_text(run.csv()), header);
  run.append(row(1));
  EXPECT_EQ(read_text(run.csv()), header + rows(1, 1));
  run.append(row(2));
  EXPECT_EQ(read_text(run.csv()), header + rows(1, 2));
  EXPECT_NE(read_text(run.path() / "config.json").find("\"variant\": \"attention3\""), std::string::npos);
  EXPECT_EQ(recorded_data_folder(run.last()), "data/BUSI");
  EXPECT_EQ(recorded_data_folder(folder / "last.safetensors"), "");
}

TEST(RunFolder, RefusesAFolderThatHoldsARun) {
  for (const char* name : {"config.json", "metrics.csv", "last.safetensors", "best.safetensors"}) {
    TemporaryFolder folder;
    write_text(folder / "notes.txt", "are no run");
    write_text(folder / name, "mine");
    const std::string message = message_of<Error>([&] { RunFolder::create(config_in(folder.path())); });
    EXPECT_NE(message.find(folder.path().string()), std::string::npos) << message;
    EXPECT_NE(message.find("holds a run"), std::string::npos) << message;
    EXPECT_EQ(read_text(folder / name), "mine");
  }
}

TEST(RunFolder, RefusesAFile) {
  TemporaryFolder folder;
  write_text(folder / "a", "mine");
  for (const fs::path& out : {folder / "a", folder / "a" / "b"}) {
    const std::string message = message_of<Error>([&] { RunFolder::create(config_in(out)); });
    EXPECT_NE(message.find(out.string()), std::string::npos) << message;
  }
  EXPECT_EQ(read_text(folder / "a"), "mine");
}

TEST(RunFolder, ResumeInPlaceDropsLaterRows) {
  TemporaryFolder folder;
  const RunFolder run = make_run(folder / "run", 4, 2);
  const std::string best = read_text(run.best());
  resume(at_epoch(run, 3, run.path()));
  EXPECT_EQ(read_text(run.csv()), header + rows(1, 3));
  EXPECT_EQ(read_text(run.best()), best);
  EXPECT_NE(read_text(run.path() / "config.json").find("last.safetensors"), std::string::npos);
  // Nothing changes before it begins: there may be another reason not to.
  RunFolder::resume(at_epoch(run, 1, run.path()));
  EXPECT_EQ(read_text(run.csv()), header + rows(1, 3));
  EXPECT_TRUE(fs::exists(run.best()));
  // The best epoch itself is dropped.
  resume(at_epoch(run, 1, run.path()));
  EXPECT_EQ(read_text(run.csv()), header + rows(1, 1));
  EXPECT_FALSE(fs::exists(run.best()));
}

// The best checkpoint looks as if the run had been planned with the new number of epochs from the start.
TEST(RunFolder, ResumeWithMoreEpochs) {
  TemporaryFolder folder;
  const RunFolder run = make_run(folder / "run", 4, 2);
  Checkpoint checkpoint = at_epoch(run, 4, run.path());
  checkpoint.config.epochs = 9;
  resume(checkpoint);
  EXPECT_EQ(load_checkpoint(run.best()).config.epochs, 9);
  EXPECT_EQ(load_checkpoint(run.best()).epoch, 2);
}

TEST(RunFolder, ResumeElsewhere) {
  TemporaryFolder folder;
  const RunFolder run = make_run(folder / "run", 4, 2);
  const RunFolder other = resume(at_epoch(run, 3, folder / "other"));
  EXPECT_EQ(other.path(), folder / "other");
  EXPECT_EQ(read_text(other.csv()), header + rows(1, 3));
  EXPECT_EQ(read_text(other.best()), read_text(run.best()));
  EXPECT_EQ(read_text(run.csv()), header + rows(1, 4));
  // Not over a run that is there, and without what came later.
  EXPECT_THROW(resume(at_epoch(run, 3, folder / "other")), Error);
  const RunFolder early = resume(at_epoch(run, 1, folder / "early"));
  EXPECT_FALSE(fs::exists(early.best()));
  EXPECT_TRUE(fs::exists(run.best()));
}

TEST(RunFolder, ResumeACheckpointOnItsOwn) {
  TemporaryFolder folder;
  const RunFolder run = make_run(folder / "run", 2, 2);
  fs::create_directory(folder / "lone");
  fs::copy_file(run.last(), folder / "lone" / "last.safetensors");
  Checkpoint checkpoint = at_epoch(run, 2, folder / "lone");
  checkpoint.config.resume = (folder / "lone" / "last.safetensors").string();
  EXPECT_EQ(read_text(resume(checkpoint).csv()), header);
}

TEST(RunFolder, DamagedCsv) {
  for (const std::string& bad : {std::string("epoch,loss\n1,2\n"), header + "1,2\n", header + rows(2, 2),
                                 header + rows(1, 1) + rows(2, 2).substr(0, 40)}) {
    TemporaryFolder folder;
    const RunFolder run = make_run(folder / "run", 2, 1);
    write_text(run.csv(), bad);
    const std::string message = message_of<Error>([&] { resume(at_epoch(run, 2, run.path())); });
    EXPECT_NE(message.find(run.csv().string()), std::string::npos) << message;
    EXPECT_EQ(read_text(run.csv()), bad);
  }
}

// A row that does not fit the disk leaves no half of itself.
TEST(RunFolder, FullDisk) {
  TemporaryFolder folder;
  const RunFolder run = make_run(folder / "run", 1, 1);
  const std::string before = read_text(run.csv());
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit limit{before.size() + 20, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  const std::string message = message_of<Error>([&] { run.append(row(2)); });
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find(run.csv().string()), std::string::npos) << message;
  EXPECT_EQ(read_text(run.csv()), before);
}

/// A process of its own that holds the run folder until it is killed.
class Holder {
 public:
  explicit Holder(const TrainConfig& config) {
    int ready[2];
    if (pipe(ready) != 0) throw std::runtime_error("pipe failed");
    child_ = fork();
    if (child_ == 0) {
      const RunFolder held = RunFolder::create(config);
      if (::write(ready[1], "x", 1) == 1) pause();
      _exit(0);
    }
    char signal = 0;
    ::close(ready[1]);
    EXPECT_EQ(::read(ready[0], &signal, 1), 1);
    ::close(ready[0]);
  }
  void kill_it() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_;
};

TEST(RunFolder, OneProcessAtATimeWrites) {
  TemporaryFolder folder;
  const TrainConfig config = config_in(folder / "run");
  Holder holder(config);
  const std::string message = message_of<Error>([&] { RunFolder::create(config); });
  EXPECT_NE(message.find((folder / "run").string()), std::string::npos) << message;
  EXPECT_NE(message.find("another process is writing"), std::string::npos) << message;
  holder.kill_it();
  const RunFolder ours = RunFolder::create(config);
  ours.begin(initial_checkpoint(config));
}

TEST(RunFolder, ResumingNeedsTheFolderToItself) {
  TemporaryFolder folder;
  const RunFolder run = make_run(folder / "run", 2, 2);
  Holder holder(config_in(folder / "other"));
  EXPECT_THROW(RunFolder::resume(at_epoch(run, 2, folder / "other")), Error);
  EXPECT_TRUE(fs::exists(folder / "other" / ".lock"));
  EXPECT_FALSE(fs::exists(folder / "other" / "metrics.csv"));
  holder.kill_it();
  EXPECT_EQ(resume(at_epoch(run, 2, folder / "other")).path(), folder / "other");
}

// Killed after config.json, before the checkpoint that makes it a run: the same command may be given again.
TEST(RunFolder, ARunThatNeverBeganIsNone) {
  TemporaryFolder folder;
  const RunFolder run = make_run(folder / "run", 3, 2);
  const TrainConfig config = config_in(folder / "new");
  for (const bool resumed : {false, true}) {
    SCOPED_TRACE(resumed);
    fs::remove_all(folder / "new");
    fs::create_directory(folder / "new");
    write_text(folder / "new" / "config.json", config_json(config));
    write_text(folder / "new" / "metrics.csv", header);
    fs::copy_file(run.best(), folder / "new" / "best.safetensors");
    if (resumed) {
      EXPECT_EQ(read_text(resume(at_epoch(run, 3, folder / "new")).csv()), header + rows(1, 3));
      EXPECT_EQ(load_checkpoint(folder / "new" / "best.safetensors").epoch, 2);
    } else {
      RunFolder::create(config).begin(initial_checkpoint(config));
      EXPECT_FALSE(fs::exists(folder / "new" / "best.safetensors"));
    }
    EXPECT_TRUE(fs::exists(folder / "new" / "last.safetensors"));
    EXPECT_THROW(RunFolder::create(config), Error) << "now it is one";
  }
}

TEST(RunFolder, WhatAKilledProcessLeftIsRemoved) {
  TemporaryFolder folder;
  const RunFolder run = make_run(folder / "run", 2, 1);
  for (const char* name : {".last.safetensors.123.tmp", ".metrics.csv.4.tmp", ".notes.5.tmp", "last.safetensors.tmp"})
    write_text(run.path() / name, "half");
  fs::create_directory(run.panels());
  for (const char* name : {".epoch-001-a.png.5.tmp", ".notes.5.tmp"}) write_text(run.panels() / name, "half");
  resume(at_epoch(run, 2, run.path()));
  EXPECT_FALSE(fs::exists(run.path() / ".last.safetensors.123.tmp"));
  EXPECT_FALSE(fs::exists(run.path() / ".metrics.csv.4.tmp"));
  EXPECT_FALSE(fs::exists(run.panels() / ".epoch-001-a.png.5.tmp"));
  EXPECT_TRUE(fs::exists(run.path() / ".notes.5.tmp")) << "not ours";
  EXPECT_TRUE(fs::exists(run.panels() / ".notes.5.tmp")) << "not ours";
  EXPECT_TRUE(fs::exists(run.path() / "last.safetensors.tmp")) << "not ours";
}

}  // namespace TEST_FILE
}  // namespace attnunet
