#include "common/data/watch.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "common/core/error.h"
#include "common/core/fnv.h"
#include "common/core/quoting.h"

namespace attnunet::data {
namespace {

template <class Visit>
void for_each_file(const Dataset& dataset, const std::vector<std::size_t>& cases, Visit visit) {
  for (const std::size_t one : cases) {
    visit(dataset.cases[one].image);
    for (const std::filesystem::path& mask : dataset.cases[one].masks) visit(mask);
  }
}

struct stat status_of(const std::filesystem::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0)
    throw Error("cannot read " + quoted(path) + ": " + std::strerror(errno) + "; check the dataset");
  return status;
}

}  // namespace

Watch::Watch(const Dataset& dataset, const std::vector<std::size_t>& cases) {
  for_each_file(dataset, cases, [&](const std::filesystem::path& path) {
    const struct stat now = status_of(path);
    files_.push_back({path, now.st_dev, now.st_ino, now.st_size, now.st_mtim.tv_sec, now.st_mtim.tv_nsec});
  });
}

std::string Watch::change() const {
  for (const File& file : files_) {
    struct stat now {};
    const std::string name = quoted(file.path);
    if (stat(file.path.c_str(), &now) != 0) return name + " was removed (" + std::strerror(errno) + ")";
    if (now.st_dev != file.device || now.st_ino != file.inode) return name + " was replaced";
    if (now.st_size != file.bytes || now.st_mtim.tv_sec != file.seconds || now.st_mtim.tv_nsec != file.nanoseconds)
      return name + " was written";
  }
  return "";
}

std::string hash_of_file_sizes(const Dataset& dataset, const std::vector<std::size_t>& cases) {
  Fnv hash;
  for_each_file(dataset, cases, [&](const std::filesystem::path& path) {
    hash.take(path.filename().string());
    hash.take(std::to_string(status_of(path).st_size));
  });
  return hash.text();
}

}  // namespace attnunet::data
