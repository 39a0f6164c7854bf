// The formulas of the losses, the optimiser, folded batch norm and the batch itself: cpu/bce.h, dice.h, tversky.h,
// focal.h, clip_norm.h, adam.h, ema.h, fold_batch_norm.h, batch_input.h, segmentation_counts.h and divergence.h, each
// as it stands there.
#include "common/gradcheck/cases/bce.h"
#include "common/gradcheck/cases/dice.h"
#include "common/gradcheck/cases/focal.h"
#include "common/gradcheck/cases/tversky.h"
#include "support/formula.h"

namespace attnunet {
namespace TEST_FILE {

using B = Cpu<double>;
using gradcheck::download;
using gradcheck::poisoned;
using gradcheck::upload;

// Two images of 35 pixels: logits z, targets t that are 0, 1 and, here and there, between.
struct Loss {
  Index N = 2, P = 35;
  Array z_in, t_in;

  explicit Loss(double deviation = 2) {
    Random random(1);
    z_in = random_array("z", N * P, random, 0, deviation);
    t_in = {"t", each(N * P, [&](Index i) { return i % 7 == 3 ? random.uniform() : random.below(2); })};
  }
  double z(Index image, Index pixel) const { return Tensor(z_in, P)(image, pixel); }
  double t(Index image, Index pixel) const { return Tensor(t_in, P)(image, pixel); }
  double p(Index image, Index pixel) const { return 1 / (1 + std::exp(-z(image, pixel))); }
  // The mean of the images' losses, which both cases give out.
  template <class Image>
  std::vector<double> mean(const Image& loss_of_image) const {
    return {sum(N, loss_of_image) / static_cast<double>(N)};
  }
};

Array bce_loss(const Loss& at) {
  cpu::Device device(1);
  return gradcheck::bce_case<B>(device, at.N, at.P, at.t_in.values, 1).forward({at.z_in}).outputs[0];
}

TEST(Formula, BceLoss) {
  const Loss at;
  expect_formula(bce_loss(at), at.mean([&](Index n) {
    return sum(at.P,
               [&](Index i) {
                 return -at.t(n, i) * std::log(at.p(n, i)) - (1 - at.t(n, i)) * std::log(1 - at.p(n, i));
               }) /
           static_cast<double>(at.P);
  }));
}

TEST(Formula, BceLossOfLogits) {
  const Loss at;
  expect_formula(bce_loss(at), at.mean([&](Index n) {
    return sum(at.P, [&](Index i) { return (1 - at.t(n, i)) * at.z(n, i) + std::log(1 + std::exp(-at.z(n, i))); }) /
           static_cast<double>(at.P);
  }));
}

// Logits of some hundreds too, for which e^-z overflows.
TEST(Formula, BceLossStable) {
  for (const double deviation : {2., 500.}) {
    const Loss at(deviation);
    expect_formula(bce_loss(at), at.mean([&](Index n) {
      return sum(at.P,
                 [&](Index i) {
                   const double z = at.z(n, i);
                   return std::max(z, 0.) - z * at.t(n, i) + std::log1p(std::exp(-std::abs(z)));
                 }) /
             static_cast<double>(at.P);
    }));
  }
}

TEST(Formula, BceDz) {
  const Loss at;
  cpu::Device device(1);
  const auto layer = gradcheck::bce_case<B>(device, at.N, at.P, at.t_in.values, 1);
  expect_formula(layer.backward({at.z_in}, {{"dloss", {1}}})[0], each(at.N, at.P, [&](Index n, Index i) {
                   return (at.p(n, i) - at.t(n, i)) / static_cast<double>(at.N * at.P);
                 }));
}

// Dice calls the target q.
struct Dice : Loss {
  static constexpr double s = 1e-5;
  double I(Index n) const {
    return sum(P, [&](Index i) { return p(n, i) * t(n, i); });
  }
  double sum_p(Index n) const {
    return sum(P, [&](Index i) { return p(n, i); });
  }
  double sum_q(Index n) const {
    return sum(P, [&](Index i) { return t(n, i); });
  }
  double U(Index n) const { return sum_p(n) + sum_q(n); }
};

TEST(Formula, DiceSums) {
  const Dice at;
  cpu::Device device(1);
  const auto logits = upload<B>(device, at.z_in), target = upload<B>(device, at.t_in);
  auto loss = poisoned<B>(device, at.N), sums = poisoned<B>(device, 3 * at.N);
  dice_forward(device, loss.data(), sums.data(), values(logits.data(), at.N * at.P), target.data(), at.N);
  expect_formula(download<B>(device, "sums", sums), each(at.N, 3, [&](Index n, Index which) {
                   return which == 0 ? at.I(n) : which == 1 ? at.sum_p(n) : at.sum_q(n);
                 }));
}

TEST(Formula, DiceLoss) {
  const Dice at;
  cpu::Device device(1);
  const auto layer = gradcheck::dice_case<B>(device, at.N, at.P, at.t_in.values, 1);
  expect_formula(layer.forward({at.z_in}).outputs[0],
                 at.mean([&](Index n) { return 1 - (2 * at.I(n) + Dice::s) / (at.U(n) + Dice::s); }));
}

// dloss/dp in both of its forms.
TEST(Formula, DiceDz) {
  const Dice at;
  constexpr double s = Dice::s;
  cpu::Device device(1);
  const auto layer = gradcheck::dice_case<B>(device, at.N, at.P, at.t_in.values, 1);
  const Array dz = layer.backward({at.z_in}, {{"dloss", {1}}})[0];
  const auto dz_from = [&](const auto& dloss_dp) {
    return each(at.N, at.P, [&](Index n, Index i) {
      return dloss_dp(at.I(n), at.U(n), at.t(n, i)) * at.p(n, i) * (1 - at.p(n, i)) / static_cast<double>(at.N);
    });
  };
  expect_formula(
      dz, dz_from([](double I, double U, double q) { return -(2 * q * (U + s) - (2 * I + s)) / ((U + s) * (U + s)); }));
  expect_formula(
      dz, dz_from([](double I, double U, double q) { return (2 * I + s) / ((U + s) * (U + s)) - 2 * q / (U + s); }));
}

// Tversky calls the target q too.
struct Tversky : Dice {
  static constexpr double e = 1e-5;
  double a = 0.6, b = 0.3, g = 0.75;
  TverskyOptions options{a, b, g};
  double FN(Index n) const {
    return sum(P, [&](Index i) { return (1 - p(n, i)) * t(n, i); });
  }
  double FP(Index n) const {
    return sum(P, [&](Index i) { return p(n, i) * (1 - t(n, i)); });
  }
  double E(Index n) const { return a * FN(n) + b * FP(n); }
  double D(Index n) const { return I(n) + e + E(n); }
  double TI(Index n) const { return (I(n) + e) / (I(n) + e + a * FN(n) + b * FP(n)); }
  gradcheck::LayerCase layer(cpu::Device& device) const {
    return gradcheck::tversky_case<B>(device, N, P, t_in.values, options, 1);
  }
};

TEST(Formula, TverskySums) {
  const Tversky at;
  cpu::Device device(1);
  const auto logits = upload<B>(device, at.z_in), target = upload<B>(device, at.t_in);
  auto loss = poisoned<B>(device, at.N), sums = poisoned<B>(device, 3 * at.N);
  tversky_forward(device, loss.data(), sums.data(), values(logits.data(), at.N * at.P), target.data(), at.N,
                  at.options);
  expect_formula(download<B>(device, "sums", sums), each(at.N, 3, [&](Index n, Index which) {
                   return which == 0 ? at.I(n) : which == 1 ? at.FN(n) : at.FP(n);
                 }));
}

// In both of its forms.
TEST(Formula, TverskyLoss) {
  const Tversky at;
  cpu::Device device(1);
  const Array loss = at.layer(device).forward({at.z_in}).outputs[0];
  expect_formula(loss, at.mean([&](Index n) { return std::pow(1 - at.TI(n), at.g); }));
  expect_formula(loss, at.mean([&](Index n) { return std::pow(at.E(n) / at.D(n), at.g); }));
}

// d(E/D)/dp by the quotient rule and in the form that is computed.
TEST(Formula, TverskyDz) {
  const Tversky at;
  cpu::Device device(1);
  const Array dz = at.layer(device).backward({at.z_in}, {{"dloss", {1}}})[0];
  const auto dz_from = [&](const auto& derivative) {
    return each(at.N, at.P, [&](Index n, Index i) {
      const double E = at.E(n), D = at.D(n);
      const double dloss_dp = at.g * std::pow(E / D, at.g - 1) * derivative(E, D, at.I(n), at.t(n, i));
      return dloss_dp * at.p(n, i) * (1 - at.p(n, i)) / static_cast<double>(at.N);
    });
  };
  expect_formula(dz, dz_from([&](double E, double D, double, double q) {
                   const double dE = at.b * (1 - q) - at.a * q, dD = q + dE;
                   return (D * dE - E * dD) / (D * D);
                 }));
  expect_formula(dz, dz_from([&](double E, double D, double I, double q) {
                   return (at.b * (I + at.e) * (1 - q) - (at.a * (I + at.e) + E) * q) / (D * D);
                 }));
}

// |dz| <= (2 g / N) TI (1 - TI)^g, for exponents on both sides of 1.
TEST(Formula, TverskyBound) {
  for (const double deviation : {1., 5., 20.})
    for (const double g : {0.1, 0.75, 1., 2.}) {
      Tversky at;
      Random random(2);
      at.z_in = random_array("z", at.N * at.P, random, 0, deviation);
      at.options.gamma = g;
      cpu::Device device(1);
      const Array dz = at.layer(device).backward({at.z_in}, {{"dloss", {1}}})[0];
      for (Index n = 0; n < at.N; ++n)
        for (Index i = 0; i < at.P; ++i)
          EXPECT_LE(std::abs(Tensor(dz, at.P)(n, i)),
                    2 * g / static_cast<double>(at.N) * at.TI(n) * std::pow(1 - at.TI(n), g));
    }
}

// Focal: two images as for bce.
struct Focal : Loss {
  using Loss::Loss;
  double gamma = 1.7, alpha = 0.3;
  static double s(double z) { return std::max(z, 0.) + std::log1p(std::exp(-std::abs(z))); }
  gradcheck::LayerCase layer(cpu::Device& device) const {
    return gradcheck::focal_case<B>(device, N, P, t_in.values, {gamma, alpha}, 1);
  }
};

TEST(Formula, FocalLoss) {
  const Focal at;
  cpu::Device device(1);
  expect_formula(at.layer(device).forward({at.z_in}).outputs[0], at.mean([&](Index n) {
    return sum(at.P,
               [&](Index i) {
                 const double t = at.t(n, i), p = at.p(n, i);
                 return -at.alpha * t * std::pow(1 - p, at.gamma) * std::log(p) -
                        (1 - at.alpha) * (1 - t) * std::pow(p, at.gamma) * std::log(1 - p);
               }) /
           static_cast<double>(at.P);
  }));
}

// Logits of some hundreds too, for which p or 1 - p is 0.
TEST(Formula, FocalLossOfLogits) {
  for (const double deviation : {2., 500.}) {
    const Focal at(deviation);
    cpu::Device device(1);
    expect_formula(at.layer(device).forward({at.z_in}).outputs[0], at.mean([&](Index n) {
      return sum(at.P,
                 [&](Index i) {
                   const double t = at.t(n, i), z = at.z(n, i);
                   const double p = 1 / (1 + std::exp(-z)), not_p = 1 / (1 + std::exp(z));
                   return at.alpha * t * std::pow(not_p, at.gamma) * Focal::s(-z) +
                          (1 - at.alpha) * (1 - t) * std::pow(p, at.gamma) * Focal::s(z);
                 }) /
             static_cast<double>(at.P);
    }));
  }
}

TEST(Formula, FocalDz) {
  const Focal at;
  cpu::Device device(1);
  expect_formula(at.layer(device).backward({at.z_in}, {{"dloss", {1}}})[0], each(at.N, at.P, [&](Index n, Index i) {
                   const double t = at.t(n, i), z = at.z(n, i), p = at.p(n, i);
                   return (-at.alpha * t * std::pow(1 - p, at.gamma) * (1 - p + at.gamma * p * Focal::s(-z)) +
                           (1 - at.alpha) * (1 - t) * std::pow(p, at.gamma) * (p + at.gamma * (1 - p) * Focal::s(z))) /
                          static_cast<double>(at.N * at.P);
                 }));
}

// Step 3 of Adam on some parameters: before, gradient, after.
struct Adam {
  Index n = 35;
  AdamOptions options;
  Array w_in, m_in, v_in, g_in, w_out, m_out, v_out;

  explicit Adam(double weight_decay = 0) {
    options.step = 3;
    options.weight_decay = weight_decay;
    Random random(1);
    w_in = random_array("w", n, random), m_in = random_array("m", n, random);
    v_in = magnitudes(random_array("v", n, random)), g_in = random_array("g", n, random);
    cpu::Device device(1);
    auto w_ = upload<B>(device, w_in), m_ = upload<B>(device, m_in), v_ = upload<B>(device, v_in);
    const auto g_ = upload<B>(device, g_in);
    adam_step(device, w_.data(), m_.data(), v_.data(), g_.data(), n, options);
    w_out = download<B>(device, "w", w_), m_out = download<B>(device, "m", m_);
    v_out = download<B>(device, "v", v_);
  }
  double w(Index i) const { return Tensor(w_in, n)(i); }
  double g(Index i) const { return Tensor(g_in, n)(i); }
  double m(Index i) const { return options.beta1 * Tensor(m_in, n)(i) + (1 - options.beta1) * g(i); }
  double v(Index i) const { return options.beta2 * Tensor(v_in, n)(i) + (1 - options.beta2) * g(i) * g(i); }
  double mhat(Index i) const { return m(i) / (1 - std::pow(options.beta1, 3)); }
  double vhat(Index i) const { return v(i) / (1 - std::pow(options.beta2, 3)); }
};

TEST(Formula, AdamM) {
  const Adam at;
  expect_formula(at.m_out, each(at.n, [&](Index i) { return at.m(i); }));
}

TEST(Formula, AdamV) {
  const Adam at;
  expect_formula(at.v_out, each(at.n, [&](Index i) { return at.v(i); }));
}

TEST(Formula, AdamW) {
  const Adam at;
  expect_formula(at.w_out, each(at.n, [&](Index i) {
                   return at.w(i) - at.options.lr * at.mhat(i) / (std::sqrt(at.vhat(i)) + at.options.eps);
                 }));
}

TEST(Formula, AdamWAsPyTorch) {
  const Adam at;
  const double a = at.options.lr / (1 - std::pow(at.options.beta1, 3));
  const double b = std::sqrt(1 - std::pow(at.options.beta2, 3));
  expect_formula(
      at.w_out, each(at.n, [&](Index i) { return at.w(i) - a * at.m(i) / (std::sqrt(at.v(i)) / b + at.options.eps); }));
}

TEST(Formula, AdamWeightDecay) {
  const Adam at(0.05);
  expect_formula(at.w_out, each(at.n, [&](Index i) {
                   const double decayed = at.w(i) - at.options.lr * 0.05 * at.w(i);
                   return decayed - at.options.lr * at.mhat(i) / (std::sqrt(at.vhat(i)) + at.options.eps);
                 }));
}

// From 0, after t steps of a constant g: m = (1 - beta1^t) g, and v likewise.
TEST(Formula, AdamConstantGradient) {
  cpu::Device device(1);
  auto w = upload<B>(device, {"w", {1}}), m = upload<B>(device, {"m", {0}}), v = upload<B>(device, {"v", {0}});
  const auto g = upload<B>(device, {"g", {-3}});
  AdamOptions options;
  for (options.step = 1; options.step <= 10; ++options.step) {
    adam_step(device, w.data(), m.data(), v.data(), g.data(), Index{1}, options);
    const double t = static_cast<double>(options.step);
    expect_formula(download<B>(device, "m", m), {(1 - std::pow(options.beta1, t)) * -3});
    expect_formula(download<B>(device, "v", v), {(1 - std::pow(options.beta2, t)) * 9});
  }
}

// A 1x1 convolution of K channels from C, a pixel at a time, and its batch norm.
struct Fold {
  Index K = 3, C = 4, pixels = 5;
  Array w_in, gamma_in, beta_in, mean_in, var_in, x_in, w_out, beta_out;

  Fold() {
    Random random(1);
    w_in = random_array("w", K * C, random), gamma_in = random_array("gamma", K, random, 1, 0.5);
    beta_in = random_array("beta", K, random), mean_in = random_array("mean", K, random);
    var_in = magnitudes(random_array("var", K, random)), x_in = random_array("x", pixels * C, random);
    cpu::Device device(1);
    auto w = upload<B>(device, w_in), gamma = upload<B>(device, gamma_in), beta = upload<B>(device, beta_in);
    const auto mean = upload<B>(device, mean_in), var = upload<B>(device, var_in);
    fold_batch_norm(device, w.data(), BatchNormParameters<double>{gamma.data(), beta.data()}, {mean.data(), var.data()},
                    K, C);
    w_out = download<B>(device, "w'", w), beta_out = download<B>(device, "b'", beta);
  }
  double deviation(Index k) const { return std::sqrt(Tensor(var_in, K)(k) + batch_norm_eps); }
  double s(Index k) const { return Tensor(gamma_in, K)(k) / deviation(k); }
  double product(const Array& weights, Index p, Index k) const {
    return sum(C, [&](Index c) { return Tensor(weights, C)(k, c) * Tensor(x_in, C)(p, c); });
  }
};

TEST(Formula, FoldBatchNormW) {
  const Fold at;
  const Tensor w(at.w_in, at.C);
  expect_formula(at.w_out, each(at.K, at.C, [&](Index k, Index c) { return at.s(k) * w(k, c); }));
}

TEST(Formula, FoldBatchNormB) {
  const Fold at;
  const Tensor beta(at.beta_in, at.K), mean(at.mean_in, at.K);
  expect_formula(at.beta_out, each(at.K, [&](Index k) { return beta(k) - at.s(k) * mean(k); }));
}

// (w' * x) + b' = gamma (a - mean) / sqrt(var + eps) + beta with a = w * x.
TEST(Formula, FoldBatchNormY) {
  const Fold at;
  const Tensor gamma(at.gamma_in, at.K), beta(at.beta_in, at.K), mean(at.mean_in, at.K), b(at.beta_out, at.K);
  const Array y{"y", each(at.pixels, at.K, [&](Index p, Index k) { return at.product(at.w_out, p, k) + b(k); })};
  expect_formula(y, each(at.pixels, at.K, [&](Index p, Index k) {
                   const double a = at.product(at.w_in, p, k);
                   return gamma(k) * (a - mean(k)) / at.deviation(k) + beta(k);
                 }));
}

TEST(Formula, BatchInput) {
  const std::vector<std::uint8_t> images{0, 1, 127, 128, 254, 255}, masks{0, 1, 1, 0, 0, 1};
  const std::vector<std::int32_t> cases{2, 0};
  cpu::Device device(1);
  auto input = poisoned<B>(device, 4), target = poisoned<B>(device, 4);
  batch_input(device, values(input.data(), 4), target.data(), images.data(), masks.data(), cases.data(), Index{2});
  EXPECT_EQ(download<B>(device, "input", input).values,
            (std::vector<double>{254 / 255., 255 / 255., 0 / 255., 1 / 255.}));
  EXPECT_EQ(download<B>(device, "target", target).values, (std::vector<double>{0, 1, 0, 1}));
}

TEST(Formula, SegmentationCounts) {
  const Loss at;
  cpu::Device device(1);
  const auto logits = upload<B>(device, at.z_in), target = upload<B>(device, at.t_in);
  cpu::Buffer<PixelCounts> counts(device, at.N);
  segmentation_counts(device, counts.data(), values(logits.data(), at.N * at.P), target.data(), at.N);
  for (Index n = 0; n < at.N; ++n) {
    const auto count = [&](bool predicted, bool lesion) {
      std::int64_t result = 0;
      for (Index i = 0; i < at.P; ++i) result += (at.z(n, i) > 0) == predicted && (at.t(n, i) > 0.5) == lesion;
      return result;
    };
    const PixelCounts& actual = counts.data()[n];
    EXPECT_EQ(actual.tp, count(true, true));
    EXPECT_EQ(actual.fp, count(true, false));
    EXPECT_EQ(actual.fn, count(false, true));
    EXPECT_EQ(actual.tn, count(false, false));
  }
}

TEST(Formula, EmaStep) {
  cpu::Device device(1);
  Random random(4);
  const Index n = 20;
  const Array e_in = random_array("e", n, random), w_in = random_array("w", n, random);
  for (const Index t : {1, 20}) {
    auto e = upload<B>(device, e_in), w = upload<B>(device, w_in);
    ema_step(device, e.data(), w.data(), n, ema_decay(0.6, t));
    const double time = static_cast<double>(t), d = std::min(0.6, (1 + time) / (10 + time));
    expect_formula(download<B>(device, "e", e), each(n, [&](Index i) {
                     const double before = Tensor(e_in, n)(Index{0}, i);
                     return before + (1 - d) * (Tensor(w_in, n)(Index{0}, i) - before);
                   }));
  }
}

// The average of weights that are 1 at first and 0 after every step is the share of the start.
TEST(Formula, EmaShareOfTheStart) {
  cpu::Device device(1);
  auto e = upload<B>(device, {"e", {1}}), w = upload<B>(device, {"w", {0}});
  double factorial = 1;
  for (int k = 2; k <= 10; ++k) factorial *= k;
  for (Index t = 1; t <= 10; ++t) {
    ema_step(device, e.data(), w.data(), Index{1}, ema_decay(0.999, t));
    double product = 1;
    for (int k = 2; k <= 10; ++k) product *= static_cast<double>(t + k);
    expect_formula(download<B>(device, "e", e), {factorial / product});
  }
}

TEST(Formula, ClipNorm) {
  cpu::Device device(1);
  Random random(3);
  const Index n = 9000;
  const Array g_in = random_array("g", n, random);
  const double norm =
      std::sqrt(sum(n, [&](Index i) { return Tensor(g_in, n)(Index{0}, i) * Tensor(g_in, n)(Index{0}, i); }));
  for (const double limit : {0.5 * norm, 2 * norm}) {
    auto g = upload<B>(device, g_in);
    Cpu<double>::Buffer<double> scratch(device, clip_norm_scratch(n));
    clip_norm(device, g.data(), scratch.data(), n, limit);
    const double factor = std::min(1.0, limit / (norm + 1e-6));
    expect_formula(download<B>(device, "g", g),
                   each(n, [&](Index i) { return factor * Tensor(g_in, n)(Index{0}, i); }));
  }
}

TEST(Formula, Divergence) {
  cpu::Device device(1);
  const std::vector<std::vector<double>> losses{{1, 2}, {3, HUGE_VAL}, {std::nan(""), 4}};
  Index first = 0, expected = 0;
  for (Index step = 1; step <= 3; ++step) {
    const std::vector<double>& l = losses[static_cast<std::size_t>(step - 1)];
    record_divergence(device, &first, l.data(), Index{2}, step);
    if (expected == 0 && !(std::isfinite(l[0]) && std::isfinite(l[1]))) expected = step;
    EXPECT_EQ(first, expected);
  }
  EXPECT_EQ(first, 2);
}

}  // namespace TEST_FILE
}  // namespace attnunet
