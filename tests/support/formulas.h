// What the formula tests share: a layer run once, convolution and batch norm as their derivations have them, in plain
// loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "support/expect.h"

namespace attnunet::formulas {

using gradcheck::Array;
using gradcheck::LayerCase;
using gradcheck::random_array;
using Values = std::vector<double>;

inline std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// A layer's own forward and backward on random inputs and a random gradient from above.
struct Ran {
  std::map<std::string, Values> in, out, d;  // inputs, outputs, gradients: of inputs, and of outputs from above

  explicit Ran(const LayerCase& layer) {
    Random random(8);
    std::vector<Array> upstream;
    for (const Array& output : layer.forward(layer.inputs).outputs) {
      out[output.name] = output.values;
      upstream.push_back(random_array("", static_cast<Index>(output.values.size()), random));
      d[output.name] = upstream.back().values;
    }
    const std::vector<Array> gradients = layer.backward(layer.inputs, upstream);
    for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
      in[layer.inputs[i].name] = layer.inputs[i].values;
      d[layer.inputs[i].name] = gradients[i].values;
    }
  }
};

inline void expect_formula(const Values& actual, const Values& formula) {
  double largest = 0;
  for (const double value : formula) largest = std::max(largest, std::abs(value));
  const Array expected{"formula", formula};
  EXPECT_TRUE(close({"layer", actual}, expected, Values(formula.size(), 1e-12 * std::max(largest, 1e-3))));
}

/// f(i) for i = 0 .. n - 1
template <class F>
Values each(std::size_t n, F f) {
  Values values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = f(i);
  return values;
}

struct Convolution : Conv2dGeometry {
  explicit Convolution(const Conv2dGeometry& g) : Conv2dGeometry(g) {}
  Index q() const { return (R - 1) / 2; }
  double pixel(const Values& v, Index channels, Index n, Index h, Index w, Index c) const {
    return h < 0 || h >= H || w < 0 || w >= W ? 0 : v[at(((n * H + h) * W + w) * channels + c)];
  }
  std::size_t weight(Index k, Index r, Index s, Index c) const { return at(((k * R + r) * R + s) * C + c); }
  /// f(n, h, w, k, r, s, c) for every product of the sum.
  template <class F>
  void each_product(F f) const {
    for (Index n = 0; n < N; ++n)
      for (Index h = 0; h < H; ++h)
        for (Index w = 0; w < W; ++w)
          for (Index k = 0; k < K; ++k)
            for (Index r = 0; r < R; ++r)
              for (Index s = 0; s < R; ++s)
                for (Index c = 0; c < C; ++c) f(n, h, w, k, r, s, c);
  }
  Values forward(const Values& x, const Values& w, const Values& b) const {
    Values y(at(pixels() * K));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = b.empty() ? 0 : b[i % at(K)];
    each_product([&](Index n, Index h, Index v, Index k, Index r, Index s, Index c) {
      y[at(((n * H + h) * W + v) * K + k)] += w[weight(k, r, s, c)] * pixel(x, C, n, h + r - q(), v + s - q(), c);
    });
    return y;
  }
  Values dw(const Values& dy, const Values& x) const {
    Values result(at(weights()));
    each_product([&](Index n, Index h, Index v, Index k, Index r, Index s, Index c) {
      result[weight(k, r, s, c)] += pixel(dy, K, n, h, v, k) * pixel(x, C, n, h + r - q(), v + s - q(), c);
    });
    return result;
  }
  Values dx(const Values& dy, const Values& w) const {
    Values result(at(pixels() * C));
    each_product([&](Index n, Index i, Index j, Index k, Index r, Index s, Index c) {
      result[at(((n * H + i) * W + j) * C + c)] += w[weight(k, r, s, c)] * pixel(dy, K, n, i - r + q(), j - s + q(), k);
    });
    return result;
  }
};

/// Statistics, xhat and the gradients of one batch norm, from g = dL/dy.
struct Norm {
  std::size_t n, C;
  Values mean, var, inv_std, xhat, dbeta, dgamma;

  Norm(const Values& x, const Values& g, std::size_t channels) : n(x.size() / channels), C(channels) {
    const auto sums = [&](auto f) {
      Values sum(C);
      for (std::size_t i = 0; i < x.size(); ++i) sum[i % C] += f(i);
      return sum;
    };
    const double count = static_cast<double>(n);
    mean = sums([&](std::size_t i) { return x[i] / count; });
    var = sums([&](std::size_t i) { return (x[i] - mean[i % C]) * (x[i] - mean[i % C]) / count; });
    inv_std = each(C, [&](std::size_t c) { return 1 / std::sqrt(var[c] + 1e-5); });
    xhat = each(x.size(), [&](std::size_t i) { return (x[i] - mean[i % C]) * inv_std[i % C]; });
    dbeta = sums([&](std::size_t i) { return g[i]; });
    dgamma = sums([&](std::size_t i) { return g[i] * xhat[i]; });
  }
  Values dx(const Values& g, const Values& gamma) const {
    return each(xhat.size(), [&](std::size_t i) {
      const std::size_t c = i % C;
      const double count = static_cast<double>(n);
      return gamma[c] * inv_std[c] * (g[i] - dbeta[c] / count - xhat[i] * dgamma[c] / count);
    });
  }
};

}  // namespace attnunet::formulas
