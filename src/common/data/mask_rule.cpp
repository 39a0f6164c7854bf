#include "common/data/mask_rule.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/luma.h"

namespace attnunet::data {
namespace {

constexpr int classic_threshold = 127;
// Label maps count from 1. Files with more grey values than this below the classic threshold may as well be shades.
constexpr int most_labels = 31;
// Any few values are labels, wherever they lie: 0, 64, 127.
constexpr std::size_t few_values = 4;
// A mask in colour has few of them, unless its edges are smooth.
constexpr std::size_t few_colours = 32;
// Channels that differ by less may be the colour noise of a compressed grey image.
constexpr int slight_colour = 32;
// In a picture of many colours this and less is black with noise.
constexpr int nearly_black = 32;

std::optional<int> whole_number(const std::string& text, int largest) {
  int value = 0;
  const char* end = text.data() + text.size();
  const std::from_chars_result parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 0 || value > largest) return std::nullopt;
  return value;
}

Error ambiguous(const std::filesystem::path& path, const std::string& what) {
  return Error("the mask " + quoted(path) + " " + what +
               "; say what is lesion with --mask-rule above:T, nonzero or labels:A,B");
}

/// The grey values of a mask, or its alpha channel.
struct Plane {
  const std::vector<std::uint16_t>& values;
  int bits;
  const char* name;
};

bool differ(const std::vector<std::uint16_t>& values) {
  return std::any_of(values.begin(), values.end(), [&](std::uint16_t value) { return value != values[0]; });
}

bool has_one_colour(const RawImage& image) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = channels; i < image.samples.size(); ++i)
    if (image.samples[i] != image.samples[i % channels]) return false;
  return true;
}

/// A grey image that is stored with three channels, as one channel.
std::vector<std::uint16_t> first_channel(const RawImage& image) {
  std::vector<std::uint16_t> values(image.samples.size() / 3);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = image.samples[3 * i];
  return values;
}

bool is_exactly_grey(const RawImage& image) {
  for (std::size_t i = 0; image.channels == 3 && i < image.samples.size(); i += 3)
    if (image.samples[i] != image.samples[i + 1] || image.samples[i + 1] != image.samples[i + 2]) return false;
  return true;
}

template <class IsLesion>
Grey mask_where(const RawImage& image, IsLesion is_lesion) {
  Grey mask{image.width, image.height, {}};
  mask.pixels.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] = is_lesion(i) ? 1 : 0;
  return mask;
}

Grey where_luma_is_above(const RawImage& image, int threshold) {
  if (image.bits <= 8) {
    const Grey grey = luma_of(image);
    return mask_where(image, [&](std::size_t i) { return grey.pixels[i] > threshold; });
  }
  const auto luma_at = [&](std::size_t i) {
    return image.channels == 1 ? image.samples[i] : luma(&image.samples[3 * i]);
  };
  return mask_where(image, [&](std::size_t i) { return luma_at(i) > threshold; });
}

/// The rule of BUSI: the luma, of 8 bits, is above 127.
Grey classic_mask(const RawImage& image) {
  const Grey grey = luma_of(image);
  return mask_where(image, [&](std::size_t i) { return grey.pixels[i] > classic_threshold; });
}

bool any(const Grey& mask) {
  return std::find(mask.pixels.begin(), mask.pixels.end(), 1) != mask.pixels.end();
}

/// The values that occur, ascending, without 0.
std::vector<int> values_in(const std::vector<std::uint16_t>& values) {
  std::vector<bool> seen(65536, false);
  for (const std::uint16_t value : values) seen[value] = true;
  std::vector<int> result;
  for (int value = 1; value < 65536; ++value)
    if (seen[static_cast<std::size_t>(value)]) result.push_back(value);
  return result;
}

LesionMask found(Grey mask, MaskReading reading) {
  const bool lesion = any(mask);
  return {std::move(mask), lesion ? reading : MaskReading::empty};
}

/// Whether every pixel of this value lies between a darker and a brighter one, as on a smooth edge of a lesion. Areas
/// of a label do not.
bool is_shade(const RawImage& image, const std::vector<std::uint16_t>& values, int value) {
  const int width = image.width, height = image.height;
  const auto at = [&](int x, int y) {
    return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  };
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      if (at(x, y) != value) continue;
      bool darker = false, brighter = false;
      for (int v = std::max(0, y - 1); v <= std::min(height - 1, y + 1); ++v)
        for (int u = std::max(0, x - 1); u <= std::min(width - 1, x + 1); ++u) {
          darker = darker || at(u, v) < value;
          brighter = brighter || at(u, v) > value;
        }
      if (!darker || !brighter) return false;
    }
  return true;
}

/// "0, 1 and 255". Of many only the first and the last.
std::string list_of(const std::vector<int>& values) {
  constexpr std::size_t most = 5;
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool last = i + 1 == values.size();
    if (values.size() > most && i >= most - 1 && !last) continue;
    if (values.size() > most && last) text += ", ...";
    text += (i == 0 ? "" : last ? " and " : ", ") + std::to_string(values[i]);
  }
  return text;
}

/// Throws if the values may be label numbers, of which some would be lost as too dark: 0, 1 and 255; 0, 100 and 200.
/// The darkest value is the background. Values of smooth edges are no labels, nor are those of lossy compression.
void refuse_labels_beside_bright(const RawImage& image, const Plane& plane, const std::vector<int>& nonzero, int half,
                                 const std::filesystem::path& path) {
  if (image.lossy) return;
  const auto bright = std::upper_bound(nonzero.begin(), nonzero.end(), half);
  const bool numbered = nonzero.end() - bright == 1 && bright != nonzero.begin() && *(bright - 1) <= most_labels;
  if (nonzero.size() > few_values && !numbered) return;
  std::vector<int> all = nonzero;
  if (std::find(plane.values.begin(), plane.values.end(), 0) != plane.values.end()) all.insert(all.begin(), 0);
  for (std::size_t i = 1; i < all.size() && all[i] <= half; ++i)
    if (!is_shade(image, plane.values, all[i]))
      throw ambiguous(
          path, std::string("has the ") + plane.name + " values " + list_of(all) + ", which may be labels or shades");
}

/// The automatic rule for grey values.
LesionMask read_values(const RawImage& image, const Plane& plane, const std::filesystem::path& path) {
  const auto where = [&](int threshold, MaskReading reading) {
    return found(mask_where(image, [&](std::size_t i) { return plane.values[i] > threshold; }), reading);
  };
  const std::vector<int> values = values_in(plane.values);
  if (values.empty()) return where(0, MaskReading::empty);
  const int least = values.front(), largest = values.back(), full = (1 << plane.bits) - 1, half = full / 2;
  const std::string range = std::string(" ") + plane.name + " values from " + std::to_string(least) + " to " +
                            std::to_string(largest) + " of " + std::to_string(plane.bits) + " bits";
  const auto labels = [&] {
    if (std::find(plane.values.begin(), plane.values.end(), 0) == plane.values.end())
      throw ambiguous(path, "has" + range + ", which may be labels, but no 0, so that its background is not known");
    return where(0, MaskReading::labels);
  };
  if (plane.bits < 8) {
    if (least > half) return where(half, MaskReading::luma);
    if (largest < full) return labels();
    throw ambiguous(path, "has" + range + ", which may be labels or shades");
  }
  if (largest > half) {
    refuse_labels_beside_bright(image, plane, values, half, path);
    return where(half, MaskReading::luma);
  }
  if (image.lossy)
    throw ambiguous(path, "has" + range +
                              ", none as bright as in a black and white mask, and lossy compression as in JPEG keeps "
                              "no labels");
  if (values.size() <= few_values || largest <= most_labels) return labels();
  if (plane.bits > 8 && largest > classic_threshold && largest < 256)
    return where(classic_threshold, MaskReading::low_byte);
  throw ambiguous(path, "has " + std::to_string(values.size()) + range +
                            ", too many for labels and none as bright as in a black and white mask");
}

/// The automatic rule for coloured palettes: any index but that of black.
LesionMask read_palette(const RawImage& image, const std::filesystem::path& path) {
  const auto is_black = [&](std::size_t i) {
    return image.samples[3 * i] == 0 && image.samples[3 * i + 1] == 0 && image.samples[3 * i + 2] == 0;
  };
  bool zero_used = false, zero_black = false, black_used = false;
  for (std::size_t i = 0; i < image.indices.size(); ++i) {
    const bool zero = image.indices[i] == 0, black = is_black(i);
    zero_used = zero_used || zero;
    zero_black = zero_black || (zero && black);
    black_used = black_used || black;
  }
  if (zero_black || !black_used) {
    if (zero_used && !zero_black)
      throw ambiguous(path, "has a palette without black, so that its background is not known");
    return found(mask_where(image, [&](std::size_t i) { return image.indices[i] != 0; }), MaskReading::palette);
  }
  return found(mask_where(image, [&](std::size_t i) { return !is_black(i); }), MaskReading::palette);
}

/// The automatic rule for colours: all but black.
LesionMask read_colours(const RawImage& image, const std::filesystem::path& path) {
  const auto brightest = [&](std::size_t i) {
    return std::max({image.samples[3 * i], image.samples[3 * i + 1], image.samples[3 * i + 2]});
  };
  const std::size_t pixels = image.samples.size() / 3;
  const int to_byte = std::max(0, image.bits - 8);
  std::vector<std::uint64_t> colours;  // those that occur, up to few_colours and one more
  int most = 0, most_colour = 0;
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint16_t r = image.samples[3 * i], g = image.samples[3 * i + 1], b = image.samples[3 * i + 2];
    most = std::max<int>(most, brightest(i));
    most_colour = std::max(most_colour, (brightest(i) - std::min({r, g, b})) >> to_byte);
    const std::uint64_t colour = std::uint64_t{r} << 32 | std::uint64_t{g} << 16 | b;
    if (colours.size() <= few_colours && std::find(colours.begin(), colours.end(), colour) == colours.end())
      colours.push_back(colour);
  }
  if (most_colour < slight_colour) {
    const Grey classic = classic_mask(image);
    if (any(classic)) return {classic, MaskReading::luma};
  }
  if (colours.size() <= few_colours) {
    if (std::find(colours.begin(), colours.end(), 0) == colours.end())
      throw ambiguous(path, "has colours but no black, so that its background is not known");
    return found(mask_where(image, [&](std::size_t i) { return brightest(i) > 0; }), MaskReading::colour);
  }
  // Smooth edges or compression: above half of the brightest value. A mask has few pixels below that.
  const int threshold = most / 2;
  std::size_t black = 0, dark = 0, bright = 0;
  for (std::size_t i = 0; i < pixels; ++i)
    ++(brightest(i) > threshold ? bright : brightest(i) >> to_byte > nearly_black ? dark : black);
  if (black == 0 || dark >= bright) throw ambiguous(path, "has many colours, as a photograph has and a mask has not");
  return found(mask_where(image, [&](std::size_t i) { return brightest(i) > threshold; }), MaskReading::colour);
}

LesionMask read_without_alpha(const RawImage& image, const std::filesystem::path& path) {
  if (image.channels == 1) return read_values(image, {image.samples, image.bits, "grey"}, path);
  if (is_exactly_grey(image)) {
    const std::vector<std::uint16_t> values = first_channel(image);
    const LesionMask grey = read_values(image, {values, image.bits, "grey"}, path);
    if (image.indices.empty() || grey.reading == MaskReading::luma) return grey;
  }
  return image.indices.empty() ? read_colours(image, path) : read_palette(image, path);
}

/// Whether two readings of one mask differ in more than the edge of the lesion.
bool disagree(const Grey& a, const Grey& b) {
  std::size_t either = 0, both = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    either += a.pixels[i] | b.pixels[i];
    both += a.pixels[i] & b.pixels[i];
  }
  return 20 * (either - both) > either;
}

LesionMask read_automatically(const RawImage& image, const std::filesystem::path& path) {
  if (image.alpha.empty() || !differ(image.alpha)) return read_without_alpha(image, path);
  LesionMask alpha = read_values(image, {image.alpha, image.bits, "alpha"}, path);
  if (alpha.reading != MaskReading::empty) alpha.reading = MaskReading::alpha;
  if (has_one_colour(image)) return alpha;
  LesionMask colours = read_without_alpha(image, path);
  if (disagree(colours.mask, alpha.mask))
    throw ambiguous(path, "has one shape in its colours and another in its alpha channel");
  return colours;
}

LesionMask read_nonzero(const RawImage& image) {
  if (!image.indices.empty())
    return found(mask_where(image, [&](std::size_t i) { return image.indices[i] != 0; }), MaskReading::palette);
  if (!image.alpha.empty() && differ(image.alpha) && has_one_colour(image))
    return found(mask_where(image, [&](std::size_t i) { return image.alpha[i] != 0; }), MaskReading::alpha);
  const auto channels = static_cast<std::size_t>(image.channels);
  const auto nonzero = [&](std::size_t i) {
    const auto pixel = image.samples.begin() + static_cast<std::ptrdiff_t>(channels * i);
    return std::any_of(pixel, pixel + image.channels, [](std::uint16_t sample) { return sample != 0; });
  };
  return found(mask_where(image, nonzero), is_exactly_grey(image) ? MaskReading::labels : MaskReading::colour);
}

LesionMask read_labels(const RawImage& image, const std::vector<int>& labels, const std::filesystem::path& path) {
  const auto where = [&](const std::vector<std::uint16_t>& values, MaskReading reading) {
    const auto is_label = [&](std::size_t i) {
      return std::binary_search(labels.begin(), labels.end(), static_cast<int>(values[i]));
    };
    return found(mask_where(image, is_label), reading);
  };
  if (!image.indices.empty()) return where(image.indices, MaskReading::palette);
  if (!image.alpha.empty() && differ(image.alpha) && has_one_colour(image))
    return where(image.alpha, MaskReading::alpha);
  if (image.channels == 1) return where(image.samples, MaskReading::labels);
  if (is_exactly_grey(image)) return where(first_channel(image), MaskReading::labels);
  throw Error("the mask " + quoted(path) +
              " has colours, which are no label numbers; read it with --mask-rule auto, nonzero or above:T");
}

}  // namespace

MaskRule parse_mask_rule(const std::string& text) {
  const auto refuse = [&] {
    return UsageError("--mask-rule " + quoted_excerpt(text) +
                      " is unknown: auto, above:T (T from 0 to 65534), nonzero or labels:A,B (from 0 to 65535)");
  };
  const auto after = [&](const std::string& start) -> std::optional<std::string> {
    if (text.compare(0, start.size(), start) != 0) return std::nullopt;
    return text.substr(start.size());
  };
  if (text == "auto") return {};
  if (text == "nonzero") return {MaskRule::Kind::nonzero, classic_threshold, {}};
  if (const auto threshold = after("above:")) {
    const std::optional<int> value = whole_number(*threshold, 65534);
    if (!value) throw refuse();
    return {MaskRule::Kind::above, *value, {}};
  }
  const std::optional<std::string> list = after("labels:");
  if (!list) throw refuse();
  MaskRule rule{MaskRule::Kind::labels, classic_threshold, {}};
  for (std::size_t begin = 0; begin <= list->size();) {
    const std::size_t end = std::min(list->find(',', begin), list->size());
    const std::optional<int> label = whole_number(list->substr(begin, end - begin), 65535);
    if (!label) throw refuse();
    rule.labels.push_back(*label);
    begin = end + 1;
  }
  std::sort(rule.labels.begin(), rule.labels.end());
  rule.labels.erase(std::unique(rule.labels.begin(), rule.labels.end()), rule.labels.end());
  return rule;
}

std::string text_of(const MaskRule& rule) {
  switch (rule.kind) {
    case MaskRule::Kind::automatic:
      return "auto";
    case MaskRule::Kind::above:
      return "above:" + std::to_string(rule.threshold);
    case MaskRule::Kind::nonzero:
      return "nonzero";
    case MaskRule::Kind::labels:
      break;
  }
  std::string text = "labels:";
  for (const int label : rule.labels) text += (text.back() == ':' ? "" : ",") + std::to_string(label);
  return text;
}

const char* text_of(MaskReading reading) {
  switch (reading) {
    case MaskReading::luma:
      return "by luma";
    case MaskReading::labels:
      return "by nonzero label";
    case MaskReading::low_byte:
      return "by value above 127 in 16 bits";
    case MaskReading::palette:
      return "by palette index";
    case MaskReading::colour:
      return "by colour";
    case MaskReading::alpha:
      return "by alpha channel";
    case MaskReading::empty:
      return "empty";
  }
  throw std::logic_error("no such reading of a mask");
}

LesionMask read_lesion(const RawImage& image, const MaskRule& rule, const std::filesystem::path& path) {
  switch (rule.kind) {
    case MaskRule::Kind::automatic: {
      LesionMask lesion = read_automatically(image, path);
      if (lesion.reading == MaskReading::empty || lesion.reading == MaskReading::luma) return lesion;
      if (classic_mask(image).pixels == lesion.mask.pixels) lesion.reading = MaskReading::luma;
      return lesion;
    }
    case MaskRule::Kind::above:
      return found(where_luma_is_above(image, rule.threshold), MaskReading::luma);
    case MaskRule::Kind::nonzero:
      return read_nonzero(image);
    case MaskRule::Kind::labels:
      return read_labels(image, rule.labels, path);
  }
  throw std::logic_error("no such rule for masks");
}

}  // namespace attnunet::data
