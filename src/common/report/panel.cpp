#include "common/report/panel.h"

#include <algorithm>

#include "common/core/random.h"

namespace attnunet::report {
namespace {

constexpr int least_side = 128, most_side = 256, gap = 4, dash_length = 5;

/// A side from least_side to most_side: whole multiples for small images, whole parts for large ones.
int side_of(int size) {
  if (size < least_side) return size * ((least_side + size - 1) / size);
  if (size <= most_side) return size;
  return std::max(least_side, size / ((size + most_side - 1) / most_side));
}

/// Pixels of a picture at another size, as they are.
data::Rgb resized(const data::Rgb& image, int side) {
  if (image.width == side && image.height == side) return image;
  data::Rgb result = blank(side, side);
  const auto source = [&](int i, int extent) { return static_cast<std::size_t>((2 * i + 1) * extent / (2 * side)); };
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x)
      for (std::size_t c = 0; c < 3; ++c)
        result.pixels[3 * static_cast<std::size_t>(y * side + x) + c] =
            image
                .pixels[3 * (source(y, image.height) * static_cast<std::size_t>(image.width) + source(x, image.width)) +
                        c];
  return result;
}

data::Grey mask_at(const std::vector<float>& logits, int side) {
  data::Grey mask{side, side, {}};
  for (const float logit : logits) mask.pixels.push_back(logit > 0 ? 1 : 0);
  return mask;
}

data::Rgb black_and_white(data::Grey mask) {
  for (std::uint8_t& pixel : mask.pixels) pixel = pixel != 0 ? 255 : 0;
  return to_rgb(mask);
}

data::Rgb heat_over(const data::Rgb& image, const std::vector<float>& map) {
  return blend(image, heat_map(map, image.width, image.height), 0.6);
}

}  // namespace

data::Rgb panel(const data::Sample& sample, const Explanation& explanation, const std::string& text) {
  const data::Rgb image = to_rgb(sample.image);
  const data::Grey predicted = mask_at(explanation.logits, explanation.width);
  std::vector<std::pair<std::string, data::Rgb>> squares = {{"image", image},
                                                            {"actual mask", black_and_white(sample.mask)},
                                                            {"predicted mask", black_and_white(predicted)},
                                                            {"Grad-CAM", heat_over(image, explanation.gradcam)}};
  for (std::size_t level = explanation.attention.size(); level-- > 0;)
    squares.emplace_back("attention " + std::to_string(level), heat_over(image, explanation.attention[level]));

  const int side = side_of(image.width), scale = side >= 200 ? 2 : 1, line = text_height(scale) + 6;
  const int count = static_cast<int>(squares.size());
  data::Rgb strip = blank(count * (side + gap) + gap, 2 * line + side + gap);
  draw_text(strip, text, gap, 5, label_colour, scale);
  for (int i = 0; i < count; ++i) {
    const auto& [label, square] = squares[static_cast<std::size_t>(i)];
    const int x = gap + i * (side + gap);
    draw_text(strip, label, x, line + 2, label_colour, scale);
    paste(strip, resized(square, side), x, 2 * line);
  }
  return strip;
}

data::Rgb outlined(const data::Sample& sample, const std::vector<float>& logits) {
  const int side = side_of(sample.image.width);
  const auto at_side = [&](data::Grey mask) {
    const data::Rgb large = resized(to_rgb(mask), side);
    mask = {side, side, {}};
    for (std::size_t i = 0; i < large.pixels.size(); i += 3) mask.pixels.push_back(large.pixels[i]);
    return mask;
  };
  data::Rgb picture = resized(to_rgb(sample.image), side);
  const int thickness = side >= 200 ? 2 : 1;
  draw_outline(picture, at_side(sample.mask), truth_colour, thickness);
  data::Rgb predicted = picture;
  draw_outline(predicted, at_side(mask_at(logits, sample.image.width)), prediction_colour, thickness);
  for (int i = 0; i < side * side; ++i) {
    const bool dash = (i / side + i % side) / dash_length % 2 == 0;
    const std::ptrdiff_t at = 3 * static_cast<std::ptrdiff_t>(i);
    if (dash) std::copy_n(predicted.pixels.begin() + at, 3, picture.pixels.begin() + at);
  }
  return picture;
}

data::Rgb halved(const data::Rgb& image) {
  data::Rgb result = blank(image.width / 2, image.height / 2);
  const std::size_t row = 3 * static_cast<std::size_t>(image.width);
  for (int y = 0; y < result.height; ++y)
    for (int x = 0; x < result.width; ++x)
      for (std::size_t c = 0; c < 3; ++c) {
        const std::uint8_t* from =
            image.pixels.data() + 2 * static_cast<std::size_t>(y) * row + 6 * static_cast<std::size_t>(x) + c;
        result.pixels[3 * static_cast<std::size_t>(y * result.width + x) + c] =
            static_cast<std::uint8_t>((from[0] + from[3] + from[row] + from[row + 3] + 2) / 4);
      }
  return result;
}

std::vector<std::size_t> panel_cases(const data::Dataset& dataset, const std::vector<std::size_t>& validation, int size,
                                     std::uint64_t seed, std::size_t count) {
  std::vector<std::size_t> order = validation;
  Random random(seed, streams::panels);
  shuffle(order, random);
  // Masks of a class without lesions are read only where the others do not suffice.
  std::stable_partition(order.begin(), order.end(),
                        [&](std::size_t one) { return dataset.cases[one].class_name != "normal"; });
  std::vector<std::size_t> chosen, without;
  for (const std::size_t one : order) {
    if (chosen.size() == count) break;
    const data::Sample sample = data::load(dataset.cases[one], size);
    const auto& pixels = sample.mask.pixels;
    const bool lesion = std::any_of(pixels.begin(), pixels.end(), [](std::uint8_t pixel) { return pixel != 0; });
    (lesion ? chosen : without).push_back(one);
  }
  for (const std::size_t one : without)
    if (chosen.size() < count) chosen.push_back(one);
  return chosen;
}

std::vector<std::string> file_names(const std::vector<std::string>& cases) {
  std::vector<std::string> names;
  for (const std::string& one : cases) {
    std::string name;
    for (const char c : one) {
      const bool kept =
          (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '-';
      if (kept)
        name += c;
      else if (!name.empty() && name.back() != '_')
        name += '_';
    }
    while (!name.empty() && name.back() == '_') name.pop_back();
    name = name.empty() ? "case" : name.substr(0, 100);
    std::string another = name;
    for (int i = 2; std::find(names.begin(), names.end(), another) != names.end(); ++i)
      another = name + "_" + std::to_string(i);
    names.push_back(another);
  }
  return names;
}

}  // namespace attnunet::report
