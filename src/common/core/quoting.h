// Text from outside (names of files, options, entries of a file) inside a message or a command.
#pragma once

#include <cstddef>
#include <string>

namespace attnunet {

/// The text with question marks in place of control characters, for tables and messages.
inline std::string one_line(std::string text) {
  for (char& letter : text)
    if (static_cast<unsigned char>(letter) < 32 || letter == 127) letter = '?';
  return text;
}

/// 'text' for a one-line message. A path converts to a string by itself.
inline std::string quoted(const std::string& text) {
  return "'" + one_line(text) + "'";
}

/// The same for text that may be of any length, such as the contents of a file: cut after 120 bytes.
inline std::string quoted_excerpt(const std::string& text) {
  constexpr std::size_t longest = 120;
  return quoted(text.size() <= longest ? text : text.substr(0, longest) + "...");
}

/// A word of a shell command: as it is where the shell takes it literally, else in single quotes.
inline std::string shell_word(const std::string& word) {
  constexpr const char* plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
      "0123456789_./,+-=:";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string result = "'";
  for (const char letter : word) result += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return result + "'";
}

}  // namespace attnunet
