#include "common/core/image_size.h"

#include <charconv>

namespace attnunet {
namespace {

bool parse_side(const char* begin, const char* end, int& side) {
  const std::from_chars_result parsed = std::from_chars(begin, end, side);
  return parsed.ec == std::errc() && parsed.ptr == end && side >= 0;
}

}  // namespace

std::string text_of(const ImageSize& size) {
  const std::string height = std::to_string(size.height);
  return size.is_square() ? height : height + "x" + std::to_string(size.width);
}

std::optional<ImageSize> parse_image_size(const std::string& text) {
  const char *begin = text.data(), *end = begin + text.size();
  const std::size_t x = text.find('x');
  ImageSize size(0);
  if (x == std::string::npos) {
    if (!parse_side(begin, end, size.height)) return std::nullopt;
    return ImageSize(size.height);
  }
  if (!parse_side(begin, begin + x, size.height) || !parse_side(begin + x + 1, end, size.width)) return std::nullopt;
  return size;
}

std::string described(const ImageSize& size) {
  return std::to_string(size.height) + " x " + std::to_string(size.width) +
         (size.is_square() ? "" : " (height x width)");
}

std::string size_complaint(const ImageSize& size, Index least) {
  const auto bad = [&](int side) { return side < least || side > largest_side; };
  if (!bad(size.height) && !bad(size.width)) return "";
  const std::string range = "a whole number from " + std::to_string(least) + " to " + std::to_string(largest_side);
  const std::string which = !bad(size.width)    ? "its height must be "
                            : !bad(size.height) ? "its width must be "
                            : size.is_square()  ? ""
                                                : "height and width must be ";
  return text_of(size) + " is out of range: " + which + range;
}

}  // namespace attnunet
