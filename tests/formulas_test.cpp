// The lines of each layer's derivation (top of src/cpu/NAME.h), literally, in plain loops in double: one test a line,
// named after layer and line. tools/check_layers.sh holds that every layer has some. Shapes are small and odd.
#include <algorithm>
#include <cmath>
#include <map>

#include "common/gradcheck/cases/add.h"
#include "common/gradcheck/cases/attention_gate.h"
#include "common/gradcheck/cases/attention_multiply.h"
#include "common/gradcheck/cases/batch_norm.h"
#include "common/gradcheck/cases/batch_norm_relu_dropout.h"
#include "common/gradcheck/cases/bce.h"
#include "common/gradcheck/cases/concat.h"
#include "common/gradcheck/cases/conv2d.h"
#include "common/gradcheck/cases/conv2d_statistics.h"
#include "common/gradcheck/cases/conv_transpose2d.h"
#include "common/gradcheck/cases/crop.h"
#include "common/gradcheck/cases/dice.h"
#include "common/gradcheck/cases/double_conv.h"
#include "common/gradcheck/cases/dropout.h"
#include "common/gradcheck/cases/edge_pad.h"
#include "common/gradcheck/cases/max_pool.h"
#include "common/gradcheck/cases/relu.h"
#include "common/gradcheck/cases/sigmoid.h"
#include "cpu/operations.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace {

using namespace gradcheck;
using B = Cpu<double>;
using Values = std::vector<double>;

std::size_t at(Index i) {
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

void expect_formula(const Values& actual, const Values& formula) {
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

cpu::Device device(1);

// ---- convolutions

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

class FormulaConv2d : public ::testing::TestWithParam<Index> {
 protected:
  const Convolution g{Conv2dGeometry{2, 3, 5, 2, 3, GetParam()}};
  const Ran ran{conv2d_case<B>(device, g, true, 2)};
};
INSTANTIATE_TEST_SUITE_P(Kernel, FormulaConv2d, ::testing::Values(1, 3));

TEST_P(FormulaConv2d, Forward) {
  expect_formula(ran.out.at("y"), g.forward(ran.in.at("x"), ran.in.at("w"), ran.in.at("b")));
}
TEST_P(FormulaConv2d, Db) {
  Values db(at(g.K));
  for (std::size_t i = 0; i < ran.d.at("y").size(); ++i) db[i % at(g.K)] += ran.d.at("y")[i];
  expect_formula(ran.d.at("b"), db);
}
TEST_P(FormulaConv2d, Dw) {
  expect_formula(ran.d.at("w"), g.dw(ran.d.at("y"), ran.in.at("x")));
}
TEST_P(FormulaConv2d, Dx) {
  expect_formula(ran.d.at("x"), g.dx(ran.d.at("y"), ran.in.at("w")));
}
TEST_P(FormulaConv2d, DxIsTheForwardOfAFlippedKernel) {
  const Convolution turned(Conv2dGeometry{g.N, g.H, g.W, g.K, g.C, g.R});
  Values flipped(at(g.weights()));
  for (Index k = 0; k < g.K; ++k)
    for (Index r = 0; r < g.R; ++r)
      for (Index s = 0; s < g.R; ++s)
        for (Index c = 0; c < g.C; ++c)
          flipped[turned.weight(c, r, s, k)] = ran.in.at("w")[g.weight(k, 2 * g.q() - r, 2 * g.q() - s, c)];
  expect_formula(ran.d.at("x"), turned.forward(ran.d.at("y"), flipped, {}));
}

TEST(FormulaConvTranspose2d, ForwardDbDwDx) {
  const ConvTranspose2dGeometry g{2, 3, 5, 2, 3};
  const Ran ran(conv_transpose2d_case<B>(device, g, true, 2));
  const Values &x = ran.in.at("x"), &w = ran.in.at("w"), &dy = ran.d.at("y");
  Values y(dy.size()), db(3), dw(w.size()), dx(x.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] = ran.in.at("b")[i % at(g.K)];
    db[i % at(g.K)] += dy[i];
  }
  for (Index n = 0; n < g.N; ++n)
    for (Index h = 0; h < g.H; ++h)
      for (Index v = 0; v < g.W; ++v)
        for (Index i = 0; i < 2; ++i)
          for (Index j = 0; j < 2; ++j)
            for (Index k = 0; k < g.K; ++k)
              for (Index c = 0; c < g.C; ++c) {
                const std::size_t from = at(((n * g.H + h) * g.W + v) * g.C + c);
                const std::size_t to = at(((n * 2 * g.H + 2 * h + i) * 2 * g.W + 2 * v + j) * g.K + k);
                const std::size_t weight = at(((i * 2 + j) * g.K + k) * g.C + c);
                y[to] += w[weight] * x[from];
                dw[weight] += dy[to] * x[from];
                dx[from] += w[weight] * dy[to];
              }
  expect_formula(ran.out.at("y"), y);
  expect_formula(ran.d.at("b"), db);
  expect_formula(ran.d.at("w"), dw);
  expect_formula(ran.d.at("x"), dx);
}

// ---- batch norm

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

TEST(FormulaBatchNorm, Forward) {
  const Ran ran(batch_norm_case<B>(device, 7, 3, 2));
  const Norm norm(ran.in.at("x"), ran.d.at("y"), 3);
  expect_formula(ran.out.at("y"), each(21, [&](std::size_t i) {
                   return ran.in.at("gamma")[i % 3] * norm.xhat[i] + ran.in.at("beta")[i % 3];
                 }));
}
TEST(FormulaBatchNorm, DbetaAndDgamma) {
  const Ran ran(batch_norm_case<B>(device, 7, 3, 2));
  const Norm norm(ran.in.at("x"), ran.d.at("y"), 3);
  expect_formula(ran.d.at("beta"), norm.dbeta);
  expect_formula(ran.d.at("gamma"), norm.dgamma);
}
TEST(FormulaBatchNorm, DxOnThreeWays) {
  const Ran ran(batch_norm_case<B>(device, 7, 3, 2));
  const Values &g = ran.d.at("y"), &gamma = ran.in.at("gamma");
  const Norm norm(ran.in.at("x"), g, 3);
  const double n = 7;
  expect_formula(ran.d.at("x"), each(21, [&](std::size_t i) {
                   const std::size_t c = i % 3;
                   const double s = norm.inv_std[c];
                   return gamma[c] * g[i] * s +
                          (-0.5 * gamma[c] * s * s * norm.dgamma[c]) * (2 / n) * norm.xhat[i] / s +
                          (-gamma[c] * s * norm.dbeta[c]) / n;
                 }));
}
TEST(FormulaBatchNorm, Dx) {
  const Ran ran(batch_norm_case<B>(device, 7, 3, 2));
  expect_formula(ran.d.at("x"), Norm(ran.in.at("x"), ran.d.at("y"), 3).dx(ran.d.at("y"), ran.in.at("gamma")));
}
TEST(FormulaBatchNormReluDropout, ForwardAndBackward) {
  const double rate = 0.3, s = static_cast<double>(1 / (1 - static_cast<float>(rate)));
  const DropoutKey key{5, 1, 3};
  const Ran ran(batch_norm_relu_dropout_case<B>(device, 7, 3, rate, key, 2));
  Values m(21, 1.0);
  dropout_forward(device, m.data(), m.data(), rate, key, 21);
  const Values &gamma = ran.in.at("gamma"), &dy = ran.d.at("y"), &y = ran.out.at("y");
  const Norm statistics(ran.in.at("x"), dy, 3);
  expect_formula(y, each(21, [&](std::size_t i) {
                   return std::max(gamma[i % 3] * statistics.xhat[i] + ran.in.at("beta")[i % 3], 0.0) * m[i];
                 }));
  const Values g = each(21, [&](std::size_t i) { return y[i] > 0 ? m[i] * dy[i] : 0; });
  EXPECT_NEAR(*std::max_element(m.begin(), m.end()), s, 1e-7);
  const Norm norm(ran.in.at("x"), g, 3);
  expect_formula(ran.d.at("x"), norm.dx(g, gamma));
  expect_formula(ran.d.at("gamma"), norm.dgamma);
  expect_formula(ran.d.at("beta"), norm.dbeta);
}
TEST(FormulaConv2dStatistics, Forward) {
  const Convolution g(Conv2dGeometry{2, 3, 5, 2, 3, 3});
  const Ran ran(conv2d_statistics_case<B>(device, g, 2));
  const Norm norm(g.forward(ran.in.at("x"), ran.in.at("w"), {}), ran.d.at("y"), 3);
  expect_formula(ran.out.at("y"), each(norm.xhat.size(), [&](std::size_t i) {
                   return std::max(ran.in.at("gamma")[i % 3] * norm.xhat[i] + ran.in.at("beta")[i % 3], 0.0);
                 }));
}

// ---- element by element

TEST(FormulaRelu, ForwardAndDx) {
  const Ran ran(relu_case<B>(device, 21, 2));
  const Values &x = ran.in.at("x"), &dy = ran.d.at("y");
  expect_formula(ran.out.at("y"), each(21, [&](std::size_t i) { return x[i] > 0 ? x[i] : 0; }));
  expect_formula(ran.d.at("x"), each(21, [&](std::size_t i) { return x[i] > 0 ? dy[i] : 0; }));
}
TEST(FormulaSigmoid, ForwardAndDx) {
  const Ran ran(sigmoid_case<B>(device, 21, 2));
  const Values y = each(21, [&](std::size_t i) { return 1 / (1 + std::exp(-ran.in.at("x")[i])); });
  expect_formula(ran.out.at("y"), y);
  expect_formula(ran.d.at("x"), each(21, [&](std::size_t i) { return ran.d.at("y")[i] * y[i] * (1 - y[i]); }));
}
TEST(FormulaDropout, ForwardAndDx) {
  const DropoutKey key{5, 1, 3};
  const Ran ran(dropout_case<B>(device, 21, 0.3, key, 2));
  Values m(21, 1.0);
  dropout_forward(device, m.data(), m.data(), 0.3, key, 21);
  expect_formula(ran.out.at("y"), each(21, [&](std::size_t i) { return ran.in.at("x")[i] * m[i]; }));
  expect_formula(ran.d.at("x"), each(21, [&](std::size_t i) { return ran.d.at("y")[i] * m[i]; }));
}
TEST(FormulaAdd, ForwardAndBackward) {
  const Ran ran(add_case<B>(device, 21, 2));
  expect_formula(ran.out.at("y"), each(21, [&](std::size_t i) { return ran.in.at("a")[i] + ran.in.at("b")[i]; }));
  expect_formula(ran.d.at("a"), ran.d.at("y"));
  expect_formula(ran.d.at("b"), ran.d.at("y"));
}
TEST(FormulaAttentionMultiply, ForwardDxDalpha) {
  const Ran ran(attention_multiply_case<B>(device, 7, 3, 2));
  const Values &x = ran.in.at("x"), &alpha = ran.in.at("alpha"), &dy = ran.d.at("y");
  expect_formula(ran.out.at("y"), each(21, [&](std::size_t i) { return x[i] * alpha[i / 3]; }));
  expect_formula(ran.d.at("x"), each(21, [&](std::size_t i) { return dy[i] * alpha[i / 3]; }));
  expect_formula(ran.d.at("alpha"), each(7, [&](std::size_t p) {
                   return dy[3 * p] * x[3 * p] + dy[3 * p + 1] * x[3 * p + 1] + dy[3 * p + 2] * x[3 * p + 2];
                 }));
}

// ---- moving pixels

TEST(FormulaConcat, ForwardAndBackward) {
  const Ran ran(concat_case<B>(device, 7, 2, 3, 2));
  expect_formula(ran.out.at("y"), each(35, [&](std::size_t i) {
                   const std::size_t p = i / 5, c = i % 5;
                   return c < 2 ? ran.in.at("a")[2 * p + c] : ran.in.at("b")[3 * p + c - 2];
                 }));
  expect_formula(ran.d.at("a"), each(14, [&](std::size_t i) { return ran.d.at("y")[i / 2 * 5 + i % 2]; }));
  expect_formula(ran.d.at("b"), each(21, [&](std::size_t i) { return ran.d.at("y")[i / 3 * 5 + 2 + i % 3]; }));
}
TEST(FormulaMaxPool, ForwardAndDx) {
  const Ran ran(max_pool_case<B>(device, {1, 5, 7, 1}, 2));  // the last row and column have no window
  const Values& x = ran.in.at("x");
  Values y(6), dx(35);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      std::size_t largest = 2 * i * 7 + 2 * j;
      for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t s = 0; s < 2; ++s)
          if (x[(2 * i + r) * 7 + 2 * j + s] > x[largest]) largest = (2 * i + r) * 7 + 2 * j + s;
      y[i * 3 + j] = x[largest];
      dx[largest] = ran.d.at("y")[i * 3 + j];
    }
  expect_formula(ran.out.at("y"), y);
  expect_formula(ran.d.at("x"), dx);
}
TEST(FormulaEdgePad, ForwardAndDx) {
  const Ran ran(edge_pad_case<B>(device, {1, 3, 5, 1}, 4, 8, 2));
  Values dx(15);
  const auto source = [](std::size_t i) {
    return std::min<std::size_t>(i / 8, 2) * 5 + std::min<std::size_t>(i % 8, 4);
  };
  for (std::size_t i = 0; i < 32; ++i) dx[source(i)] += ran.d.at("y")[i];
  expect_formula(ran.out.at("y"), each(32, [&](std::size_t i) { return ran.in.at("x")[source(i)]; }));
  expect_formula(ran.d.at("x"), dx);
}
TEST(FormulaCrop, ForwardAndDx) {
  const Ran ran(crop_case<B>(device, {1, 3, 5, 1}, 4, 8, 2));
  expect_formula(ran.out.at("y"), each(15, [&](std::size_t i) { return ran.in.at("x")[i / 5 * 8 + i % 5]; }));
  expect_formula(ran.d.at("x"), each(32, [&](std::size_t i) {
                   return i / 8 < 3 && i % 8 < 5 ? ran.d.at("y")[i / 8 * 5 + i % 8] : 0;
                 }));
}

// ---- losses, the optimiser, folding

TEST(FormulaBce, ForwardAndDz) {
  const Values t = {1, 0, 0.3, 0, 1, 1};
  const Ran ran(bce_case<B>(device, 2, 3, t, 2));
  const Values& z = ran.in.at("logits");
  double mean = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    const double p = 1 / (1 + std::exp(-z[i])), l = -t[i] * std::log(p) - (1 - t[i]) * std::log(1 - p);
    EXPECT_NEAR(l, std::max(z[i], 0.0) - z[i] * t[i] + std::log1p(std::exp(-std::abs(z[i]))), 1e-12);
    mean += l / 6;
  }
  expect_formula(ran.out.at("loss"), {mean});
  expect_formula(ran.d.at("logits"),
                 each(6, [&](std::size_t i) { return ran.d.at("loss")[0] * (1 / (1 + std::exp(-z[i])) - t[i]) / 6; }));
}
TEST(FormulaDice, ForwardAndDz) {
  const Values q = {1, 0, 0.3, 0, 1, 1};
  const Ran ran(dice_case<B>(device, 2, 3, q, 2));
  const Values p = each(6, [&](std::size_t i) { return 1 / (1 + std::exp(-ran.in.at("logits")[i])); });
  const double s = 1e-5;
  double loss = 0;
  Values dz(6);
  for (std::size_t image = 0; image < 2; ++image) {
    double I = 0, U = 0;
    for (std::size_t i = 3 * image; i < 3 * image + 3; ++i) {
      I += p[i] * q[i];
      U += p[i] + q[i];
    }
    loss += (1 - (2 * I + s) / (U + s)) / 2;
    for (std::size_t i = 3 * image; i < 3 * image + 3; ++i)
      dz[i] = ran.d.at("loss")[0] / 2 * ((2 * I + s) / ((U + s) * (U + s)) - 2 * q[i] / (U + s)) * p[i] * (1 - p[i]);
  }
  expect_formula(ran.out.at("loss"), {loss});
  expect_formula(ran.d.at("logits"), dz);
}
TEST(FormulaAdam, Steps) {
  AdamOptions options;
  options.lr = 0.01;
  options.weight_decay = 0.1;
  Values w = {1, -2, 0.5}, m(3), v(3);
  Values formula = w, mean(3), square(3);
  for (int t = 1; t <= 3; ++t) {
    const Values g = {0.3 * t, -1e-7, 2.0 - t};
    options.step = t;
    cpu::adam_step(device, w.data(), m.data(), v.data(), g.data(), 3, options);
    for (std::size_t i = 0; i < 3; ++i) {
      formula[i] -= options.lr * options.weight_decay * formula[i];
      mean[i] = 0.9 * mean[i] + 0.1 * g[i];
      square[i] = 0.999 * square[i] + 0.001 * g[i] * g[i];
      const double mhat = mean[i] / (1 - std::pow(0.9, t)), vhat = square[i] / (1 - std::pow(0.999, t));
      formula[i] -= options.lr * mhat / (std::sqrt(vhat) + 1e-8);
    }
    expect_formula(w, formula);
    expect_formula(m, mean);
    expect_formula(v, square);
  }
}
TEST(FormulaFoldBatchNorm, WeightsAndBias) {
  Values w = {1, -2, 3, 0.5, 4, -1}, beta = {0.1, -0.2, 0.3};
  const Values gamma = {1.5, -0.5, 0.7}, mean = {0.2, 3, -1}, var = {0.5, 2, 1e-4};
  const Values s = each(3, [&](std::size_t k) { return gamma[k] / std::sqrt(var[k] + 1e-5); });
  const Values folded = each(6, [&](std::size_t i) { return s[i / 2] * w[i]; });
  const Values bias = each(3, [&](std::size_t k) { return beta[k] - s[k] * mean[k]; });
  fold_batch_norm(device, w.data(), beta.data(), gamma.data(), mean.data(), var.data(), 3, 2);
  expect_formula(w, folded);
  expect_formula(beta, bias);
}

// ---- blocks (src/common/nn)

/// gamma xhat + beta with the batch's statistics.
Values normalised(const Values& x, const Values& gamma, const Values& beta) {
  const std::size_t C = gamma.size();
  const Norm norm(x, x, C);
  return each(x.size(), [&](std::size_t i) { return gamma[i % C] * norm.xhat[i] + beta[i % C]; });
}

TEST(FormulaDoubleConv, ForwardAndBackward) {
  const Ran ran(double_conv_case<B>(device, {2, 3, 5, 2}, 3, 0.3, Pass{true, 5, 3}, 1, 2));
  const auto p = [&](const char* name) { return ran.in.at(std::string("block.") + name); };
  const auto d = [&](const char* name) { return ran.d.at(std::string("block.") + name); };
  const Convolution conv1(Conv2dGeometry{2, 3, 5, 2, 3, 3}), conv2(Conv2dGeometry{2, 3, 5, 3, 3, 3});
  const Values& x = ran.in.at("x");
  Values m(90, 1.0);
  dropout_forward(device, m.data(), m.data(), 0.3, DropoutKey{5, 1, 3}, 90);
  const Values a = conv1.forward(x, p("conv1.weight"), {});
  const Values z = normalised(a, p("bn1.weight"), p("bn1.bias"));
  const Values h = each(90, [&](std::size_t i) { return std::max(z[i], 0.0) * m[i]; });
  const Values b = conv2.forward(h, p("conv2.weight"), {});
  const Values y = normalised(b, p("bn2.weight"), p("bn2.bias"));
  expect_formula(ran.out.at("y"), each(90, [&](std::size_t i) { return std::max(y[i], 0.0); }));

  const Values g2 = each(90, [&](std::size_t i) { return y[i] > 0 ? ran.d.at("y")[i] : 0; });
  const Values db = Norm(b, g2, 3).dx(g2, p("bn2.weight"));
  expect_formula(d("conv2.weight"), conv2.dw(db, h));
  const Values dh = conv2.dx(db, p("conv2.weight"));
  const Values g1 = each(90, [&](std::size_t i) { return z[i] > 0 ? dh[i] * m[i] : 0; });
  const Values da = Norm(a, g1, 3).dx(g1, p("bn1.weight"));
  expect_formula(d("conv1.weight"), conv1.dw(da, x));
  expect_formula(ran.d.at("x"), conv1.dx(da, p("conv1.weight")));
}

TEST(FormulaAttentionGate, ForwardAndBackward) {
  const Ran ran(attention_gate_case<B>(device, {2, 3, 5, 4}, 2));
  const auto p = [&](const char* name) { return ran.in.at(std::string("block.") + name); };
  const auto d = [&](const char* name) { return ran.d.at(std::string("block.") + name); };
  const Convolution half(Conv2dGeometry{2, 3, 5, 4, 2, 1}), one(Conv2dGeometry{2, 3, 5, 2, 1, 1});
  const Values &g = ran.in.at("g"), &x = ran.in.at("x"), &d_out = ran.d.at("out");
  const Values a = half.forward(g, p("wg.weight"), {}), b = half.forward(x, p("wx.weight"), {});
  const Values of_g = normalised(a, p("bn_g.weight"), p("bn_g.bias"));
  const Values of_x = normalised(b, p("bn_x.weight"), p("bn_x.bias"));
  const Values s = each(60, [&](std::size_t i) { return std::max(of_g[i] + of_x[i], 0.0); });
  const Values q = one.forward(s, p("psi.weight"), {});
  const Values z = normalised(q, p("bn_psi.weight"), p("bn_psi.bias"));
  const Values alpha = each(30, [&](std::size_t i) { return 1 / (1 + std::exp(-z[i])); });
  expect_formula(ran.out.at("out"), each(120, [&](std::size_t i) { return x[i] * alpha[i / 4]; }));

  Values dalpha(30);
  for (std::size_t i = 0; i < 120; ++i) dalpha[i / 4] += d_out[i] * x[i];
  const Values dz = each(30, [&](std::size_t i) { return dalpha[i] * alpha[i] * (1 - alpha[i]); });
  const Values dq = Norm(q, dz, 1).dx(dz, p("bn_psi.weight"));
  expect_formula(d("psi.weight"), one.dw(dq, s));
  const Values from_psi = one.dx(dq, p("psi.weight"));
  const Values ds = each(60, [&](std::size_t i) { return s[i] > 0 ? from_psi[i] : 0; });
  const Values da = Norm(a, ds, 2).dx(ds, p("bn_g.weight")), db = Norm(b, ds, 2).dx(ds, p("bn_x.weight"));
  expect_formula(d("wg.weight"), half.dw(da, g));
  expect_formula(d("wx.weight"), half.dw(db, x));
  expect_formula(ran.d.at("g"), half.dx(da, p("wg.weight")));
  const Values through_wx = half.dx(db, p("wx.weight"));
  expect_formula(ran.d.at("x"), each(120, [&](std::size_t i) { return d_out[i] * alpha[i / 4] + through_wx[i]; }));
}

}  // namespace
}  // namespace attnunet
