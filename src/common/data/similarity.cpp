#include "common/data/similarity.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <numeric>

#include "common/data/resize.h"

namespace attnunet::data {
namespace {

constexpr std::size_t lanes = 16;  // independent sums, so that the compiler may keep them in vector registers

/// Mean removed, length 1, padded with zeros to a multiple of `lanes`. All zero where the image is constant.
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

/// How much of a vector tells most pairs apart, and the length of what comes after it.
std::size_t head(const std::vector<float>& vector) {
  return vector.size() / 8 / lanes * lanes;
}
double length_after_head(const std::vector<float>& vector) {
  return std::sqrt(std::max(0.0, 1 - dot(vector.data(), vector.data(), head(vector))));
}

}  // namespace

std::vector<Grey> thumbnails(const Dataset& dataset) {
  const auto count = static_cast<std::ptrdiff_t>(dataset.cases.size());
  std::vector<Grey> result(dataset.cases.size());
  std::vector<std::exception_ptr> failures(dataset.cases.size());
#pragma omp parallel for schedule(dynamic)
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(i);
    try {
      result[index] = resize_bilinear(read_luma(dataset.cases[index].image), thumbnail_size, thumbnail_size);
    } catch (...) {
      failures[index] = std::current_exception();
    }
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return result;
}

std::vector<SimilarPair> similar_pairs(const std::vector<Grey>& thumbnails, double threshold) {
  std::vector<std::vector<float>> vectors;
  for (const Grey& thumbnail : thumbnails) vectors.push_back(normalised(thumbnail));
  std::vector<double> rests;
  for (const std::vector<float>& vector : vectors) rests.push_back(length_after_head(vector));
  std::vector<SimilarPair> pairs;
  for (std::size_t a = 0; a < vectors.size(); ++a)
    for (std::size_t b = a + 1; b < vectors.size(); ++b) {
      // By Cauchy and Schwarz the rest adds at most the product of the rests' lengths; 1e-4 covers rounding.
      const double most = dot(vectors[a].data(), vectors[b].data(), head(vectors[a])) + rests[a] * rests[b];
      if (most + 1e-4 < threshold) continue;
      const double correlation = dot(vectors[a].data(), vectors[b].data(), vectors[a].size());
      if (correlation > threshold) pairs.push_back({a, b, correlation});
    }
  return pairs;
}

std::vector<std::vector<std::size_t>> near_duplicate_groups(const std::vector<Grey>& thumbnails, double threshold) {
  // Union-find where the smaller index is the root, so that a group is known by its first member.
  std::vector<std::size_t> parent(thumbnails.size());
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  const auto root = [&](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (const SimilarPair& pair : similar_pairs(thumbnails, threshold)) {
    const std::size_t a = root(pair.a), b = root(pair.b);
    parent[std::max(a, b)] = std::min(a, b);
  }
  std::vector<std::vector<std::size_t>> members(thumbnails.size()), groups;
  for (std::size_t i = 0; i < thumbnails.size(); ++i) members[root(i)].push_back(i);
  for (std::vector<std::size_t>& group : members)
    if (group.size() > 1) groups.push_back(std::move(group));
  return groups;
}

}  // namespace attnunet::data
