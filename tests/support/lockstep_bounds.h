// How far two float32 backends may be apart in each operation's outputs, from the magnitudes of its inputs.
#pragma once

#include "common/core/batch_norm_constants.h"
#include "common/core/tensor_view.h"
#include "support/tolerance.h"

namespace attnunet::lockstep {

using Numbers = std::vector<double>;

/// Two results of a sum of `length` terms.
inline double bound(double sum_of_terms, double length) {
  return 2 * float_bound(sum_of_terms, length);
}
inline Numbers bounds(Numbers sums_of_terms, Index length) {
  for (double& value : sums_of_terms) value = bound(value, static_cast<double>(length));
  return sums_of_terms;
}

/// A channel's batch statistics, and how far apart two backends may be in them.
struct Moments {
  double mean, variance, mean_bound, variance_bound;
  double inv_std() const { return 1 / std::sqrt(variance + batch_norm_eps); }
  double inv_std_bound() const { return inv_std() * (variance_bound / (variance + batch_norm_eps) / 2 + 0x1p-21); }
};

/// Of every channel of x (dense), whose elements may differ by `apart` (none: not at all).
/// Sums run in float32 chains of at most 64 terms, and in double beyond. A mean moves by no more than the largest
/// element does; a variance, the mean of (x - mean)^2, by 2 deviation E + E^2 where the elements move by E.
inline std::vector<Moments> moments(Values<const float> view, const Numbers& apart = {}) {
  const float* x = view.data;
  const Index pixels = view.pixels, C = view.channels;
  std::vector<Moments> result;
  for (Index c = 0; c < C; ++c) {
    double sum = 0, sizes = 0, squares = 0, moved = 0;
    for (Index i = c; i < pixels * C; i += C) {
      sum += static_cast<double>(x[i]);
      sizes += std::abs(static_cast<double>(x[i]));
      if (!apart.empty()) moved = std::max(moved, apart[static_cast<std::size_t>(i)]);
    }
    const double n = static_cast<double>(pixels), mean = sum / n;
    for (Index i = c; i < pixels * C; i += C) squares += std::pow(static_cast<double>(x[i]) - mean, 2);
    const double variance = squares / n, mean_bound = moved + bound(sizes / n, 64);
    result.push_back(
        {mean, variance, mean_bound, 2 * std::sqrt(variance) * moved + moved * moved + bound(variance, 64)});
  }
  return result;
}

/// gamma (x - mean) inv_std + beta, times `scale`, from given statistics (magnitudes): the terms that are rounded.
inline Numbers normalised_terms(const Numbers& x, const Numbers& mean, const Numbers& inv_std, const Numbers& gamma,
                                const Numbers& beta, double scale) {
  Numbers result = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % mean.size();
    result[i] = scale * ((x[i] + mean[c]) * inv_std[c] * gamma[c] + beta[c]);
  }
  return result;
}
inline Numbers inverse_deviations(Numbers variances) {
  for (double& value : variances) value = 1 / std::sqrt(value + batch_norm_eps);
  return variances;
}

struct BatchNormGradientBounds {
  Numbers dx, dgamma, dbeta;
};
/// Of dx = slope (g - dbeta / n - xhat dgamma / n) with |g|, |x|, |mean|, inv_std, |gamma|: the sums over n pixels, and
/// dx from its three terms and from what the sums are off by. |xhat| counts the rounding of x and mean too.
inline BatchNormGradientBounds batch_norm_gradient_bounds(const Numbers& g, const Numbers& x, const Numbers& mean,
                                                          const Numbers& inv_std, const Numbers& gamma) {
  const std::size_t C = mean.size();
  const double n = static_cast<double>(g.size() / C);
  BatchNormGradientBounds result{g, Numbers(C), Numbers(C)};
  for (std::size_t c = 0; c < C; ++c) {
    double sum = 0, sum_xhat = 0;
    for (std::size_t i = c; i < g.size(); i += C) {
      sum += g[i];
      sum_xhat += g[i] * (x[i] + mean[c]) * inv_std[c];
    }
    result.dbeta[c] = bound(sum, n);
    result.dgamma[c] = bound(sum_xhat, n);
    for (std::size_t i = c; i < g.size(); i += C) {
      const double xhat = (x[i] + mean[c]) * inv_std[c];
      result.dx[i] = gamma[c] * inv_std[c] *
                     (bound(g[i] + sum / n + xhat * sum_xhat / n, 6) + (result.dbeta[c] + xhat * result.dgamma[c]) / n);
    }
  }
  return result;
}

}  // namespace attnunet::lockstep
