// The 64-bit FNV-1a hash of texts, each ended by a zero byte, so that they cannot run into each other.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace attnunet {

class Fnv {
 public:
  void take(const std::string& text) {
    for (std::size_t i = 0; i <= text.size(); ++i)
      hash_ = (hash_ ^ static_cast<unsigned char>(i < text.size() ? text[i] : '\0')) * 0x100000001B3u;
  }
  /// 16 hexadecimal digits.
  std::string text() const {
    char digits[20];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash_));
    return digits;
  }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325u;
};

}  // namespace attnunet
