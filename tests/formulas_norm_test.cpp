// The formulas of batch norm and of the operations that contain it: cpu/batch_norm.h, batch_norm_relu_dropout.h
// and conv2d_statistics.h, each as it stands there. (fold_batch_norm.h: formulas_training_test.cpp.)
#include "common/core/philox.h"
#include "common/gradcheck/cases/batch_norm.h"
#include "common/gradcheck/cases/batch_norm_relu_dropout.h"
#include "common/gradcheck/cases/conv2d_statistics.h"
#include "support/formula.h"

namespace attnunet {
namespace TEST_FILE {

using B = Cpu<double>;
using gradcheck::download;
using gradcheck::poisoned;
using gradcheck::upload;

constexpr double eps = batch_norm_eps;

// The plain loops and the methods that the networks use.
template <class Results>
std::vector<Results> by_both() {
  return {Results(ConvMethod::reference), Results(ConvMethod::automatic)};
}

// Statistics of one channel of x [n, C], by the formulas.
double mean_of(const Tensor& x, Index n, Index c) {
  return sum(n, [&](Index i) { return x(i, c); }) / static_cast<double>(n);
}
double var_of(const Tensor& x, Index n, Index c) {
  const double mean = mean_of(x, n, c);
  return sum(n, [&](Index i) { return (x(i, c) - mean) * (x(i, c) - mean); }) / static_cast<double>(n);
}
double inv_std_of(const Tensor& x, Index n, Index c) {
  return std::pow(var_of(x, n, c) + eps, -0.5);
}
double xhat_of(const Tensor& x, Index n, Index i, Index c) {
  return (x(i, c) - mean_of(x, n, c)) * inv_std_of(x, n, c);
}

// n pixels of C channels and the layer's results; running statistics before and after.
struct Norm {
  Index n = 35, C = 3;
  double size = 35;
  Array x_in, gamma_in, beta_in, dy_in, running_mean_in, running_var_in;
  Array y, mean, inv_std, running_mean, running_var;
  std::vector<Array> gradients;

  explicit Norm(ConvMethod method) {
    cpu::Device device(1, method);
    const auto layer = gradcheck::batch_norm_case<B>(device, n, C, 1);
    x_in = layer.inputs[0], gamma_in = layer.inputs[1], beta_in = layer.inputs[2];
    Random random(2);
    dy_in = random_array("dy", n * C, random);
    running_mean_in = random_array("running_mean", C, random);
    running_var_in = random_array("running_var", C, random, 2, 0.3);
    gradients = layer.backward(layer.inputs, {dy_in});
    const auto x = upload<B>(device, x_in), gamma = upload<B>(device, gamma_in), beta = upload<B>(device, beta_in);
    auto moved_mean = upload<B>(device, running_mean_in), moved_var = upload<B>(device, running_var_in);
    auto out = poisoned<B>(device, n * C), m = poisoned<B>(device, C), s = poisoned<B>(device, C);
    cpu::Buffer<double> workspace(device, batch_norm_workspace(device, n, C));
    batch_norm_forward(device, values(out.data(), n, C), BatchStatistics<double>{m.data(), s.data()},
                       RunningStatistics<double>{moved_mean.data(), moved_var.data()}, values(x.data(), n, C),
                       {gamma.data(), beta.data()}, workspace.data());
    y = download<B>(device, "y", out), mean = download<B>(device, "mean", m);
    inv_std = download<B>(device, "inv_std", s), running_mean = download<B>(device, "running_mean", moved_mean);
    running_var = download<B>(device, "running_var", moved_var);
  }
  Tensor x() const { return {x_in, C}; }
  Tensor gamma() const { return {gamma_in, C}; }
  Tensor beta() const { return {beta_in, C}; }
  Tensor g() const { return {dy_in, C}; }
  double dbeta(Index c) const {
    return sum(n, [&](Index i) { return g()(i, c); });
  }
  double dgamma(Index c) const {
    return sum(n, [&](Index i) { return g()(i, c) * xhat_of(x(), n, i, c); });
  }
};

TEST(Formula, BatchNormMean) {
  for (const Norm& at : by_both<Norm>())
    expect_formula(at.mean, each(at.C, [&](Index c) { return mean_of(at.x(), at.n, c); }));
}

// var is saved as inv_std.
TEST(Formula, BatchNormInvStd) {
  for (const Norm& at : by_both<Norm>())
    expect_formula(at.inv_std, each(at.C, [&](Index c) { return inv_std_of(at.x(), at.n, c); }));
}

TEST(Formula, BatchNormY) {
  for (const Norm& at : by_both<Norm>())
    expect_formula(at.y, each(at.n, at.C, [&](Index i, Index c) {
                     return at.gamma()(c) * xhat_of(at.x(), at.n, i, c) + at.beta()(c);
                   }));
}

TEST(Formula, BatchNormRunningMean) {
  for (const Norm& at : by_both<Norm>()) {
    const Tensor running(at.running_mean_in, at.C);
    expect_formula(at.running_mean,
                   each(at.C, [&](Index c) { return 0.9 * running(c) + 0.1 * mean_of(at.x(), at.n, c); }));
  }
}

TEST(Formula, BatchNormRunningVar) {
  for (const Norm& at : by_both<Norm>()) {
    const Tensor running(at.running_var_in, at.C);
    expect_formula(at.running_var, each(at.C, [&](Index c) {
                     return 0.9 * running(c) + 0.1 * var_of(at.x(), at.n, c) * at.size / (at.size - 1);
                   }));
  }
}

TEST(Formula, BatchNormDbeta) {
  for (const Norm& at : by_both<Norm>())
    expect_formula(at.gradients[2], each(at.C, [&](Index c) { return at.dbeta(c); }));
}

TEST(Formula, BatchNormDgamma) {
  for (const Norm& at : by_both<Norm>())
    expect_formula(at.gradients[1], each(at.C, [&](Index c) { return at.dgamma(c); }));
}

TEST(Formula, BatchNormDx) {
  for (const Norm& at : by_both<Norm>())
    expect_formula(
        at.gradients[0], each(at.n, at.C, [&](Index i, Index c) {
          return at.gamma()(c) * inv_std_of(at.x(), at.n, c) *
                 (at.g()(i, c) - at.dbeta(c) / at.size - xhat_of(at.x(), at.n, i, c) * at.dgamma(c) / at.size);
        }));
}

// Its three parts before they are put together, with dL/dvar and dL/dmean as they are first written: sums over pixels.
TEST(Formula, BatchNormDxThreeWays) {
  for (const Norm& at : by_both<Norm>())
    expect_formula(at.gradients[0], each(at.n, at.C, [&](Index i, Index c) {
                     const Tensor x = at.x(), g = at.g();
                     const double gamma = at.gamma()(c), n = at.size;
                     const double mean = mean_of(x, at.n, c), var = var_of(x, at.n, c);
                     const double inv_std = std::pow(var + eps, -0.5);
                     const double d_var = sum(at.n, [&](Index j) {
                       return gamma * g(j, c) * (x(j, c) - mean) * -0.5 * std::pow(var + eps, -1.5);
                     });
                     const double d_mean = sum(at.n, [&](Index j) { return gamma * g(j, c) * -inv_std; });
                     return gamma * g(i, c) * inv_std + d_var * (2 / n) * (x(i, c) - mean) + d_mean / n;
                   }));
}

// dL/dvar and dL/dmean in their short forms, as the derivation then puts them together.
TEST(Formula, BatchNormDvarDmean) {
  for (const Norm& at : by_both<Norm>())
    expect_formula(at.gradients[0], each(at.n, at.C, [&](Index i, Index c) {
                     const double gamma = at.gamma()(c), n = at.size, inv_std = inv_std_of(at.x(), at.n, c);
                     const double xhat = xhat_of(at.x(), at.n, i, c);
                     const double d_var = -0.5 * gamma * inv_std * inv_std * at.dgamma(c);
                     const double d_mean = -gamma * inv_std * at.dbeta(c);
                     return gamma * at.g()(i, c) * inv_std + d_var * (2 / n) * xhat / inv_std + d_mean / n;
                   }));
}

// Inference takes constants for mean and var.
struct InferenceNorm : Norm {
  Array eval_y, dx, dgamma_out, dbeta_out;

  explicit InferenceNorm(ConvMethod method) : Norm(method) {
    cpu::Device device(1, method);
    const auto x = upload<B>(device, x_in), gamma = upload<B>(device, gamma_in), beta = upload<B>(device, beta_in);
    const auto mean = upload<B>(device, running_mean_in), var = upload<B>(device, running_var_in);
    const auto dy = upload<B>(device, dy_in);
    auto out = poisoned<B>(device, n * C), d_x = poisoned<B>(device, n * C);
    auto d_gamma = poisoned<B>(device, C), d_beta = poisoned<B>(device, C);
    const BatchNormParameters<const double> parameters{gamma.data(), beta.data()};
    const RunningStatistics<const double> running{mean.data(), var.data()};
    batch_norm_inference_forward(device, values(out.data(), n, C), values(x.data(), n, C), parameters, running);
    cpu::Buffer<double> workspace(device, batch_norm_workspace(device, n, C));
    batch_norm_inference_backward(
        device, attnunet::gradients(d_x.data(), n, C), BatchNormParameters<double>{d_gamma.data(), d_beta.data()},
        attnunet::gradients(dy.data(), n, C), values(x.data(), n, C), parameters, running, workspace.data());
    eval_y = download<B>(device, "y", out), dx = download<B>(device, "dx", d_x);
    dgamma_out = download<B>(device, "dgamma", d_gamma), dbeta_out = download<B>(device, "dbeta", d_beta);
  }
  double inv_std_of(Index c) const { return std::pow(Tensor(running_var_in, C)(c) + eps, -0.5); }
  double xhat_of(Index i, Index c) const { return (x()(i, c) - Tensor(running_mean_in, C)(c)) * inv_std_of(c); }
};

TEST(Formula, BatchNormInferenceY) {
  for (const InferenceNorm& at : by_both<InferenceNorm>())
    expect_formula(at.eval_y,
                   each(at.n, at.C, [&](Index i, Index c) { return at.gamma()(c) * at.xhat_of(i, c) + at.beta()(c); }));
}

TEST(Formula, BatchNormInferenceDx) {
  for (const InferenceNorm& at : by_both<InferenceNorm>())
    expect_formula(at.dx,
                   each(at.n, at.C, [&](Index i, Index c) { return at.gamma()(c) * at.inv_std_of(c) * at.g()(i, c); }));
}

TEST(Formula, BatchNormInferenceDgamma) {
  for (const InferenceNorm& at : by_both<InferenceNorm>())
    expect_formula(at.dgamma_out, each(at.C, [&](Index c) {
                     return sum(at.n, [&](Index i) { return at.g()(i, c) * at.xhat_of(i, c); });
                   }));
}

TEST(Formula, BatchNormInferenceDbeta) {
  for (const InferenceNorm& at : by_both<InferenceNorm>())
    expect_formula(at.dbeta_out, each(at.C, [&](Index c) { return at.dbeta(c); }));
}

// Batch norm, ReLU and dropout in one. rate 0.2: s = 1 / (1 - rate) = 1.25 is exact in float32 too.
struct NormReluDropout : Norm {
  static constexpr double rate = 0.2, s = 1.25;
  DropoutKey key{7, 2, 5};
  Array out;

  explicit NormReluDropout(ConvMethod method) : Norm(method) {
    cpu::Device device(1, method);
    const auto layer = gradcheck::batch_norm_relu_dropout_case<B>(device, n, C, {rate, key}, 1);
    out = layer.forward({x_in, gamma_in, beta_in}).outputs[0];
    gradients = layer.backward({x_in, gamma_in, beta_in}, {dy_in});
  }
  double z(Index i, Index c) const { return gamma()(c) * xhat_of(x(), n, i, c) + beta()(c); }
  double m(Index i, Index c) const {
    const auto element = static_cast<std::uint32_t>(i * C + c);
    const std::uint32_t word = philox4x32({{element / 4, 0, key.layer, key.step}}, key.seed).word[element % 4];
    return word >= std::round(rate * 0x1p32) ? s : 0.0;
  }
  double g_of(Index i, Index c) const { return z(i, c) > 0 && m(i, c) > 0 ? s * g()(i, c) : 0.0; }
  double dbeta_of(Index c) const {
    return sum(n, [&](Index i) { return g_of(i, c); });
  }
  double dgamma_of(Index c) const {
    return sum(n, [&](Index i) { return g_of(i, c) * xhat_of(x(), n, i, c); });
  }
};

TEST(Formula, BatchNormReluDropoutY) {
  for (const NormReluDropout& at : by_both<NormReluDropout>())
    expect_formula(at.out, each(at.n, at.C, [&](Index i, Index c) { return std::max(at.z(i, c), 0.0) * at.m(i, c); }));
}

// y_i > 0 says where z_i > 0 and i is kept.
TEST(Formula, BatchNormReluDropoutMask) {
  for (const NormReluDropout& at : by_both<NormReluDropout>()) {
    const Tensor y(at.out, at.C), dy = at.g();
    for (Index i = 0; i < at.n; ++i)
      for (Index c = 0; c < at.C; ++c)
        EXPECT_EQ(y(i, c) <= 0 ? 0.0 : NormReluDropout::s * dy(i, c), at.g_of(i, c)) << i << ' ' << c;
  }
}

TEST(Formula, BatchNormReluDropoutDbeta) {
  for (const NormReluDropout& at : by_both<NormReluDropout>())
    expect_formula(at.gradients[2], each(at.C, [&](Index c) { return at.dbeta_of(c); }));
}

TEST(Formula, BatchNormReluDropoutDgamma) {
  for (const NormReluDropout& at : by_both<NormReluDropout>())
    expect_formula(at.gradients[1], each(at.C, [&](Index c) { return at.dgamma_of(c); }));
}

TEST(Formula, BatchNormReluDropoutDx) {
  for (const NormReluDropout& at : by_both<NormReluDropout>())
    expect_formula(
        at.gradients[0], each(at.n, at.C, [&](Index i, Index c) {
          return at.gamma()(c) * inv_std_of(at.x(), at.n, c) *
                 (at.g_of(i, c) - at.dbeta_of(c) / at.size - xhat_of(at.x(), at.n, i, c) * at.dgamma_of(c) / at.size);
        }));
}

// A convolution with the statistics of its output, then batch norm and ReLU.
struct ConvNorm {
  Conv2dGeometry g{2, 5, 3, 3, 4, 3};
  Index n = g.pixels();
  std::vector<Array> inputs, gradients;
  Array dy_in, y, mean, inv_std, running_mean, running_var;

  explicit ConvNorm(ConvMethod method) {
    cpu::Device device(1, method);
    const auto layer = gradcheck::conv2d_statistics_case<B>(device, g, 1);
    inputs = layer.inputs;
    Random random(2);
    dy_in = random_array("dy", n * g.K, random);
    gradients = layer.backward(inputs, {dy_in});
    const auto x = upload<B>(device, inputs[0]), w = upload<B>(device, inputs[1]);
    auto out = poisoned<B>(device, n * g.K), m = poisoned<B>(device, g.K), s = poisoned<B>(device, g.K);
    auto moved_mean = upload<B>(device, {"", {1, 2, 3, 4}}), moved_var = upload<B>(device, {"", {4, 3, 2, 1}});
    cpu::Buffer<double> workspace(device, conv2d_statistics_workspace(device, g));
    conv2d_statistics_forward(device, values(out.data(), n, g.K), BatchStatistics<double>{m.data(), s.data()},
                              RunningStatistics<double>{moved_mean.data(), moved_var.data()}, values(x.data(), n, g.C),
                              w.data(), workspace.data(), g);
    y = download<B>(device, "y", out), mean = download<B>(device, "mean", m);
    inv_std = download<B>(device, "inv_std", s), running_mean = download<B>(device, "running_mean", moved_mean);
    running_var = download<B>(device, "running_var", moved_var);
  }
  Tensor x() const { return {inputs[0], g.H, g.W, g.C}; }
  Tensor w() const { return {inputs[1], g.R, g.R, g.C}; }
  std::vector<double> convolution() const {
    return each(g.N, g.H, g.W, g.K, [&](Index n, Index h, Index column, Index k) {
      return sum(3, 3, g.C,
                 [&](Index r, Index s, Index c) { return w()(k, r, s, c) * x()(n, h + r - 1, column + s - 1, c); });
    });
  }
  // The whole dL/dy of the convolution's output y, the part through mean and var included.
  std::vector<double> d_convolution() const {
    const Array y_array{"y", convolution()};
    const Tensor y(y_array, g.K), gamma(inputs[2], g.K), beta(inputs[3], g.K), dy(dy_in, g.K);
    const auto g_of = [&](Index i, Index k) { return gamma(k) * xhat_of(y, n, i, k) + beta(k) > 0 ? dy(i, k) : 0.0; };
    const double count = static_cast<double>(n);
    return each(n, g.K, [&](Index i, Index k) {
      const double dbeta = sum(n, [&](Index j) { return g_of(j, k); });
      const double dgamma = sum(n, [&](Index j) { return g_of(j, k) * xhat_of(y, n, j, k); });
      return gamma(k) * inv_std_of(y, n, k) * (g_of(i, k) - dbeta / count - xhat_of(y, n, i, k) * dgamma / count);
    });
  }
};

TEST(Formula, Conv2dStatisticsY) {
  for (const ConvNorm& at : by_both<ConvNorm>()) expect_formula(at.y, at.convolution());
}

TEST(Formula, Conv2dStatisticsMean) {
  for (const ConvNorm& at : by_both<ConvNorm>()) {
    const Tensor y(at.y, at.g.K);
    expect_formula(at.mean, each(at.g.K, [&](Index k) { return mean_of(y, at.n, k); }));
    expect_formula(at.running_mean,
                   each(at.g.K, [&](Index k) { return 0.9 * static_cast<double>(1 + k) + 0.1 * mean_of(y, at.n, k); }));
  }
}

TEST(Formula, Conv2dStatisticsInvStd) {
  for (const ConvNorm& at : by_both<ConvNorm>()) {
    const Tensor y(at.y, at.g.K);
    const double n = static_cast<double>(at.n);
    expect_formula(at.inv_std, each(at.g.K, [&](Index k) { return inv_std_of(y, at.n, k); }));
    expect_formula(at.running_var, each(at.g.K, [&](Index k) {
                     return 0.9 * static_cast<double>(4 - k) + 0.1 * var_of(y, at.n, k) * n / (n - 1);
                   }));
  }
}

TEST(Formula, Conv2dStatisticsDx) {
  for (const ConvNorm& at : by_both<ConvNorm>()) {
    const Array d_array{"dL/dy", at.d_convolution()};
    const Tensor d(d_array, at.g.H, at.g.W, at.g.K);
    expect_formula(at.gradients[0], each(at.g.N, at.g.H, at.g.W, at.g.C, [&](Index n, Index i, Index j, Index c) {
                     return sum(at.g.K, 3, 3, [&](Index k, Index r, Index s) {
                       return at.w()(k, r, s, c) * d(n, i - r + 1, j - s + 1, k);
                     });
                   }));
  }
}

TEST(Formula, Conv2dStatisticsDw) {
  for (const ConvNorm& at : by_both<ConvNorm>()) {
    const Array d_array{"dL/dy", at.d_convolution()};
    const Tensor d(d_array, at.g.H, at.g.W, at.g.K);
    expect_formula(at.gradients[1], each(at.g.K, 3, 3, at.g.C, [&](Index k, Index r, Index s, Index c) {
                     return sum(at.g.N, at.g.H, at.g.W, [&](Index n, Index h, Index column) {
                       return d(n, h, column, k) * at.x()(n, h + r - 1, column + s - 1, c);
                     });
                   }));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
