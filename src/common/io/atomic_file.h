// Files that are either the old one or the whole new one, whatever happens while they are written.
//
// The bytes go to a temporary file in the same folder, are synced to the disk, and the temporary is renamed over the
// target (rename replaces atomically within a file system); then the folder is synced, so that the new name survives a
// power cut as well. Files that are easily made again may go without the two syncs, which take milliseconds each.
// A symbolic link is followed: the file that it names is replaced, the link stays. What is no file but a device, a pipe
// or a socket (/dev/stdout, /dev/null) is written to as it is.
// A process must ignore SIGXFSZ for a file size limit to be an error here instead of its end.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "common/core/error.h"

namespace attnunet {

/// The error of a failed system call: what failed, the file, the text of `code` (an errno) and what to do about it.
Error file_error(const std::string& what, const std::filesystem::path& path, int code);

enum class Durability {
  synced,   ///< on the disk when commit returns
  unsynced  ///< written out when the system gets to it: a power cut may lose the contents, the end of the process can't
};

class AtomicFile {
 public:
  /// Makes the temporary file, or opens what is no file. Every member throws Error naming the file if the system
  /// refuses. Throws too if the path is a folder, or if this process is writing a file of that name already.
  explicit AtomicFile(std::filesystem::path path, Durability durability = Durability::synced);
  /// Without commit: removes the temporary, the old file stays.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  /// Puts the file in its place; nothing can be written afterwards.
  void commit();
  /// Writes the contents first.
  void commit(const std::string& contents);

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;  ///< empty if path_ is no file and is written to directly
  Durability durability_;
  int descriptor_ = -1;
};

void write_file_atomically(const std::filesystem::path& path, const std::string& contents);

}  // namespace attnunet
