// Bytes as text: base64 of RFC 4648, with padding.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attnunet {

std::string base64(const std::vector<std::uint8_t>& bytes);

/// None if the text is not what base64 gives for some bytes.
std::optional<std::vector<std::uint8_t>> bytes_of_base64(const std::string& text);

}  // namespace attnunet
