#include "common/report/panel.h"

#include <algorithm>

#include "common/core/random.h"
#include "common/data/survey.h"

namespace attnunet::report {
namespace {

constexpr int least_side = 128, most_side = 256, gap = 4, dash_length = 5;

/// A side from least_side to most_side: whole multiples for small images, whole parts for large ones.
int shown_side(int side) {
  if (side < least_side) return side * ((least_side + side - 1) / side);
  if (side <= most_side) return side;
  return std::max(least_side, side / ((side + most_side - 1) / most_side));
}

/// The size at which an image is shown: its longer side decides.
ImageSize shown_size(const data::Grey& image) {
  const int longest = std::max(image.width, image.height), shown = shown_side(longest);
  const auto scaled = [&](int side) { return std::max(1, (side * shown + longest / 2) / longest); };
  return {scaled(image.height), scaled(image.width)};
}

/// Of letters and lines that suit the size.
int scale_of(const ImageSize& shown) {
  return std::max(shown.height, shown.width) >= 200 ? 2 : 1;
}

/// Pixels of a picture at another size, as they are.
data::Rgb resized(const data::Rgb& image, const ImageSize& to) {
  if (image.width == to.width && image.height == to.height) return image;
  data::Rgb result = blank(to.width, to.height);
  const auto source = [](int i, int in, int out) { return static_cast<std::size_t>((2 * i + 1) * in / (2 * out)); };
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x) {
      const std::size_t from =
          source(y, image.height, to.height) * static_cast<std::size_t>(image.width) + source(x, image.width, to.width);
      std::copy_n(image.pixels.begin() + 3 * static_cast<std::ptrdiff_t>(from), 3,
                  result.pixels.begin() + 3 * static_cast<std::ptrdiff_t>(y * to.width + x));
    }
  return result;
}

data::Grey mask_at(const std::vector<float>& logits, const data::Grey& image) {
  data::Grey mask{image.width, image.height, {}};
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
  const data::Grey predicted = mask_at(explanation.logits, sample.image);
  std::vector<std::pair<std::string, data::Rgb>> pictures = {{"image", image},
                                                             {"actual mask", black_and_white(sample.mask)},
                                                             {"predicted mask", black_and_white(predicted)},
                                                             {"Grad-CAM", heat_over(image, explanation.gradcam)}};
  for (std::size_t level = explanation.attention.size(); level-- > 0;)
    pictures.emplace_back("attention " + std::to_string(level), heat_over(image, explanation.attention[level]));

  const ImageSize shown = shown_size(sample.image);
  const int scale = scale_of(shown), line = text_height(scale) + 6, count = static_cast<int>(pictures.size());
  int width = shown.width;  // of a picture with its label
  for (const auto& [label, picture] : pictures) width = std::max(width, text_width(label, scale));
  data::Rgb strip = blank(count * (width + gap) + gap, 2 * line + shown.height + gap);
  draw_text(strip, text, gap, 5, label_colour, scale);
  for (int i = 0; i < count; ++i) {
    const auto& [label, picture] = pictures[static_cast<std::size_t>(i)];
    const int x = gap + i * (width + gap);
    draw_text(strip, label, x, line + 2, label_colour, scale);
    paste(strip, resized(picture, shown), x, 2 * line);
  }
  return strip;
}

data::Rgb outlined(const data::Sample& sample, const std::vector<float>& logits) {
  const ImageSize shown = shown_size(sample.image);
  const auto as_shown = [&](data::Grey mask) {
    const data::Rgb large = resized(to_rgb(mask), shown);
    mask = {shown.width, shown.height, {}};
    for (std::size_t i = 0; i < large.pixels.size(); i += 3) mask.pixels.push_back(large.pixels[i]);
    return mask;
  };
  data::Rgb picture = resized(to_rgb(sample.image), shown);
  const int thickness = scale_of(shown);
  draw_outline(picture, as_shown(sample.mask), truth_colour, thickness);
  data::Rgb predicted = picture;
  draw_outline(predicted, as_shown(mask_at(logits, sample.image)), prediction_colour, thickness);
  for (int i = 0; i < shown.height * shown.width; ++i) {
    const bool dash = (i / shown.width + i % shown.width) / dash_length % 2 == 0;
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

std::vector<std::size_t> panel_cases(const data::Dataset& dataset, const std::vector<std::size_t>& validation,
                                     const ImageSize& size, std::uint64_t seed, std::size_t count) {
  std::vector<std::size_t> order = validation;
  Random random(seed, streams::panels);
  shuffle(order, random);
  // Masks of a class without lesions are read only where the others do not suffice.
  std::stable_partition(order.begin(), order.end(),
                        [&](std::size_t one) { return !data::is_named_without_lesion(dataset.cases[one].class_name); });
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
