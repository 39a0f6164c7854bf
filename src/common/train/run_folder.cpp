#include "common/train/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/train/atomic_file.h"
#include "common/train/safetensors.h"

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

void refuse_a_run(const fs::path& path) {
  for (const char* name : {"config.json", "metrics.csv", "last.safetensors", "best.safetensors"})
    if (fs::exists(fs::symlink_status(path / name)))
      throw Error("the folder " + path.string() + " holds a run already (" + name +
                  "); choose another --out, or continue that run with --resume " +
                  (path / "last.safetensors").string());
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

/// An entry of the config.json beside a checkpoint; null where there is none.
nlohmann::json recorded(const fs::path& checkpoint, const char* key) {
  std::ifstream file(checkpoint.parent_path() / "config.json");
  const nlohmann::json config = nlohmann::json::parse(file, nullptr, false);
  return config.is_object() && config.contains(key) ? config[key] : nlohmann::json();
}

}  // namespace

RunFolder RunFolder::create(const TrainConfig& config) {
  RunFolder folder(config.out);
  make_folder(folder.path_);
  refuse_a_run(folder.path_);
  folder.rows_ = std::string(csv_header) + "\n";
  return folder;
}

RunFolder RunFolder::resume(const Checkpoint& checkpoint) {
  const fs::path resumed(checkpoint.config.resume);
  RunFolder folder(checkpoint.config.out);
  folder.from_ = resumed.has_parent_path() ? resumed.parent_path() : fs::path(".");
  make_folder(folder.path_);
  if (!fs::equivalent(folder.from_, folder.path_)) refuse_a_run(folder.path_);
  folder.rows_ = rows_until(folder.from_ / "metrics.csv", checkpoint.epoch);
  return folder;
}

void RunFolder::begin(const Checkpoint& start) const {
  if (!from_.empty()) take_over_best(start);
  if (!from_.empty()) take_over_panels(start.epoch);
  write_file_atomically(csv(), rows_);
  write_file_atomically(path_ / "config.json", config_json(start.config));
}

void RunFolder::take_over_best(const Checkpoint& start) const {
  const fs::path source = from_ / "best.safetensors";
  const bool same_folder = fs::equivalent(from_, path_);
  if (!fs::exists(source)) return;
  Checkpoint found = load_checkpoint(source);
  if (found.epoch > start.epoch) {
    if (same_folder) fs::remove(source);
  } else if (!same_folder || found.config.epochs != start.config.epochs) {
    found.config.epochs = start.config.epochs;
    save_checkpoint(best(), found);
  }
}

fs::path RunFolder::panel(int epoch, const std::string& name) const {
  char number[32];
  std::snprintf(number, sizeof number, "epoch-%03d-", epoch);
  return panels() / (number + name + ".png");
}

void RunFolder::take_over_panels(int epoch) const {
  const fs::path source = from_ / "epochs";
  std::error_code none;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(source, none)) found.push_back(entry.path());
  const bool same_folder = fs::equivalent(from_, path_);
  for (const fs::path& file : found) {
    int of = 0;
    if (std::sscanf(file.filename().c_str(), "epoch-%d-", &of) != 1) continue;
    if (same_folder && of > epoch) fs::remove(file);
    if (same_folder || of > epoch) continue;
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
    if (epoch != static_cast<double>(rows.size() + 1)) throw damaged;
    row.epoch = static_cast<int>(epoch);
    rows.push_back(row);
  }
  return rows;
}

std::string recorded_data_folder(const fs::path& checkpoint) {
  const nlohmann::json data = recorded(checkpoint, "data");
  return data.is_string() ? data.get<std::string>() : "";
}

int recorded_panels(const fs::path& checkpoint, int otherwise) {
  const nlohmann::json panels = recorded(checkpoint, "panels");
  return panels.is_number_unsigned() ? panels.get<int>() : otherwise;
}

}  // namespace attnunet
