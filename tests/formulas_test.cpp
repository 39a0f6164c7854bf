// The lines of each layer's derivation (top of src/cpu/NAME.h), literally, in plain loops in double: one test a line,
// named after layer and line. tools/check_layers.sh holds that every layer has some. Shapes are small and odd.
// The blocks: formulas_blocks_test.cpp.
#include "support/formulas.h"

#include <algorithm>
#include <cmath>

#include "common/gradcheck/cases/add.h"
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
#include "common/gradcheck/cases/dropout.h"
#include "common/gradcheck/cases/edge_pad.h"
#include "common/gradcheck/cases/max_pool.h"
#include "common/gradcheck/cases/relu.h"
#include "common/gradcheck/cases/sigmoid.h"
#include "cpu/operations.h"
#include "support/backends.h"

namespace attnunet {
namespace {

using namespace gradcheck;
using namespace formulas;
using B = Cpu<double>;

cpu::Device device(1);

// ---- convolutions

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

}  // namespace
}  // namespace attnunet
