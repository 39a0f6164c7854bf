#include "common/scores/hausdorff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/core/random.h"

namespace attnunet {
namespace TEST_FILE {

using Mask = std::vector<std::uint8_t>;

struct Point {
  int x, y;
};

std::vector<Point> points(const Mask& mask, int width) {
  std::vector<Point> result;
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (mask[i] != 0) result.push_back({static_cast<int>(i) % width, static_cast<int>(i) / width});
  return result;
}

double nearest(const Point& point, const std::vector<Point>& others) {
  double least = std::numeric_limits<double>::infinity();
  for (const Point& other : others) least = std::min(least, std::hypot(point.x - other.x, point.y - other.y));
  return least;
}

Mask random_mask(int width, int height, std::uint32_t of_ten, Random& random) {
  Mask mask;
  for (int i = 0; i < width * height; ++i) mask.push_back(random.below(10) < of_ten);
  return mask;
}

TEST(Hausdorff, DistancesAreThoseToTheNearestOfAllPixels) {
  Random random(3);
  const std::vector<std::pair<int, int>> sizes = {{1, 1}, {1, 9}, {9, 1}, {13, 8}, {8, 13}, {31, 30}};
  for (const auto& [width, height] : sizes)
    for (const std::uint32_t of_ten : {1u, 5u, 10u}) {
      Mask mask = random_mask(width, height, of_ten, random);
      mask[random.below(static_cast<std::uint32_t>(mask.size()))] = 1;
      const std::vector<Point> marked = points(mask, width);
      const std::vector<double> squares = squared_distances(mask, width, height);
      ASSERT_EQ(squares.size(), mask.size());
      for (std::size_t i = 0; i < mask.size(); ++i) {
        const Point here{static_cast<int>(i) % width, static_cast<int>(i) / width};
        EXPECT_DOUBLE_EQ(std::sqrt(squares[i]), nearest(here, marked)) << width << " x " << height << " at " << i;
      }
    }
  EXPECT_EQ(squared_distances({0, 0}, 2, 1), std::vector<double>(2, std::numeric_limits<double>::infinity()));
}

/// The definition, by all pairs.
double by_all_pairs(const Mask& a, const Mask& b, int width, int height) {
  const auto border = [&](const Mask& mask) {
    std::vector<Point> result;
    for (const Point& point : points(mask, width)) {
      bool inner = true;
      for (const auto& [dx, dy] : {std::pair{1, 0}, std::pair{-1, 0}, std::pair{0, 1}, std::pair{0, -1}}) {
        const int x = point.x + dx, y = point.y + dy;
        inner = inner && x >= 0 && y >= 0 && x < width && y < height && mask[static_cast<std::size_t>(y * width + x)];
      }
      if (!inner) result.push_back(point);
    }
    return result;
  };
  const auto one_way = [&](const std::vector<Point>& from, const std::vector<Point>& to) {
    std::vector<double> distances;
    for (const Point& point : from) distances.push_back(nearest(point, to));
    std::sort(distances.begin(), distances.end());
    const double place = 0.95 * static_cast<double>(distances.size() - 1);
    const std::size_t low = static_cast<std::size_t>(std::floor(place)),
                      high = static_cast<std::size_t>(std::ceil(place));
    return distances[low] * (1 - (place - std::floor(place))) + distances[high] * (place - std::floor(place));
  };
  return std::max(one_way(border(a), border(b)), one_way(border(b), border(a)));
}

TEST(Hausdorff, DefinitionByAllPairs) {
  Random random(7);
  for (int i = 0; i < 20; ++i) {
    Mask a = random_mask(17, 12, 1 + random.below(9), random), b = random_mask(17, 12, 1, random);
    a[5] = b[100] = 1;
    ASSERT_TRUE(hausdorff95(a, b, 17, 12).has_value());
    EXPECT_NEAR(*hausdorff95(a, b, 17, 12), by_all_pairs(a, b, 17, 12), 1e-12);
  }
}

TEST(Hausdorff, KnownValues) {
  const int side = 20;
  const auto square = [&](int x0, int y0, int length) {
    Mask mask(static_cast<std::size_t>(side * side), 0);
    for (int y = y0; y < y0 + length; ++y)
      for (int x = x0; x < x0 + length; ++x) mask[static_cast<std::size_t>(y * side + x)] = 1;
    return mask;
  };
  const Mask empty(static_cast<std::size_t>(side * side), 0);
  EXPECT_EQ(hausdorff95(square(3, 3, 5), square(3, 3, 5), side, side), 0.0);
  EXPECT_EQ(hausdorff95(square(2, 2, 1), square(5, 6, 1), side, side), 5.0);  // 3, 4, 5
  EXPECT_EQ(hausdorff95(square(0, 0, side), square(0, 0, side), side, side), 0.0);
  // A hole has a border too, 16 of the 92 pixels of the border, more than 5 %, and 7 away from the outer one.
  Mask ring = square(0, 0, side);
  for (int y = 8; y < 12; ++y)
    for (int x = 8; x < 12; ++x) ring[static_cast<std::size_t>(y * side + x)] = 0;
  EXPECT_EQ(hausdorff95(square(0, 0, side), ring, side, side), 7.0);
  // One far pixel of 17: place 0.95 * 16 = 15.2 is between 0 and the last, 10.
  Mask spot = square(2, 2, 5);
  spot[static_cast<std::size_t>(4 * side + 16)] = 1;
  EXPECT_NEAR(*hausdorff95(square(2, 2, 5), spot, side, side), 0.2 * 10, 1e-12);
  EXPECT_FALSE(hausdorff95(empty, square(2, 2, 5), side, side).has_value());
  EXPECT_FALSE(hausdorff95(square(2, 2, 5), empty, side, side).has_value());
  EXPECT_FALSE(hausdorff95(empty, empty, side, side).has_value());
}

}  // namespace TEST_FILE
}  // namespace attnunet
