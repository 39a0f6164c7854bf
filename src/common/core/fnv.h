// The 64-bit FNV-1a hash of texts, each ended by a zero byte, so that they cannot run into each other, and of bytes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace attnunet {

class Fnv {
 public:
  void take(const std::string& text) {
    for (std::size_t i = 0; i <= text.size(); ++i) take(static_cast<std::uint8_t>(i < text.size() ? text[i] : '\0'));
  }
  void take(const std::vector<std::uint8_t>& bytes) {
    for (const std::uint8_t byte : bytes) take(byte);
  }
  /// 16 hexadecimal digits.
  std::string text() const {
    char digits[20];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash_));
    return digits;
  }

 private:
  void take(std::uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001B3u; }

  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

}  // namespace attnunet
