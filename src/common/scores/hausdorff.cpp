#include "common/scores/hausdorff.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "common/scores/quantile.h"

namespace attnunet {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

/// The transform of one line in place: n values, `stride` apart.
class Line {
 public:
  explicit Line(int longest) : f_(static_cast<std::size_t>(longest)), ruler_(f_.size()), from_(f_.size()) {}

  void transform(double* values, int n, int stride) {
    std::size_t rulers = 0;  // of the lower envelope, from left to right
    for (int r = 0; r < n; ++r) {
      f_[static_cast<std::size_t>(r)] = values[static_cast<std::ptrdiff_t>(r) * stride];
      if (f_[static_cast<std::size_t>(r)] == infinite) continue;
      double s = -infinite;
      while (rulers > 0) {
        s = crossing(ruler_[rulers - 1], r);
        if (s > from_[rulers - 1]) break;
        --rulers;  // it rules nowhere
        s = -infinite;
      }
      ruler_[rulers] = r;
      from_[rulers++] = s;
    }
    if (rulers == 0) return;
    std::size_t k = 0;
    for (int p = 0; p < n; ++p) {
      while (k + 1 < rulers && from_[k + 1] < p) ++k;
      const double away = p - ruler_[k];
      values[static_cast<std::ptrdiff_t>(p) * stride] = away * away + f_[static_cast<std::size_t>(ruler_[k])];
    }
  }

 private:
  double crossing(int q, int r) const {
    const double low = f_[static_cast<std::size_t>(q)] + static_cast<double>(q) * q;
    const double high = f_[static_cast<std::size_t>(r)] + static_cast<double>(r) * r;
    return (high - low) / (2.0 * (r - q));
  }

  std::vector<double> f_;
  std::vector<int> ruler_;
  std::vector<double> from_;  // where each ruler's reign begins
};

std::vector<std::uint8_t> border_of(const std::vector<std::uint8_t>& mask, int width, int height) {
  const auto inside = [&](int x, int y) {
    return x >= 0 && y >= 0 && x < width && y < height &&
           mask[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)] != 0;
  };
  std::vector<std::uint8_t> border;
  border.reserve(mask.size());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      border.push_back(inside(x, y) && !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1)));
  return border;
}

/// q95 of the distances from the pixels of `border` to the border whose squared distances are given.
double distance95(const std::vector<std::uint8_t>& border, const std::vector<double>& squares) {
  std::vector<double> distances;
  for (std::size_t i = 0; i < border.size(); ++i)
    if (border[i] != 0) distances.push_back(std::sqrt(squares[i]));
  std::sort(distances.begin(), distances.end());
  return quantile(distances, 0.95);
}

bool is_empty(const std::vector<std::uint8_t>& mask) {
  return std::all_of(mask.begin(), mask.end(), [](std::uint8_t value) { return value == 0; });
}

}  // namespace

std::vector<double> squared_distances(const std::vector<std::uint8_t>& marked, int width, int height) {
  std::vector<double> result;
  result.reserve(marked.size());
  for (const std::uint8_t value : marked) result.push_back(value != 0 ? 0 : infinite);
  Line line(std::max(width, height));
  for (int x = 0; x < width; ++x) line.transform(&result[static_cast<std::size_t>(x)], height, width);
  for (int y = 0; y < height; ++y)
    line.transform(&result[static_cast<std::size_t>(y) * static_cast<std::size_t>(width)], width, 1);
  return result;
}

std::optional<double> hausdorff95(const std::vector<std::uint8_t>& truth, const std::vector<std::uint8_t>& prediction,
                                  int width, int height) {
  if (is_empty(truth) || is_empty(prediction)) return std::nullopt;
  const std::vector<std::uint8_t> a = border_of(truth, width, height), b = border_of(prediction, width, height);
  return std::max(distance95(a, squared_distances(b, width, height)),
                  distance95(b, squared_distances(a, width, height)));
}

}  // namespace attnunet
