// Whether the files of a dataset are still those that were there at the start.
//
// A training reads a case once or in every epoch, as memory allows: were its file replaced meanwhile, the result would
// depend on the moment. A file counts as changed if its size, its time of modification or the file itself (inode) is
// another than at the start, or it is gone. That costs one system call a file, no reading.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/data/dataset.h"

namespace attnunet::data {

class Watch {
 public:
  /// Remembers the images and masks of these cases (indices into the dataset). Throws Error naming one that is missing.
  Watch(const Dataset& dataset, const std::vector<std::size_t>& cases);

  /// The first file that has changed, and how: "'a.png' was replaced"; "" if all are as they were.
  std::string change() const;

 private:
  struct File {
    std::filesystem::path path;
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t bytes = 0, seconds = 0, nanoseconds = 0;
  };
  std::vector<File> files_;
};

/// A hash (64-bit FNV-1a) of the names and sizes in bytes of these cases' files: the same for every copy of the
/// dataset, wherever and whenever it was made. Throws Error naming a file that is missing.
std::string hash_of_file_sizes(const Dataset& dataset, const std::vector<std::size_t>& cases);

}  // namespace attnunet::data
