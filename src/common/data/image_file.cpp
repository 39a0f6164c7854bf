#include "common/data/image_file.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/raw_image.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
// Zeros, so that a file whose tables are missing gives the same pixels every time.
#define STBI_MALLOC(bytes) std::calloc(1, bytes)
#define STBI_REALLOC(memory, bytes) std::realloc(memory, bytes)
#define STBI_FREE(memory) std::free(memory)
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

bool begins_with(const std::string& bytes, const char* signature) {
  return bytes.compare(0, std::strlen(signature), signature) == 0;
}

/// The file, as stb_image reads it.
struct Source {
  const std::string& bytes;
  std::size_t next = 0;
  bool passed_end = false;  ///< it asked for more than there is

  static int read(void* user, char* to, int count) {
    Source& source = *static_cast<Source*>(user);
    const std::size_t got = std::min(static_cast<std::size_t>(count), source.bytes.size() - source.next);
    std::copy_n(source.bytes.data() + source.next, got, to);
    source.next += got;
    if (got == 0) source.passed_end = true;
    return static_cast<int>(got);
  }
  static void skip(void* user, int count) {
    Source& source = *static_cast<Source*>(user);
    // Back over what is buffered: stb_image does so only where a header says that pixels begin before it ends.
    const auto to = static_cast<std::int64_t>(source.next) + count;
    const auto end = static_cast<std::int64_t>(source.bytes.size());
    source.passed_end = source.passed_end || to < 0 || to > end;
    source.next = static_cast<std::size_t>(std::clamp<std::int64_t>(to, 0, end));
  }
  static int at_end(void* user) {
    const Source& source = *static_cast<Source*>(user);
    return source.next == source.bytes.size() ? 1 : 0;
  }
};
constexpr stbi_io_callbacks callbacks{&Source::read, &Source::skip, &Source::at_end};

std::string read_bytes(const fs::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    throw Error("cannot open " + quoted(path) + ": " + std::strerror(errno) + "; check the name and its rights");
  std::string bytes(static_cast<std::size_t>(fs::file_size(path)), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) throw Error("cannot read " + quoted(path) + ": " + std::strerror(errno) + "; check the disk");
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

/// stb_image 2.27 leaves its tables where a JPEG lists more than 255 codes of one Huffman table. No encoder does: there
/// are 16 lengths of runs times 11 sizes to encode. Segments are found here as it finds them, by markers and lengths.
void check_huffman_tables(const fs::path& path, const std::string& bytes) {
  const auto at = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
  for (std::size_t i = 2; i + 1 < bytes.size();) {
    const unsigned marker = at(i + 1);
    const bool restart = marker >= 0xd0 && marker <= 0xd7;
    if (at(i) != 0xff || marker == 0xff || marker == 0 || restart) {  // fill, pixels and what is between them
      ++i;
      continue;
    }
    if (marker == 0xd9) return;  // end of image
    const std::size_t begin = i + 2, end = begin + std::max(2u, at(begin) << 8 | at(begin + 1));
    i = end;
    if (marker != 0xc4) continue;
    for (std::size_t table = begin + 2; table < end;) {
      std::size_t codes = 0;
      for (std::size_t length = 1; length <= 16; ++length) codes += at(table + length);
      if (codes > 255) throw damaged(path, "a Huffman table of " + std::to_string(codes) + " codes");
      table += 17 + codes;
    }
  }
}

enum class Kind { jpeg, bmp };

RawImage decode(const fs::path& path, Kind kind) {
  const std::string bytes = read_bytes(path);
  if (bytes.size() > std::size_t{1} << 30)
    throw Error(quoted(path) + " has " + std::to_string(bytes.size()) + " bytes, more than the limit of 2^30");
  if (kind == Kind::jpeg) check_huffman_tables(path, bytes);
  int width = 0, height = 0, channels = 0;
  Source header{bytes};
  if (stbi_info_from_callbacks(&callbacks, &header, &width, &height, &channels) == 0)
    throw damaged(path, header.passed_end ? "it ends within its header" : stbi_failure_reason());
  const std::int64_t rows = std::abs(std::int64_t{height});  // of BMP, negative where the first row is the upper one
  const std::string size = std::to_string(width) + " x " + std::to_string(rows) + " pixels";
  if (width <= 0 || rows == 0) throw damaged(path, "its header says " + size);
  if (rows > largest_image / width)
    throw Error(quoted(path) + " claims to have " + size + ", more than the limit of " + std::to_string(largest_image) +
                "; scale it down or remove it");
  const std::int64_t pixels = width * rows;
  // BMP's smallest pixels are bits. JPEG spends a bit at least on every 8 x 8 block, whose mean it holds.
  const std::int64_t pixels_in_byte = kind == Kind::jpeg ? 512 : 8;
  if (pixels / pixels_in_byte > static_cast<std::int64_t>(bytes.size()))
    throw damaged(path,
                  "its header claims " + size + ", more than its " + std::to_string(bytes.size()) + " bytes hold");

  const int wanted = channels == 1 ? 1 : 3;
  Source source{bytes};
  const std::unique_ptr<unsigned char, decltype(&std::free)> decoded(
      stbi_load_from_callbacks(&callbacks, &source, &width, &height, &channels, wanted), &std::free);
  if (source.passed_end) throw damaged(path, "it ends before its last pixel");
  if (decoded == nullptr) throw damaged(path, stbi_failure_reason());

  RawImage image;
  image.width = width;
  image.height = height;
  image.channels = wanted;
  image.format = wanted == 1 ? "8-bit grey" : "8-bit RGB";
  image.samples.assign(decoded.get(), decoded.get() + pixels * wanted);
  return image;
}

}  // namespace

Grey read_image(const fs::path& path) {
  return luma_of(read_raw(path));
}

RawImage read_raw(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::is_other(status))
    throw Error(quoted(path) + " is not a regular file; save the image to a file and name that");
  char head[8] = {};
  std::ifstream file(path, std::ios::binary);
  file.read(head, sizeof head);
  const std::string begin(head, static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  file.close();
  if (begins_with(begin, "\xff\xd8")) return decode(path, Kind::jpeg);
  if (begins_with(begin, "BM")) return decode(path, Kind::bmp);
  // Where there is nothing to read, read_png says why.
  if (std::string("\x89PNG\r\n\x1a\n").compare(0, begin.size(), begin) == 0) return read_png(path);
  throw Error(quoted(path) + " is neither PNG nor JPEG nor BMP; convert it to one of them");
}

bool has_image_name(const fs::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg" || ending == ".bmp";
}

}  // namespace attnunet::data
