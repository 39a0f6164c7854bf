#include "common/data/similarity.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "common/core/disjoint_sets.h"
#include "common/core/in_parallel.h"
#include "common/io/machine.h"

namespace attnunet::data {
namespace {

constexpr std::size_t lanes = 16;  // independent sums, so that the compiler may keep them in vector registers

/// Mean removed, length 1, padded with zeros to a multiple of `lanes`. All zero if the image is constant.
std::vector<float> normalised(const Grey& image) {
  const std::size_t n = image.pixels.size();
  const double mean = std::accumulate(image.pixels.begin(), image.pixels.end(), 0.0) / static_cast<double>(n);
  double squares = 0;
  for (const std::uint8_t pixel : image.pixels) squares += (pixel - mean) * (pixel - mean);
  std::vector<float> vector((n + lanes - 1) / lanes * lanes, 0.0f);
  if (squares == 0) return vector;
  for (std::size_t i = 0; i < n; ++i) vector[i] = static_cast<float>((image.pixels[i] - mean) / std::sqrt(squares));
  return vector;
}

double dot(const float* a, const float* b, std::size_t count) {
  float sums[lanes] = {};
  for (std::size_t i = 0; i < count; i += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  return std::accumulate(sums, sums + lanes, 0.0);
}

constexpr int coarse_sides[] = {8, 16};  // patches on each side of a coarse picture

/// A vector's coarse picture: the sums over its patches, each over the root of its number of pixels, which makes it an
/// orthogonal projection; and the length of what the projection leaves out.
struct Coarse {
  std::vector<float> sums;
  double rest;
};

Coarse coarse(const std::vector<float>& vector, int width, int height, int side) {
  std::vector<double> sums(static_cast<std::size_t>(side * side), 0.0), pixels = sums;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const auto patch = static_cast<std::size_t>(y * side / height * side + x * side / width);
      sums[patch] += vector[static_cast<std::size_t>(y * width + x)];
      ++pixels[patch];
    }
  double squares = 0;
  Coarse result;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    result.sums.push_back(static_cast<float>(sums[i] / std::sqrt(std::max(1.0, pixels[i]))));
    squares += double{result.sums[i]} * result.sums[i];
  }
  result.rest = std::sqrt(std::max(0.0, 1 - squares));
  return result;
}

/// No more than this is the correlation of two vectors, by Cauchy and Schwarz for what the projections leave out. 1e-4
/// covers rounding.
double most(const Coarse& a, const Coarse& b) {
  return dot(a.sums.data(), b.sums.data(), a.sums.size()) + a.rest * b.rest + 1e-4;
}

/// Thumbnails as vectors, with their coarse pictures.
struct Vectors {
  std::vector<std::vector<float>> vectors;
  std::vector<Coarse> coarser, coarse_ones;

  explicit Vectors(const std::vector<Grey>& thumbnails)
      : vectors(thumbnails.size()), coarser(thumbnails.size()), coarse_ones(thumbnails.size()) {
    in_parallel(thumbnails.size(), all_cores(), [&](std::size_t i) {
      const Grey& image = thumbnails[i];
      vectors[i] = normalised(image);
      coarser[i] = coarse(vectors[i], image.width, image.height, coarse_sides[0]);
      coarse_ones[i] = coarse(vectors[i], image.width, image.height, coarse_sides[1]);
    });
  }
};

/// The correlation of two vectors if it is above the threshold, else none.
std::optional<double> correlation_above(double threshold, const Vectors& x, std::size_t a, const Vectors& y,
                                        std::size_t b) {
  if (most(x.coarser[a], y.coarser[b]) < threshold || most(x.coarse_ones[a], y.coarse_ones[b]) < threshold)
    return std::nullopt;
  const double correlation = dot(x.vectors[a].data(), y.vectors[b].data(), x.vectors[a].size());
  return correlation > threshold ? std::optional(correlation) : std::nullopt;
}

}  // namespace

std::vector<SimilarPair> similar_pairs(const std::vector<Grey>& thumbnails, double threshold) {
  const std::size_t count = thumbnails.size();
  const Vectors vectors(thumbnails);
  // Square tiles of pairs, so that the coarsest pictures of a tile stay in the nearest cache.
  constexpr std::size_t tile = 48;
  const std::size_t tiles = (count + tile - 1) / tile;
  std::vector<std::vector<SimilarPair>> of_rows(tiles);
  in_parallel(tiles, all_cores(), [&](std::size_t row) {
    std::vector<SimilarPair>& pairs = of_rows[row];
    for (std::size_t column = row; column < tiles; ++column)
      for (std::size_t a = row * tile; a < std::min(count, (row + 1) * tile); ++a)
        for (std::size_t b = std::max(a + 1, column * tile); b < std::min(count, (column + 1) * tile); ++b)
          if (const auto correlation = correlation_above(threshold, vectors, a, vectors, b))
            pairs.push_back({a, b, *correlation});
    std::sort(pairs.begin(), pairs.end(),
              [](const SimilarPair& x, const SimilarPair& y) { return x.a != y.a ? x.a < y.a : x.b < y.b; });
  });
  std::vector<SimilarPair> pairs;
  for (const std::vector<SimilarPair>& row : of_rows) pairs.insert(pairs.end(), row.begin(), row.end());
  return pairs;
}

std::vector<bool> resemble_any(const std::vector<Grey>& images, const std::vector<Grey>& others, double threshold) {
  const Vectors ours(images), theirs(others);
  std::vector<std::uint8_t> found(images.size(), 0);  // threads may not write neighbours of a vector<bool>
  in_parallel(images.size(), all_cores(), [&](std::size_t i) {
    for (std::size_t k = 0; k < others.size() && found[i] == 0; ++k)
      found[i] = correlation_above(threshold, ours, i, theirs, k).has_value();
  });
  return {found.begin(), found.end()};
}

std::vector<std::vector<std::size_t>> near_duplicate_groups(const std::vector<Grey>& thumbnails, double threshold) {
  DisjointSets sets(thumbnails.size());
  for (const SimilarPair& pair : similar_pairs(thumbnails, threshold)) sets.join(pair.a, pair.b);
  std::vector<std::vector<std::size_t>> members(thumbnails.size()), groups;
  for (std::size_t i = 0; i < thumbnails.size(); ++i) members[sets.first_of(i)].push_back(i);
  for (std::vector<std::size_t>& group : members)
    if (group.size() > 1) groups.push_back(std::move(group));
  return groups;
}

}  // namespace attnunet::data
