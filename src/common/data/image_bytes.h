// What all readers of image files share: the bytes of the file and the reasons to refuse it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <new>
#include <string>

#include "common/core/error.h"

namespace attnunet::data {

/// Images of more pixels are refused before anything is allocated for them.
constexpr std::int64_t largest_image = std::int64_t{1} << 28;

/// The whole file. Throws Error, one line naming it, if it is missing, not a regular file, empty or has more than
/// 2^30 bytes. A named pipe is not opened.
std::string read_image_bytes(const std::filesystem::path& path);

/// The error of a file with wrong contents; `how` says what is wrong with them.
Error damaged(const std::filesystem::path& path, const std::string& how);

/// Throws Error if an image of this size cannot be read: it has no pixels, or more than largest_image.
void check_size(const std::filesystem::path& path, std::int64_t width, std::int64_t height);

/// The error of a file whose header is fine but whose pixels take more than the file has bytes: it was cut, or the
/// header is wrong.
Error claims_too_much(const std::filesystem::path& path, std::int64_t width, std::int64_t height,
                      std::size_t file_bytes);

/// The error of an image that takes `bytes` of memory, more than there is.
Error too_little_memory(const std::filesystem::path& path, std::int64_t width, std::int64_t height, std::int64_t bytes);

/// What `decode` returns. Throws too_little_memory instead of std::bad_alloc.
template <class Decode>
auto with_memory(const std::filesystem::path& path, std::int64_t width, std::int64_t height, std::int64_t bytes,
                 Decode decode) {
  try {
    return decode();
  } catch (const std::bad_alloc&) {
    throw too_little_memory(path, width, height, bytes);
  }
}

}  // namespace attnunet::data
