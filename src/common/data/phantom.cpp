#include "common/data/phantom.h"

#include <algorithm>
#include <cmath>
#include <system_error>

#include "common/core/error.h"
#include "common/core/in_parallel.h"
#include "common/core/quoting.h"
#include "common/core/random.h"
#include "common/io/machine.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t phantom_seed_tag = 0x5048414e544f4d;  // keeps these numbers apart from other uses of the seed
constexpr double pi = 3.14159265358979323846;
constexpr double dynamic_range = 50;  // dB

/// Numbers on the pixel grid, row by row.
struct Field {
  int width, height;
  std::vector<float> values;

  Field(int w, int h) : width(w), height(h), values(static_cast<std::size_t>(w) * static_cast<std::size_t>(h), 0.0f) {}
  float& at(int x, int y) {
    return values[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)];
  }
  float at(int x, int y) const { return const_cast<Field*>(this)->at(x, y); }
};

/// to[i] += weight * from[i + shift], wherever both are within `count`. Elements are `width` numbers wide.
void add_shifted(float* to, const float* from, int count, int width, int shift, float weight) {
  const std::ptrdiff_t first = std::max(0, -shift), last = std::min(count, count - shift);
  for (std::ptrdiff_t i = first * width; i < last * width; ++i)
    to[i] += weight * from[i + std::ptrdiff_t{shift} * width];
}

/// The weights of a Gaussian blur of a line of `count`, and for each place 1 / length (not sum) of those within the
/// line: so white noise keeps its variance, at the ends too.
struct Kernel {
  int reach;
  std::vector<float> weights, scale;

  Kernel(double sigma, int count) : reach(static_cast<int>(3 * sigma) + 1) {
    for (int t = 0; t <= reach; ++t) weights.push_back(static_cast<float>(std::exp(-0.5 * t * t / (sigma * sigma))));
    for (int i = 0; i < count; ++i) {
      float squares = 0;
      for (int j = std::max(0, i - reach); j <= std::min(count - 1, i + reach); ++j) squares += at(j - i) * at(j - i);
      scale.push_back(1 / std::sqrt(squares));
    }
  }
  float at(int shift) const { return weights[static_cast<std::size_t>(std::abs(shift))]; }
};

void blur(Field& field, double sigma_x, double sigma_y) {
  const Kernel across(sigma_x, field.width), along(sigma_y, field.height);
  Field rows(field.width, field.height);
  for (int y = 0; y < field.height; ++y)
    for (int t = -across.reach; t <= across.reach; ++t)
      add_shifted(&rows.at(0, y), &field.at(0, y), field.width, 1, t, across.at(t));
  std::fill(field.values.begin(), field.values.end(), 0.0f);
  for (int t = -along.reach; t <= along.reach; ++t)
    add_shifted(field.values.data(), rows.values.data(), field.height, field.width, t, along.at(t));
  for (int y = 0; y < field.height; ++y)
    for (int x = 0; x < field.width; ++x)
      field.at(x, y) *= across.scale[static_cast<std::size_t>(x)] * along.scale[static_cast<std::size_t>(y)];
}

/// Smooth noise of variance 1; sigmas are shares of the image's sides.
Field smooth_noise(int width, int height, double sigma_x, double sigma_y, Random& random) {
  Field field(width, height);
  for (float& value : field.values) value = static_cast<float>(random.normal());
  blur(field, sigma_x * width, sigma_y * height);
  return field;
}

/// From 0 to 1 as `x` passes 0 within a few `width`.
double step(double x, double width) {
  return 1 / (1 + std::exp(-x / width));
}

/// From a to b as share goes from 0 to 1.
double mix(double a, double b, double share) {
  return a + (b - a) * share;
}

/// A border between layers: mean depth and three waves, in shares of the image's sides.
struct Border {
  double depth, amplitude[3], frequency[3], phase[3];

  Border(double mean, double waviness, Random& random) : depth(mean) {
    for (int i = 0; i < 3; ++i) {
      amplitude[i] = waviness * random.uniform(0.3, 1) / (i + 1);
      frequency[i] = random.uniform(0.4, 1.2) * (i + 1);
      phase[i] = random.uniform(0, 2 * pi);
    }
  }
  double at(double x) const {
    double y = depth;
    for (int i = 0; i < 3; ++i) y += amplitude[i] * std::sin(2 * pi * frequency[i] * x + phase[i]);
    return y;
  }
};

/// Skin, fat, gland and muscle: the echo level in dB (0 is white), and where the gland lies.
struct Tissue {
  Field level;
  Border gland_top, gland_bottom;
};

Tissue make_tissue(int width, int height, Random& random) {
  const Border skin(random.uniform(0.03, 0.06), 0.004, random);
  const Border top(random.uniform(0.13, 0.28), 0.04, random), bottom(random.uniform(0.68, 0.85), 0.04, random);
  const double gain = random.uniform(-3, 3);
  const double fat_level = random.uniform(-35, -31), gland_level = random.uniform(-27, -23);
  const double muscle_level = random.uniform(-35, -30), fall = random.uniform(2, 12);
  const double stripes = random.uniform(16, 28), slope = random.uniform(-0.15, 0.15);
  const Field patches = smooth_noise(width, height, 0.10, 0.06, random);
  const Field streaks = smooth_noise(width, height, 0.05, 0.010, random);
  const Field septa = smooth_noise(width, height, 0.07, 0.025, random);

  Tissue tissue{Field(width, height), top, bottom};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double u = (x + 0.5) / width, v = (y + 0.5) / height;
      const double septum = std::exp(-std::pow(septa.at(x, y) / 0.1, 2));
      const double fat = fat_level + 1.5 * patches.at(x, y) + 11 * septum;
      const double gland = gland_level + 2.0 * patches.at(x, y) + 2.5 * streaks.at(x, y) + 6 * septum;
      const double muscle = muscle_level + 2 * std::sin(2 * pi * stripes * (v + slope * u) + 3 * patches.at(x, y)) +
                            1.5 * streaks.at(x, y) - 14 * std::max(0.0, v - bottom.at(u) - 0.08);
      const double fascia = std::exp(-std::pow((v - bottom.at(u)) / 0.008, 2));
      double level = mix(-10 + 2 * streaks.at(x, y), fat, step(v - skin.at(u), 0.004));
      level = mix(level, gland, step(v - top.at(u), 0.008));
      level = mix(level, muscle, step(v - bottom.at(u), 0.006));
      tissue.level.at(x, y) = static_cast<float>(level + 7 * fascia + gain - fall * v);
    }
  return tissue;
}

/// A lesion's outline: distance from the centre by angle. Lengths are in pixels.
struct Lesion {
  bool malignant;
  double centre_x, centre_y, half_width, half_height, tilt;
  double wobble[5], wobble_phase[5];
  std::vector<double> spicule_angle, spicule_length, spicule_width;
  double contrast, beam_gain;  ///< dB; beam_gain: what the beam gains in passing through the whole lesion

  /// Outline radius towards an angle, as a multiple of the ellipse's.
  double outline(double angle) const {
    double radius = 1;
    for (int i = 0; i < 5; ++i) radius += wobble[i] * std::cos((i + 2) * angle + wobble_phase[i]);
    for (std::size_t i = 0; i < spicule_angle.size(); ++i) {
      const double apart = std::remainder(angle - spicule_angle[i], 2 * pi) / spicule_width[i];
      radius += spicule_length[i] * std::exp(-apart * apart);
    }
    return radius;
  }
  /// Below 0 inside, above outside: about the distance to the outline in pixels.
  double distance(double x, double y) const {
    const double c = std::cos(tilt), s = std::sin(tilt);
    const double along = (c * (x - centre_x) + s * (y - centre_y)) / half_width;
    const double across = (c * (y - centre_y) - s * (x - centre_x)) / half_height;
    return (std::hypot(along, across) - outline(std::atan2(across, along))) * std::min(half_width, half_height);
  }
};

/// `area` is the ellipse's share of the image.
Lesion make_lesion(bool malignant, double area, const Tissue& tissue, double u, Random& random) {
  const int width = tissue.level.width, height = tissue.level.height;
  Lesion lesion{};
  lesion.malignant = malignant;
  const double ratio = malignant ? random.uniform(0.8, 1.4) : random.uniform(1.3, 2.0);
  lesion.half_height = std::sqrt(area * width * height / (pi * ratio));
  lesion.half_width = lesion.half_height * ratio;
  lesion.tilt = random.uniform(-0.3, 0.3);
  lesion.centre_x = u * width;
  const double top = tissue.gland_top.at(u) * height, bottom = tissue.gland_bottom.at(u) * height;
  const double room = std::max(0.0, (bottom - top) / 2 - lesion.half_height);
  lesion.centre_y = (top + bottom) / 2 + random.uniform(-0.9, 0.5) * room;
  for (int i = 0; i < 5; ++i) {
    lesion.wobble[i] = (malignant ? 0.10 : 0.025) * random.uniform(-1, 1);
    lesion.wobble_phase[i] = random.uniform(0, 2 * pi);
  }
  const std::uint32_t spicules = malignant ? 6 + random.below(7) : 0;
  for (std::uint32_t i = 0; i < spicules; ++i) {
    lesion.spicule_angle.push_back(random.uniform(0, 2 * pi));
    lesion.spicule_length.push_back(random.uniform(0.08, 0.35));
    lesion.spicule_width.push_back(random.uniform(0.08, 0.2));
  }
  lesion.contrast = malignant ? random.uniform(-19, -14) : random.uniform(-20, -14);
  lesion.beam_gain = malignant ? random.uniform(-14, -7) : random.uniform(5, 10);
  return lesion;
}

/// Darkens the level where the lesion is, changes what lies behind it, and gives its mask.
Grey add_lesion(Tissue& tissue, const Lesion& lesion, Random& random) {
  Field& level = tissue.level;
  const int width = level.width, height = level.height;
  const double pixel = std::min(width, height) / 256.0;  // lengths below are in pixels of a 256 x 256 image
  const Field texture = smooth_noise(width, height, 0.03, 0.02, random);
  Grey mask{width, height, std::vector<std::uint8_t>(level.values.size(), 0)};
  // The beam's gain so far in each column; neighbours mix a little in every row, as beams widen.
  std::vector<double> beam(static_cast<std::size_t>(width) + 2, 0.0), above;
  const double gain_per_row = lesion.beam_gain / (2 * lesion.half_height);
  for (int y = 0; y < height; ++y) {
    above = beam;
    for (int x = 0; x < width; ++x) {
      const double distance = lesion.distance(x + 0.5, y + 0.5);
      const double inside = 1 - step(distance, (lesion.malignant ? 1.6 : 0.7) * pixel);
      const auto column = static_cast<std::size_t>(x) + 1;
      beam[column] =
          0.997 * (0.8 * above[column] + 0.1 * (above[column - 1] + above[column + 1])) + gain_per_row * inside;
      double change = inside * (lesion.contrast + (lesion.malignant ? 2.2 : 1.0) * texture.at(x, y));
      if (lesion.malignant)
        change += 3.5 * std::exp(-std::pow((distance - 7 * pixel) / (5 * pixel), 2));  // bright halo
      else
        change += 4.0 * std::exp(-std::pow((distance - 2 * pixel) / (1.5 * pixel), 2));  // thin capsule
      level.at(x, y) += static_cast<float>(change + beam[column]);
      if (distance < 0)
        mask.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)] = 1;
    }
    beam.front() = beam[1];
    beam.back() = beam[static_cast<std::size_t>(width)];
  }
  return mask;
}

/// A fat lobule in the gland: dark too, but faintly, and no lesion.
void add_lobule(Tissue& tissue, Random& random) {
  Lesion lobule = make_lesion(false, random.uniform(0.01, 0.03), tissue, random.uniform(0.1, 0.9), random);
  const double depth = random.uniform(-6, -3);
  Field& level = tissue.level;
  for (int y = 0; y < level.height; ++y)
    for (int x = 0; x < level.width; ++x)
      level.at(x, y) += static_cast<float>(depth * (1 - step(lobule.distance(x + 0.5, y + 0.5), 2.0)));
}

/// Speckle, detection and log compression of an echo level.
Grey scan_level(const Field& level, Random& random) {
  constexpr int looks = 4;
  Field power(level.width, level.height), amplitude = level;
  for (float& value : amplitude.values) value = std::pow(10.0f, value / 20);
  for (int part = 0; part < 2 * looks; ++part) {  // real and imaginary part of each look
    Field echo(level.width, level.height);
    for (std::size_t i = 0; i < echo.values.size(); ++i)
      echo.values[i] = static_cast<float>(random.normal()) * amplitude.values[i];
    blur(echo, std::max(0.5, 1.8 / 256 * level.width), std::max(0.4, 0.9 / 256 * level.height));
    for (std::size_t i = 0; i < echo.values.size(); ++i)
      power.values[i] += echo.values[i] * echo.values[i] / (2 * looks);
  }
  Grey image{level.width, level.height, {}};
  image.pixels.reserve(power.values.size());
  for (const float value : power.values) {
    const double decibel = 10 * std::log10(static_cast<double>(value) + 1e-12);
    image.pixels.push_back(static_cast<std::uint8_t>(std::clamp(255.5 * (1 + decibel / dynamic_range), 0.0, 255.0)));
  }
  return image;
}

struct Phantom {
  Grey image;
  std::vector<Grey> masks;  ///< 0 or 1; at least one, empty where there is no lesion
};

Phantom make(const std::string& class_name, int width, int height, std::uint64_t seed, std::uint32_t index) {
  const std::vector<std::string>& names = class_names();
  const auto class_number = std::find(names.begin(), names.end(), class_name) - names.begin();
  Random random(seed ^ phantom_seed_tag, static_cast<std::uint32_t>(class_number), index);
  Tissue tissue = make_tissue(width, height, random);
  for (std::uint32_t lobules = random.below(3); lobules > 0; --lobules) add_lobule(tissue, random);

  Phantom phantom;
  if (class_name == "normal") {
    phantom.masks.push_back({width, height, std::vector<std::uint8_t>(tissue.level.values.size(), 0)});
  } else {
    const bool malignant = class_name == "malignant", second = !malignant && random.uniform() < 0.05;
    const double area = malignant ? random.uniform(0.05, 0.12) : random.uniform(0.04, 0.12);
    const double u = second ? random.uniform(0.25, 0.32) : random.uniform(0.3, 0.7);
    const Lesion lesion = make_lesion(malignant, second ? 0.05 : area, tissue, u, random);
    phantom.masks.push_back(add_lesion(tissue, lesion, random));
    if (second)
      phantom.masks.push_back(
          add_lesion(tissue, make_lesion(false, 0.02, tissue, random.uniform(0.74, 0.82), random), random));
  }
  phantom.image = scan_level(tissue.level, random);
  return phantom;
}

void write_case(const fs::path& folder, const std::string& class_name, std::uint32_t index, int size,
                std::uint64_t seed) {
  Random random(seed ^ phantom_seed_tag, 3, index);
  const int width = std::max(16, static_cast<int>(size * random.uniform(0.95, 1.12)));
  const int height = std::max(16, static_cast<int>(size * random.uniform(0.88, 1.05)));
  Phantom phantom = make(class_name, width, height, seed, index);
  const std::string name = class_name + " (" + std::to_string(index + 1) + ")";
  write_png(folder / class_name / (name + ".png"), phantom.image);
  for (std::size_t i = 0; i < phantom.masks.size(); ++i) {
    for (std::uint8_t& pixel : phantom.masks[i].pixels) pixel = pixel != 0 ? 255 : 0;
    const std::string ending = i == 0 ? "_mask.png" : "_mask_" + std::to_string(i) + ".png";
    write_png(folder / class_name / (name + ending), phantom.masks[i]);
  }
}

}  // namespace

Sample make_phantom(const std::string& class_name, int width, int height, std::uint64_t seed, std::uint32_t index) {
  Phantom phantom = make(class_name, width, height, seed, index);
  Sample sample{std::move(phantom.image), std::move(phantom.masks[0])};
  for (const Grey& mask : phantom.masks)
    for (std::size_t i = 0; i < mask.pixels.size(); ++i) sample.mask.pixels[i] |= mask.pixels[i];
  return sample;
}

void synthesize(const fs::path& root, int count, int size, std::uint64_t seed) {
  std::error_code failure;
  if (fs::exists(root) && !(fs::is_directory(root) && fs::is_empty(root)))
    throw Error(quoted(root) + " holds something already; remove it or choose another folder");
  fs::path temporary = root.has_filename() ? root : root.parent_path();
  temporary += ".tmp";
  const auto fail = [&](const std::string& reason) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw Error("cannot write the phantoms to " + quoted(root) + ": " + reason + "; check its folder and rights");
  };

  std::vector<std::pair<std::string, std::uint32_t>> cases;
  const int benign = static_cast<int>(std::lround(count * 437 / 780.0));
  const int malignant = static_cast<int>(std::lround(count * 210 / 780.0));
  const int numbers[] = {benign, malignant, count - benign - malignant};
  fs::remove_all(temporary, failure);  // left by a run that was killed
  for (std::size_t c = 0; c < class_names().size(); ++c) {
    fs::create_directories(temporary / class_names()[c], failure);
    if (failure) fail(failure.message());
    for (int i = 0; i < numbers[c]; ++i) cases.emplace_back(class_names()[c], static_cast<std::uint32_t>(i));
  }
  try {
    in_parallel(cases.size(), all_cores(),
                [&](std::size_t i) { write_case(temporary, cases[i].first, cases[i].second, size, seed); });
  } catch (...) {
    fs::remove_all(temporary, failure);
    throw;
  }
  fs::rename(temporary, root, failure);
  if (failure) fail(failure.message());
}

}  // namespace attnunet::data
