#include "cpu/fold_batch_norm.h"

#include "common/nn/folded_convolutions.h"
#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace counting {

struct Device : cpu::Device {
  int folds = 0;
  Device() : cpu::Device(1) {}
};

// Wins over that of cpu::, which the base class makes visible.
void fold_batch_norm(Device& device, double* w, BatchNormParameters<double> parameters,
                     RunningStatistics<const double> running, Index K, Index n) {
  ++device.folds;
  fold_batch_norm(static_cast<cpu::Device&>(device), w, parameters, running, K, n);
}

struct Backend : Cpu<double> {
  using Device = counting::Device;
};

}  // namespace counting

namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::download;
using gradcheck::random_array;
using gradcheck::upload;

// A convolution and its batch norm: gamma of either sign, variances down to where eps matters.
struct Layer {
  Array x, w, gamma, beta, mean, var;

  Layer(const Conv2dGeometry& g, std::uint64_t seed) {
    Random random(seed);
    x = rounded_to_float(random_array("x", g.pixels() * g.C, random));
    w = rounded_to_float(random_array("w", g.weights(), random));
    gamma = rounded_to_float(random_array("gamma", g.K, random));
    beta = rounded_to_float(random_array("beta", g.K, random));
    mean = rounded_to_float(random_array("mean", g.K, random, 1.0, 3.0));
    var = mean;
    for (double& value : var.values) value = std::pow(10.0, random.uniform(-6, 2));
    var = rounded_to_float(var);
  }
  double scale(std::size_t k) const { return gamma.values[k] / std::sqrt(var.values[k] + 1e-5); }
};

const std::vector<Conv2dGeometry> shapes = {{2, 5, 7, 3, 4, 3},  {1, 3, 2, 1, 5, 3},   {1, 9, 6, 20, 33, 3},
                                            {1, 4, 3, 6, 1, 1},  {2, 3, 5, 40, 24, 1}, {1, 1, 1, 1, 1, 1},
                                            {1, 2, 3, 7, 300, 3}};

template <class B>
class FoldBatchNorm : public BackendTest<B> {
 protected:
  struct Folded {
    Array w, beta;
  };
  Folded fold(const Layer& layer, const Conv2dGeometry& g) {
    using T = typename B::Scalar;
    auto w = upload<B>(this->device, layer.w);
    auto gamma = upload<B>(this->device, layer.gamma), beta = upload<B>(this->device, layer.beta);
    const auto mean = upload<B>(this->device, layer.mean), var = upload<B>(this->device, layer.var);
    fold_batch_norm(this->device, w.data(), BatchNormParameters<T>{gamma.data(), beta.data()},
                    {mean.data(), var.data()}, g.K, g.weights() / g.K);
    return {download<B>(this->device, "w", w), download<B>(this->device, "beta", beta)};
  }
};
TYPED_TEST_SUITE(FoldBatchNorm, AllBackends);

// Each number is rounded once, after a few roundings in double.
TYPED_TEST(FoldBatchNorm, MatchesTheDefinition) {
  const double unit = sizeof(typename TypeParam::Scalar) == 8 ? 0x1p-51 : 0x1.01p-24;
  for (const Conv2dGeometry& g : shapes) {
    const Layer layer(g, 31);
    const auto folded = this->fold(layer, g);
    Array w = layer.w, beta = layer.beta;
    std::vector<double> w_bounds, beta_bounds;
    const std::size_t n = w.values.size() / beta.values.size();
    for (std::size_t i = 0; i < w.values.size(); ++i) {
      w.values[i] *= layer.scale(i / n);
      w_bounds.push_back(unit * std::abs(w.values[i]));
    }
    for (std::size_t k = 0; k < beta.values.size(); ++k) {
      const double shift = layer.scale(k) * layer.mean.values[k];
      beta.values[k] -= shift;
      beta_bounds.push_back(unit * std::abs(beta.values[k]) + 0x1p-51 * (std::abs(shift) + std::abs(beta.values[k])));
    }
    EXPECT_TRUE(close(folded.w, w, w_bounds));
    EXPECT_TRUE(close(folded.beta, beta, beta_bounds));
  }
}

// conv2d, batch norm with the running statistics and ReLU in turn are conv2d with the folded weights, bias and ReLU.
TYPED_TEST(FoldBatchNorm, IsConvolutionThenBatchNorm) {
  using T = typename TypeParam::Scalar;
  convolve_directly(this->device);
  auto& device = this->device;
  double tightest = 0;
  for (const Conv2dGeometry& g : shapes) {
    const Layer layer(g, 32);
    const auto x = upload<TypeParam>(device, layer.x), w = upload<TypeParam>(device, layer.w);
    const auto gamma = upload<TypeParam>(device, layer.gamma), beta = upload<TypeParam>(device, layer.beta);
    const auto mean = upload<TypeParam>(device, layer.mean), var = upload<TypeParam>(device, layer.var);
    auto workspace = gradcheck::poisoned<TypeParam>(device, conv2d_workspace(device, g));
    auto y = gradcheck::poisoned<TypeParam>(device, g.pixels() * g.K);
    const Values<T> y_values = values(y.data(), g.pixels(), g.K);
    const Values<const T> x_values = values(x.data(), g.pixels(), g.C);
    conv2d_forward(device, y_values, x_values, w.data(), {}, workspace.data(), g);
    batch_norm_inference_forward(device, y_values, y_values, {gamma.data(), beta.data()}, {mean.data(), var.data()});
    relu_forward(device, y_values, y_values);

    const auto folded = this->fold(layer, g);
    const auto folded_w = upload<TypeParam>(device, folded.w), bias = upload<TypeParam>(device, folded.beta);
    auto folded_y = gradcheck::poisoned<TypeParam>(device, y.size());
    conv2d_forward(device, values(folded_y.data(), g.pixels(), g.K), x_values, folded_w.data(),
                   {bias.data(), Write::set, Activation::relu}, workspace.data(), g);

    // Both are sums of the same terms, s_k w x, s_k mean and beta; either way within float_bound of the exact sum. (In
    // double the same with its unit roundoff.)
    const auto sizes_x = upload<TypeParam>(device, magnitudes(layer.x)),
               sizes_w = upload<TypeParam>(device, magnitudes(layer.w));
    auto terms = gradcheck::poisoned<TypeParam>(device, y.size());
    conv2d_forward(device, values(terms.data(), g.pixels(), g.K), values(sizes_x.data(), g.pixels(), g.C),
                   sizes_w.data(), {}, workspace.data(), g);
    const Array sums = download<TypeParam>(device, "sums", terms);
    std::vector<double> bounds;
    for (std::size_t i = 0; i < sums.values.size(); ++i) {
      const std::size_t k = i % static_cast<std::size_t>(g.K);
      const double sum =
          std::abs(layer.scale(k)) * (sums.values[i] + std::abs(layer.mean.values[k])) + std::abs(layer.beta.values[k]);
      bounds.push_back(2 * float_bound(sum, static_cast<double>(g.R * g.R * g.C + 6)) * (sizeof(T) == 8 ? 0x1p-29 : 1));
    }
    const Array expected = download<TypeParam>(device, "y", y), actual = download<TypeParam>(device, "y", folded_y);
    EXPECT_TRUE(close(actual, expected, bounds));
    tightest = std::max(tightest, tightness(actual, expected, bounds));
  }
  this->RecordProperty("tightness", std::to_string(tightest));
}

template <class B>
class FoldedConvolutions : public SmallNetworkTest<B> {};
TYPED_TEST_SUITE(FoldedConvolutions, DoubleBackends);

// Every tensor of the network but gammas and statistics, each once, folded as the definition says.
TYPED_TEST(FoldedConvolutions, AreThoseOfTheNetwork) {
  NetworkConfig config;
  config.variant = Variant::attention3;
  config.base = 2;
  const Architecture architecture = make_architecture(config);
  std::vector<double> parameters, statistics;
  initial_values(architecture, 3, parameters, statistics);
  Random random(4);
  for (double& value : parameters) value += random.uniform(0.1, 0.2);
  for (double& value : statistics) value += random.uniform(0, 1);
  AttentionUNet<TypeParam> network(this->device, architecture, false);
  network.load(parameters, statistics);
  const auto convolutions = folded_convolutions(network);

  ASSERT_EQ(convolutions.size(), 4u * 2 + 3 * (1 + 3 + 2) + 1);
  Index numbers = 0;
  for (const auto& convolution : convolutions) {
    SCOPED_TRACE(convolution.name);
    const TensorSpec& spec = architecture.parameter(convolution.name + ".weight");
    EXPECT_EQ(convolution.kind, spec.kind);
    EXPECT_EQ(convolution.shape, spec.shape);
    std::vector<double> weights(static_cast<std::size_t>(spec.size));
    to_pytorch_layout(spec, weights.data(), parameters.data() + spec.offset);
    std::string norm = convolution.name;  // conv1 -> bn1, wg -> bn_g, psi -> bn_psi
    const std::size_t last = norm.rfind('.') + 1;
    const std::string own = norm.substr(last);
    norm.replace(last, own.size(),
                 own == "psi"    ? "bn_psi"
                 : own[0] == 'w' ? "bn_" + own.substr(1)
                                 : "bn" + own.substr(own.size() - 1));
    const bool has_norm = own != "up" && own != "head";
    const auto at = [&](const std::vector<double>& flat, const TensorSpec& tensor, std::size_t k) {
      return flat[static_cast<std::size_t>(tensor.offset) + k];
    };
    const std::size_t K = convolution.bias.size(), n = weights.size() / K;
    ASSERT_EQ(K, static_cast<std::size_t>(spec.shape[spec.kind == TensorKind::conv_weight ? 0 : 1]));
    for (std::size_t k = 0; k < K; ++k) {
      double scale = 1, bias;
      if (has_norm) {
        scale = at(parameters, architecture.parameter(norm + ".weight"), k) /
                std::sqrt(at(statistics, architecture.statistic(norm + ".running_var"), k) + 1e-5);
        bias = at(parameters, architecture.parameter(norm + ".bias"), k) -
               scale * at(statistics, architecture.statistic(norm + ".running_mean"), k);
        for (std::size_t i = 0; i < n; ++i) weights[k * n + i] *= scale;
      } else {
        bias = at(parameters, architecture.parameter(convolution.name + ".bias"), k);
      }
      EXPECT_NEAR(convolution.bias[k], bias, 1e-14 * (1 + std::abs(bias)));
    }
    for (std::size_t i = 0; i < weights.size(); ++i)
      EXPECT_NEAR(convolution.weights.at(i), weights[i], 1e-14 * (1 + std::abs(weights[i])));
    numbers += static_cast<Index>(weights.size() + K);
  }
  Index gammas = 0;
  for (const TensorSpec& spec : architecture.parameters)
    if (spec.kind == TensorKind::gamma) gammas += spec.size;
  EXPECT_EQ(numbers, architecture.parameter_count() - gammas);
}

// Folding happens where parameters or statistics may have changed, and nowhere else.
TEST(FoldedParameters, StayCurrentWhileParametersAreOnlyRead) {
  counting::Device device;
  NetworkConfig config;
  config.variant = Variant::attention3;
  config.base = 2;
  const Architecture architecture = make_architecture(config);
  std::vector<double> parameters, statistics;
  initial_values(architecture, 3, parameters, statistics);
  AttentionUNet<counting::Backend> network(device, architecture, true);
  network.load(parameters, statistics);
  network.folded();
  const int all = device.folds;
  EXPECT_GT(all, 0);

  const AttentionUNet<counting::Backend>& reader = network;
  EXPECT_EQ(reader.parameters()[0], parameters[0]);
  EXPECT_EQ(reader.statistics()[0], statistics[0]);
  reader.gradients();
  network.parameters();  // not const, and yet a read
  network.folded();
  EXPECT_EQ(device.folds, all);

  *network.mutable_parameters() = 1;
  network.folded();
  EXPECT_EQ(device.folds, 2 * all);
}

}  // namespace TEST_FILE
}  // namespace attnunet
