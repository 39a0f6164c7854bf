#include "common/io/base64.h"

#include <array>

namespace attnunet {
namespace {

constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each character, 64 for those that are no digits.
std::array<std::uint8_t, 256> values_of_digits() {
  std::array<std::uint8_t, 256> values;
  values.fill(64);
  for (std::uint8_t i = 0; i < 64; ++i) values[static_cast<unsigned char>(digits[i])] = i;
  return values;
}

}  // namespace

std::string base64(const std::vector<std::uint8_t>& bytes) {
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) three = three << 8 | (i + k < bytes.size() ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) result += i + k > bytes.size() ? '=' : digits[three >> (18 - 6 * k) & 63u];
  }
  return result;
}

std::optional<std::vector<std::uint8_t>> bytes_of_base64(const std::string& text) {
  static const std::array<std::uint8_t, 256> values = values_of_digits();
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t count = text.size();
  while (count > 0 && text.size() - count < 2 && text[count - 1] == '=') --count;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t waiting = 0;  // bits that do not make a byte yet
  int bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t value = values[static_cast<unsigned char>(text[i])];
    if (value == 64) return std::nullopt;
    waiting = waiting << 6 | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::uint8_t>(waiting >> bits));
    waiting &= (1u << bits) - 1;
  }
  if (waiting != 0) return std::nullopt;
  return bytes;
}

}  // namespace attnunet
