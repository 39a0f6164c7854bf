// The size of the images that a network takes. --size, config.json and checkpoints write it as "256" for a square, else
// as "192x256": height, then width.
#pragma once

#include <optional>
#include <string>

#include "common/core/geometry.h"

namespace attnunet {

constexpr int largest_side = 4096;

struct ImageSize {
  int height, width;

  constexpr ImageSize(int side) : height(side), width(side) {}
  constexpr ImageSize(int height_, int width_) : height(height_), width(width_) {}

  bool is_square() const { return height == width; }
  Index pixels() const { return Index{height} * width; }
  bool operator==(const ImageSize& other) const { return height == other.height && width == other.width; }
};

/// "256" or "192x256".
std::string text_of(const ImageSize& size);
/// The opposite; none if the text is neither a whole number nor two with an x between them.
std::optional<ImageSize> parse_image_size(const std::string& text);

/// For tables and sentences: "256 x 256", or "192 x 256 (height x width)".
std::string described(const ImageSize& size);

/// Says which side is not from `least` to largest_side, as in "192x5000 is out of range: its width must be a whole
/// number from 8 to 4096"; "" if both are.
std::string size_complaint(const ImageSize& size, Index least);

/// For nlohmann::json, which finds it by its name: a number if the size is a square, else a text.
template <class Json>
void to_json(Json& json, const ImageSize& size) {
  if (size.is_square())
    json = size.height;
  else
    json = text_of(size);
}

}  // namespace attnunet
