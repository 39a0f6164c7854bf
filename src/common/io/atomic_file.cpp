#include "common/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "common/core/fnv.h"

namespace attnunet {
namespace {

const char* advice(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return "free some space or choose another folder";
    case EFBIG:
      return "raise the file size limit (ulimit -f) or choose another file system";
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose a folder that may be written to";
    case EISDIR:
    case ENOTEMPTY:
    case EEXIST:
      return "a folder has its name: remove it or choose another place";
    case ENAMETOOLONG:
      return "give it a shorter name";
    case ENOENT:
    case ENOTDIR:
      return "make its folder first or choose another place";
    default:
      return "check the path and the disk";
  }
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// File systems take 255 bytes. Of a long name the beginning is used, and a hash that tells it from others like it.
std::string temporary_name(const std::string& name) {
  constexpr std::size_t longest = 200;
  std::string begin = name;
  if (name.size() > longest) {
    Fnv hash;
    hash.take(name);
    begin = name.substr(0, longest) + "." + hash.text();
  }
  return "." + begin + "." + std::to_string(getpid()) + ".tmp";
}

// Some file systems cannot sync a folder (EINVAL); they give no stronger promise to ask for.
void sync_folder(const std::filesystem::path& path) {
  const int folder = open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) throw file_error("cannot sync the folder of", path, errno);
  const int code = fsync(folder) == 0 ? 0 : errno;
  close(folder);
  if (code != 0 && code != EINVAL) throw file_error("cannot sync the folder of", path, code);
}

// A device, a pipe or a socket; also a file that the shell has opened as our standard output or error, which goes on
// being written to.
bool is_stream(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  const bool is_there = std::filesystem::exists(status) && !std::filesystem::is_directory(status);
  return is_there && (!std::filesystem::is_regular_file(status) || path == "/dev/stdout" || path == "/dev/stderr");
}

// The files that this process is writing. Two of one name would take each other's temporary file away.
class FilesInWork {
 public:
  bool add(const std::filesystem::path& path) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return paths_.insert(path).second;
  }
  void remove(const std::filesystem::path& path) {
    const std::lock_guard<std::mutex> lock(mutex_);
    paths_.erase(path);
  }

 private:
  std::mutex mutex_;
  std::set<std::filesystem::path> paths_;
};

FilesInWork& files_in_work() {
  static FilesInWork files;
  return files;
}

}  // namespace

Error file_error(const std::string& what, const std::filesystem::path& path, int code) {
  return Error(what + " " + path.string() + ": " + std::generic_category().message(code) + "; " + advice(code));
}

AtomicFile::AtomicFile(std::filesystem::path path, Durability durability)
    : path_(std::move(path)), durability_(durability) {
  // Seen now and not when it is renamed, after the work whose results it would hold.
  std::error_code status;
  if (std::filesystem::is_directory(path_, status)) throw file_error("cannot write", path_, EISDIR);
  if (status == std::errc::filename_too_long) throw file_error("cannot write", path_, ENAMETOOLONG);
  if (is_stream(path_)) {
    // Not opened anew: what is printed and what is written here then follow each other in one file.
    descriptor_ = path_ == "/dev/stdout"   ? dup(STDOUT_FILENO)
                  : path_ == "/dev/stderr" ? dup(STDERR_FILENO)
                                           : open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor_ < 0) throw file_error("cannot write", path_, errno);
    return;
  }
  for (int links = 0; std::filesystem::is_symlink(path_, status); ++links) {
    constexpr int most_links = 40;  // as the system allows
    if (links == most_links) throw file_error("cannot write", path_, ELOOP);
    path_ = folder_of(path_) / std::filesystem::read_symlink(path_);
  }
  const std::filesystem::path temporary =
      std::filesystem::absolute(folder_of(path_) / temporary_name(path_.filename().string())).lexically_normal();
  if (!files_in_work().add(temporary))
    throw Error("cannot write " + path_.string() + ": another output has the same name; give each a name of its own");
  // A file of that name can only be left over from a process that was killed.
  unlink(temporary.c_str());
  descriptor_ = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    const int code = errno;
    files_in_work().remove(temporary);
    throw file_error("cannot write", path_, code);
  }
  temporary_ = temporary;
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (temporary_.empty()) return;
  unlink(temporary_.c_str());
  files_in_work().remove(temporary_);
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  if (temporary_.empty()) std::fflush(stdout);
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    // Linux writes at most 2 GB at once.
    const ssize_t written = ::write(descriptor_, next, std::min<std::size_t>(bytes, std::size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw file_error("cannot write", path_, errno);
    next += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  const bool synced = durability_ == Durability::synced && !temporary_.empty();
  if (synced && fsync(descriptor_) != 0) throw file_error("cannot write", path_, errno);
  if (close(std::exchange(descriptor_, -1)) != 0) throw file_error("cannot write", path_, errno);
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), path_.c_str()) != 0) throw file_error("cannot write", path_, errno);
  files_in_work().remove(std::exchange(temporary_, {}));
  if (synced) sync_folder(path_);
}

void AtomicFile::commit(const std::string& contents) {
  write(contents.data(), contents.size());
  commit();
}

void write_file_atomically(const std::filesystem::path& path, const std::string& contents) {
  AtomicFile(path).commit(contents);
}

}  // namespace attnunet
