// Drawing on images: what panels, overlays, outlines and contact sheets are put together from.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "common/data/png.h"

namespace attnunet::report {

using Colour = std::array<std::uint8_t, 3>;  ///< R, G, B

constexpr Colour truth_colour{64, 200, 90}, prediction_colour{255, 90, 60}, label_colour{235, 235, 235},
    background_colour{24, 26, 30};

data::Rgb to_rgb(const data::Grey& image);

/// A picture of one colour.
data::Rgb blank(int width, int height, Colour colour = background_colour);

/// Values in row-major order, 0 (black, blue) to 1 (yellow, white), values outside are clamped: every channel and the
/// brightness rise evenly, so that it can be read in grey as well.
data::Rgb heat_map(const std::vector<float>& values, int width, int height);

/// Pixel by pixel (1 - weight) image + weight top, rounded. Both have the same size.
data::Rgb blend(const data::Rgb& image, const data::Rgb& top, double weight);

/// Marks the edge of a mask (0: outside, else: inside) of the same size: the pixels of it, `thickness` deep, that are
/// next to a pixel outside or, seen from inside, to the border of the image.
void draw_outline(data::Rgb& image, const data::Grey& mask, Colour colour, int thickness = 1);

/// Of an outline that looks about as wide in an image of any size.
constexpr int outline_thickness(int width, int height) {
  return 1 + (width < height ? width : height) / 400;
}

/// Mixes the colour into the pixels of a mask of the same size.
void tint(data::Rgb& image, const data::Grey& mask, Colour colour, double weight);

/// Copies `part` into the image with its upper left corner at (x, y); what lies outside is cut off.
void paste(data::Rgb& image, const data::Rgb& part, int x, int y);

/// A line of text with its upper left corner at (x, y), in letters about 8 * scale pixels high; characters other than
/// printable ASCII become '?'. What lies outside is cut off.
void draw_text(data::Rgb& image, const std::string& text, int x, int y, Colour colour, int scale = 1);
/// Of draw_text, in pixels.
int text_width(const std::string& text, int scale = 1);
constexpr int text_height(int scale = 1) {
  return 10 * scale;
}

/// Bilinear in real numbers, with pixel centres at half-integers and edges repeated: for maps of attention, which are
/// coarser than the image. [height, width] -> [to_height, to_width].
std::vector<float> resize_map(const std::vector<float>& values, int width, int height, int to_width, int to_height);

}  // namespace attnunet::report
