#include "common/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/io/atomic_file.h"
#include "common/io/safetensors.h"

namespace attnunet {
namespace {

namespace fs = std::filesystem;

constexpr const char* csv_header =
    "epoch,lr,seconds,train_loss,train_accuracy,train_iou,train_dice,train_keras_mean_iou,val_loss,val_accuracy,"
    "val_iou,val_dice,val_pooled_iou,val_pooled_dice,val_keras_mean_iou";

void make_folder(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) throw file_error("cannot make the run folder", path, code.value());
  if (!fs::is_directory(path, code))
    throw Error("the run folder " + path.string() + " is a file; choose another --out");
}

// This process' lock of the folder. flock belongs to an open file: two RunFolders of one process must share it.
std::shared_ptr<const int> lock(const fs::path& folder) {
  static std::mutex mutex;
  static std::map<std::pair<dev_t, ino_t>, std::weak_ptr<const int>> held;
  const std::lock_guard guard(mutex);
  const fs::path path = folder / ".lock";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) throw file_error("cannot write", path, errno);
  std::shared_ptr<const int> descriptor(new int(file), [](const int* last) {
    close(*last);
    delete last;
  });
  struct stat identity {};
  if (fstat(file, &identity) != 0) throw file_error("cannot read", path, errno);
  std::weak_ptr<const int>& known = held[{identity.st_dev, identity.st_ino}];
  if (const auto ours = known.lock()) return ours;
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      throw Error("another process is writing the run folder " + folder.string() +
                  "; wait for it, stop it or choose another --out");
    if (errno != ENOLCK && errno != EOPNOTSUPP && errno != ENOSYS) throw file_error("cannot lock", path, errno);
  }
  known = descriptor;
  return descriptor;
}

constexpr const char* run_files[] = {"config.json", "metrics.csv", "last.safetensors", "best.safetensors"};

// An entry of the config.json beside a checkpoint; null where there is none.
nlohmann::json recorded(const fs::path& checkpoint, const char* key) {
  std::ifstream file(checkpoint.parent_path() / "config.json");
  const nlohmann::json config = nlohmann::json::parse(file, nullptr, false);
  return config.is_object() && config.contains(key) ? config[key] : nlohmann::json();
}

// One that is a text; "" where it is not.
std::string recorded_text(const fs::path& checkpoint, const char* key) {
  const nlohmann::json entry = recorded(checkpoint, key);
  return entry.is_string() ? entry.get<std::string>() : "";
}

// What a process leaves that was killed before the first checkpoint: a config.json of ours, perhaps more, no run.
bool never_began(const fs::path& path) {
  return !recorded_text(path / "last.safetensors", "started").empty() &&
         !fs::exists(fs::symlink_status(path / "last.safetensors"));
}

void refuse_a_run(const fs::path& path) {
  if (never_began(path)) return;
  for (const char* name : run_files)
    if (fs::exists(fs::symlink_status(path / name)))
      throw Error("the folder " + path.string() + " holds a run already (" + name +
                  "); choose another --out, or continue that run with --resume " +
                  shell_word(path / "last.safetensors"));
}

// What AtomicFile had begun in a folder when a process was killed, of files whose names begin as those given: no other
// process of ours writes here, so nobody will finish it.
void remove_unfinished(const fs::path& folder, const std::vector<std::string>& names) {
  std::error_code none;
  std::vector<fs::path> unfinished;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none))
    for (const std::string& name : names)
      if (entry.path().extension() == ".tmp" && entry.path().filename().string().rfind("." + name, 0) == 0)
        unfinished.push_back(entry.path());
  for (const fs::path& file : unfinished) fs::remove(file);
}

// The rows of a metrics.csv up to an epoch, as they stand; the header alone where there is no such file.
std::string rows_until(const fs::path& path, int epoch) {
  std::string kept = std::string(csv_header) + "\n";
  if (!fs::exists(path)) return kept;
  std::ifstream file(path, std::ios::binary);
  const Error damaged("cannot read " + path.string() + ": it is not the metrics.csv of a run; repair or remove it");
  std::string line;
  if (!std::getline(file, line)) return kept;
  if (line != csv_header) throw damaged;
  for (int expected = 1; expected <= epoch && std::getline(file, line); ++expected) {
    const auto commas = std::count(line.begin(), line.end(), ',');
    if (file.eof() || commas != 14 || line.rfind(std::to_string(expected) + ",", 0) != 0) throw damaged;
    kept += line + "\n";
  }
  return kept;
}

std::string csv_line(const EpochRow& row) {
  const Metrics &t = row.train, &v = row.val;
  std::string line = std::to_string(row.epoch);
  for (double value : {row.lr, row.seconds, t.loss, t.accuracy, t.iou, t.dice, t.keras_mean_iou, v.loss, v.accuracy,
                       v.iou, v.dice, v.pooled_iou, v.pooled_dice, v.keras_mean_iou}) {
    char text[40];
    std::snprintf(text, sizeof text, ",%.17g", value);
    line += text;
  }
  return line + "\n";
}

}  // namespace

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {
  make_folder(path_);
  lock_ = lock(path_);
}

RunFolder RunFolder::create(const TrainConfig& config) {
  RunFolder folder(config.out);
  refuse_a_run(folder.path_);
  folder.rows_ = std::string(csv_header) + "\n";
  return folder;
}

RunFolder RunFolder::resume(const Checkpoint& checkpoint) {
  const fs::path resumed(checkpoint.config.resume);
  RunFolder folder(checkpoint.config.out);
  folder.from_ = resumed.has_parent_path() ? resumed.parent_path() : fs::path(".");
  if (!fs::equivalent(folder.from_, folder.path_)) refuse_a_run(folder.path_);
  folder.rows_ = rows_until(folder.from_ / "metrics.csv", checkpoint.epoch);
  return folder;
}

// Whatever moment a process dies at, the run can be begun or continued as if it had not: config.json, which knows the
// dataset, goes first. In its own folder the checkpoint follows, so that it is never later than the rows; in another it
// goes last, since with it the folder holds a run.
void RunFolder::begin(const Checkpoint& start) const {
  remove_unfinished(path_, {"config.json", "metrics.csv", "last.safetensors", "best.safetensors", "report.html"});
  remove_unfinished(panels(), {"epoch-"});
  write_file_atomically(path_ / "config.json", config_json(start.config));
  const bool in_place = !from_.empty() && fs::equivalent(from_, path_);
  if (in_place)
    save_checkpoint(last(), start);
  else
    fs::remove(best());
  if (!from_.empty()) {
    take_over_best(start, in_place);
    take_over_panels(start.epoch, in_place);
  }
  write_file_atomically(csv(), rows_);
  if (!in_place) save_checkpoint(last(), start);
}

void RunFolder::take_over_best(const Checkpoint& start, bool in_place) const {
  const fs::path source = from_ / "best.safetensors";
  if (!fs::exists(source)) return;
  Checkpoint found = load_checkpoint(source);
  if (found.epoch > start.epoch) {
    if (in_place) fs::remove(source);
  } else if (!in_place || found.config.epochs != start.config.epochs ||
             found.config.patience != start.config.patience) {
    found.config.epochs = start.config.epochs;
    found.config.patience = start.config.patience;
    save_checkpoint(best(), found);
  }
}

fs::path RunFolder::panel(int epoch, const std::string& name) const {
  char number[32];
  std::snprintf(number, sizeof number, "epoch-%03d-", epoch);
  return panels() / (number + name + ".png");
}

void RunFolder::take_over_panels(int epoch, bool in_place) const {
  const fs::path source = from_ / "epochs";
  std::error_code none;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(source, none)) found.push_back(entry.path());
  for (const fs::path& file : found) {
    int of = 0;
    if (file.extension() != ".png" || std::sscanf(file.filename().c_str(), "epoch-%d-", &of) != 1) continue;
    if (in_place && of > epoch) fs::remove(file);
    if (in_place || of > epoch) continue;
    fs::create_directories(panels());
    fs::copy_file(file, panels() / file.filename(), fs::copy_options::overwrite_existing);
  }
}

void RunFolder::append(const EpochRow& row) const {
  const std::string line = csv_line(row);
  const int file = open(csv().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) throw file_error("cannot write", csv(), errno);
  const off_t before = lseek(file, 0, SEEK_END);
  const ssize_t written = write(file, line.data(), line.size());
  // A short write is a disk that filled up.
  int code = written < 0 ? errno : written < static_cast<ssize_t>(line.size()) ? ENOSPC : 0;
  if (code == 0 && fsync(file) != 0) code = errno;
  const bool undone = code == 0 || ftruncate(file, before) == 0;
  close(file);
  if (!undone) throw Error("cannot write " + csv().string() + ": its last row is damaged; remove that row");
  if (code != 0) throw file_error("cannot write", csv(), code);
}

std::vector<EpochRow> read_metrics(const fs::path& csv) {
  std::ifstream file(csv, std::ios::binary);
  if (!file) throw file_error("cannot read", csv, errno);
  const Error damaged("cannot read " + csv.string() + ": it is not the metrics.csv of a run");
  std::string line;
  if (!std::getline(file, line) || line != csv_header) throw damaged;
  std::vector<EpochRow> rows;
  while (std::getline(file, line)) {
    EpochRow row;
    Metrics &t = row.train, &v = row.val;
    double epoch = 0;
    const char* at = line.c_str();
    for (double* value : {&epoch, &row.lr, &row.seconds, &t.loss, &t.accuracy, &t.iou, &t.dice, &t.keras_mean_iou,
                          &v.loss, &v.accuracy, &v.iou, &v.dice, &v.pooled_iou, &v.pooled_dice, &v.keras_mean_iou}) {
      char* end = nullptr;
      *value = std::strtod(at, &end);
      const char after = value == &v.keras_mean_iou ? '\0' : ',';
      if (end == at || *end != after) throw damaged;
      at = end + 1;
    }
    // A run that was resumed from a checkpoint alone begins later than with epoch 1.
    if (!(epoch >= 1 && epoch <= 100000) || (!rows.empty() && epoch != rows.back().epoch + 1)) throw damaged;
    row.epoch = static_cast<int>(epoch);
    if (static_cast<double>(row.epoch) != epoch) throw damaged;
    rows.push_back(row);
  }
  return rows;
}

std::string recorded_data_folder(const fs::path& checkpoint) {
  return recorded_text(checkpoint, "data");
}

std::string recorded_files(const fs::path& checkpoint) {
  return recorded_text(checkpoint, "files");
}

int recorded_panels(const fs::path& checkpoint, int otherwise) {
  const nlohmann::json panels = recorded(checkpoint, "panels");
  return panels.is_number_unsigned() ? panels.get<int>() : otherwise;
}

}  // namespace attnunet
