#include "common/data/image_bytes.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "common/core/quoting.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t most_file_bytes = std::uintmax_t{1} << 30;

std::string pixels_text(std::int64_t width, std::int64_t height) {
  return std::to_string(width) + " x " + std::to_string(height) + " pixels";
}

}  // namespace

std::string read_image_bytes(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::is_directory(status)) throw Error(quoted(path) + " is a folder, not an image; rename or remove it");
  if (fs::is_other(status))
    throw Error(quoted(path) + " is not a regular file; save the image to a file and name that");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw Error("cannot open " + quoted(path) + ": " + std::strerror(errno) + "; check the name and the permissions");
  const std::uintmax_t size = fs::file_size(path);
  if (size > most_file_bytes)
    throw Error(quoted(path) + " has " + std::to_string(size) + " bytes, more than the limit of " +
                std::to_string(most_file_bytes) + " for an image file");
  std::string bytes;
  try {
    bytes.resize(static_cast<std::size_t>(size));
  } catch (const std::bad_alloc&) {
    throw Error(quoted(path) + " has " + std::to_string(size) +
                " bytes, more than there is memory for; free some memory");
  }
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) throw Error("cannot read " + quoted(path) + ": " + std::strerror(errno) + "; check the disk");
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (bytes.empty()) throw Error(quoted(path) + " is empty (0 bytes); copy or download it again");
  return bytes;
}

Error damaged(const fs::path& path, const std::string& how) {
  return Error(quoted(path) + " is damaged (" + how + "); copy or download it again");
}

void check_size(const fs::path& path, std::int64_t width, std::int64_t height) {
  if (width <= 0 || height <= 0) throw damaged(path, "its header says " + pixels_text(width, height));
  if (height > largest_image / width)
    throw Error(quoted(path) + " claims to have " + pixels_text(width, height) + ", more than the limit of " +
                std::to_string(largest_image) + "; scale it down or remove it");
}

Error claims_too_much(const fs::path& path, std::int64_t width, std::int64_t height, std::size_t file_bytes) {
  return damaged(path, "its header claims " + pixels_text(width, height) + ", more than its " +
                           std::to_string(file_bytes) + " bytes hold");
}

Error too_little_memory(const fs::path& path, std::int64_t width, std::int64_t height, std::int64_t bytes) {
  return Error(quoted(path) + " has " + pixels_text(width, height) + " and takes " + std::to_string(bytes >> 20) +
               " MiB of memory to read, more than there is; scale it down, or free some memory");
}

}  // namespace attnunet::data
