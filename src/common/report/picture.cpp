#include "common/report/picture.h"

#include <algorithm>
#include <cmath>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_easy_font.h>
#pragma GCC diagnostic pop

namespace attnunet::report {
namespace {

std::size_t at(const data::Rgb& image, int x, int y) {
  return 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x));
}

void put(data::Rgb& image, int x, int y, Colour colour) {
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  std::copy(colour.begin(), colour.end(), image.pixels.begin() + static_cast<std::ptrdiff_t>(at(image, x, y)));
}

std::uint8_t mix(std::uint8_t a, std::uint8_t b, double weight) {
  return static_cast<std::uint8_t>(std::lround((1 - weight) * a + weight * b));
}

std::string printable(const std::string& text) {
  std::string result = text;
  for (char& c : result)
    if (c < ' ' || c > '~') c = '?';
  return result;
}

/// Value at a real coordinate: the two neighbours and the weight of the second.
struct Between {
  int low, high;
  float weight;
};
Between between(int i, int in, int out) {
  const double position = (i + 0.5) * in / out - 0.5;
  const double floor = std::floor(position);
  const int low = static_cast<int>(floor);
  return {std::clamp(low, 0, in - 1), std::clamp(low + 1, 0, in - 1), static_cast<float>(position - floor)};
}

}  // namespace

data::Rgb to_rgb(const data::Grey& image) {
  data::Rgb result{image.width, image.height, {}};
  result.pixels.reserve(3 * image.pixels.size());
  for (const std::uint8_t value : image.pixels) result.pixels.insert(result.pixels.end(), 3, value);
  return result;
}

data::Rgb blank(int width, int height, Colour colour) {
  data::Rgb result{width, height, {}};
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  result.pixels.reserve(3 * count);
  for (std::size_t i = 0; i < count; ++i) result.pixels.insert(result.pixels.end(), colour.begin(), colour.end());
  return result;
}

data::Rgb heat_map(const std::vector<float>& values, int width, int height) {
  // Brightness rises in even steps from stop to stop.
  constexpr Colour stops[] = {{0, 0, 4}, {66, 10, 104}, {147, 38, 103}, {221, 81, 58}, {252, 165, 10}, {252, 255, 164}};
  constexpr int last = static_cast<int>(std::size(stops)) - 1;
  data::Rgb result{width, height, {}};
  result.pixels.reserve(3 * values.size());
  for (const float value : values) {
    const double position = last * (value > 0 ? std::min(1.0, static_cast<double>(value)) : 0.0);  // NaN: 0
    const int low = std::min(static_cast<int>(position), last - 1);
    for (std::size_t c = 0; c < 3; ++c) result.pixels.push_back(mix(stops[low][c], stops[low + 1][c], position - low));
  }
  return result;
}

data::Rgb blend(const data::Rgb& image, const data::Rgb& top, double weight) {
  data::Rgb result = image;
  for (std::size_t i = 0; i < result.pixels.size(); ++i) result.pixels[i] = mix(image.pixels[i], top.pixels[i], weight);
  return result;
}

void draw_outline(data::Rgb& image, const data::Grey& mask, Colour colour, int thickness) {
  const int width = mask.width, height = mask.height;
  const auto inside = [&](const std::vector<std::uint8_t>& pixels, int x, int y) {
    return x >= 0 && y >= 0 && x < width && y < height &&
           pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)] != 0;
  };
  std::vector<std::uint8_t> left = mask.pixels;
  for (int step = 0; step < thickness; ++step) {  // peels off one layer after the other
    const std::vector<std::uint8_t> before = left;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        if (!inside(before, x, y)) continue;
        if (inside(before, x - 1, y) && inside(before, x + 1, y) && inside(before, x, y - 1) &&
            inside(before, x, y + 1))
          continue;
        put(image, x, y, colour);
        left[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)] = 0;
      }
  }
}

void tint(data::Rgb& image, const data::Grey& mask, Colour colour, double weight) {
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
    if (mask.pixels[i] == 0) continue;
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& value = image.pixels[3 * i + c];
      value = mix(value, colour[c], weight);
    }
  }
}

void paste(data::Rgb& image, const data::Rgb& part, int x, int y) {
  for (int row = 0; row < part.height; ++row)
    for (int column = 0; column < part.width; ++column) {
      const std::size_t from = at(part, column, row);
      put(image, x + column, y + row, {part.pixels[from], part.pixels[from + 1], part.pixels[from + 2]});
    }
}

void draw_text(data::Rgb& image, const std::string& text, int x, int y, Colour colour, int scale) {
  struct Vertex {
    float x, y, z;
    std::uint8_t colour[4];
  };
  std::string line = printable(text);
  std::vector<Vertex> vertices(100 * (line.size() + 1));
  const int quads = stb_easy_font_print(0, 0, line.data(), nullptr, vertices.data(),
                                        static_cast<int>(vertices.size() * sizeof(Vertex)));
  for (int i = 0; i < quads; ++i) {
    const Vertex &first = vertices[static_cast<std::size_t>(4 * i)],
                 &third = vertices[static_cast<std::size_t>(4 * i + 2)];
    const int left = static_cast<int>(first.x) * scale, right = static_cast<int>(third.x) * scale;
    const int top = static_cast<int>(first.y) * scale, bottom = static_cast<int>(third.y) * scale;
    for (int row = top; row < bottom; ++row)
      for (int column = left; column < right; ++column) put(image, x + column, y + row, colour);
  }
}

int text_width(const std::string& text, int scale) {
  std::string line = printable(text);
  return stb_easy_font_width(line.data()) * scale;
}

std::vector<float> resize_map(const std::vector<float>& values, int width, int height, int to_width, int to_height) {
  std::vector<float> result;
  result.reserve(static_cast<std::size_t>(to_width) * static_cast<std::size_t>(to_height));
  const auto value = [&](int x, int y) {
    return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  };
  for (int y = 0; y < to_height; ++y) {
    const Between rows = between(y, height, to_height);
    for (int x = 0; x < to_width; ++x) {
      const Between columns = between(x, width, to_width);
      const auto along = [&](int row) {
        return value(columns.low, row) + columns.weight * (value(columns.high, row) - value(columns.low, row));
      };
      result.push_back(along(rows.low) + rows.weight * (along(rows.high) - along(rows.low)));
    }
  }
  return result;
}

}  // namespace attnunet::report
