#include "common/io/text_file.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

#include "common/core/error.h"
#include "common/core/quoting.h"

namespace attnunet {
namespace {

void append_utf8(std::string& text, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

std::string utf8_of_utf16(const std::string& bytes, std::size_t begin, bool big_endian) {
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<unsigned char>(bytes[at]), second = static_cast<unsigned char>(bytes[at + 1]);
    return static_cast<std::uint32_t>(big_endian ? first << 8 | second : second << 8 | first);
  };
  if ((bytes.size() - begin) % 2 != 0) throw Error("it is UTF-16 that ends within a letter");
  std::string text;
  for (std::size_t at = begin; at < bytes.size(); at += 2) {
    std::uint32_t code = unit(at);
    if (code >= 0xd800 && code < 0xe000) {
      at += 2;
      const std::uint32_t low = code < 0xdc00 && at < bytes.size() ? unit(at) : 0;
      if (low < 0xdc00 || low >= 0xe000) throw Error("it is UTF-16 with half a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    append_utf8(text, code);
  }
  return text;
}

std::string with_plain_line_ends(const std::string& text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool of_pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!of_pair) result += text[i] == '\r' ? '\n' : text[i];
  }
  return result;
}

}  // namespace

std::string decoded_text(const std::string& bytes) {
  const auto begins_with = [&](const std::string& mark) { return bytes.compare(0, mark.size(), mark) == 0; };
  const bool two = bytes.size() >= 2;
  if (begins_with("\xef\xbb\xbf")) return with_plain_line_ends(bytes.substr(3));
  if (begins_with("\xff\xfe")) return with_plain_line_ends(utf8_of_utf16(bytes, 2, false));
  if (begins_with("\xfe\xff")) return with_plain_line_ends(utf8_of_utf16(bytes, 2, true));
  if (two && bytes[0] != 0 && bytes[1] == 0) return with_plain_line_ends(utf8_of_utf16(bytes, 0, false));
  if (two && bytes[0] == 0 && bytes[1] != 0) return with_plain_line_ends(utf8_of_utf16(bytes, 0, true));
  return with_plain_line_ends(bytes);
}

std::string trimmed(const std::string& text) {
  const char* const spaces = " \t";
  const std::size_t first = text.find_first_not_of(spaces);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(spaces) - first + 1);
}

std::string text_of_file(const std::filesystem::path& path, const std::string& what, const std::string& hint) {
  const auto fail = [&](const std::string& reason) {
    return Error("cannot read " + what + " " + quoted(path) + ": " + reason + "; " + hint);
  };
  std::error_code failure;
  const std::filesystem::file_status status = std::filesystem::status(path, failure);
  if (!std::filesystem::exists(status) || std::filesystem::is_directory(status))
    throw fail(std::strerror(failure ? failure.value() : std::filesystem::exists(status) ? EISDIR : ENOENT));
  // To open a named pipe would wait for its writer.
  if (!std::filesystem::is_regular_file(status)) throw fail("it is a pipe or a device, not a file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw fail(std::strerror(errno == 0 ? EIO : errno));
  constexpr std::size_t largest = std::size_t{64} << 20;
  std::string bytes;
  char block[1 << 14];
  while (file.read(block, sizeof block) || file.gcount() > 0) {
    bytes.append(block, static_cast<std::size_t>(file.gcount()));
    if (bytes.size() > largest) throw fail("it has more than 64 MiB");
  }
  if (file.bad()) throw fail(std::strerror(errno == 0 ? EIO : errno));
  try {
    return decoded_text(bytes);
  } catch (const Error& failure) {
    throw fail(failure.what());
  }
}

}  // namespace attnunet
