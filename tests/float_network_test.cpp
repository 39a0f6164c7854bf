// The networks' forward in float32 against double. No bound in closed form is of use here: errors pass through batch
// norms, gates and kinks. The bound is derived by Monte Carlo arithmetic (Parker, Pierce and Eggert 2000): the double
// network runs several times with every layer's output perturbed at random by what float32 rounding may do to it
// (tests/support/tolerance.h, one standard deviation); the spread of the logits is then the expected float32 error.
//
// With tf32 and bf16 the operands of convolutions are rounded before they are multiplied, which outweighs all else:
// there the operands are perturbed, each by up to half a unit in its last place, anew wherever it is read. The error
// must have the spread's size, no less either: in float32 it would be a thousandth of it.
#include <cmath>

#include "cuda/conv2d_tensor_core.h"
#include "cuda/conv_transpose2d_tensor_core.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/layer_cases.h"

namespace attnunet {
namespace perturbed {

struct Device : cpu::Device {
  Random random;
  Precision precision;
  Device(std::uint64_t seed, Precision of_operands) : cpu::Device(1), random(seed), precision(of_operands) {}
  cpu::Device& base() { return *this; }
};

// What tensor cores make of an operand: 10 or 7 bits behind the point are kept.
double rounded(Device& device, double value, bool on_tensor_cores) {
  const double half_unit = !on_tensor_cores ? 0 : device.precision == Precision::tf32 ? 0x1p-11 : 0x1p-8;
  return half_unit > 0 ? value * (1 + half_unit * device.random.uniform(-1, 1)) : value;
}
std::vector<double> rounded(Device& device, const double* numbers, Index n, bool on_tensor_cores) {
  std::vector<double> result(numbers, numbers + n);
  for (double& value : result) value = rounded(device, value, on_tensor_cores);
  return result;
}

// One standard deviation of the rounding error of a sum of `length` terms.
double noise(Device& device, double sum_of_terms, double length) {
  return device.random.normal() * 0x1p-24 * std::sqrt(length + 2) * sum_of_terms;
}

std::vector<double> absolute(const double* numbers, Index n) {
  std::vector<double> result(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) result[static_cast<std::size_t>(i)] = std::abs(numbers[i]);
  return result;
}

// A dense copy.
std::vector<double> copied(Values<const double> x) {
  std::vector<double> result;
  for (Index p = 0; p < x.pixels; ++p)
    result.insert(result.end(), x.data + p * x.stride, x.data + p * x.stride + x.channels);
  return result;
}
double& element(Values<double> y, Index i) {
  return y.data[i / y.channels * y.stride + i % y.channels];
}

void conv2d_forward(Device& device, Values<double> y, Values<const double> x, const double* w,
                    const Epilogue<double>& epilogue, double* workspace, const Conv2dGeometry& g) {
  if (epilogue.write == Write::set) fill_zero(device.base(), y.data, y.size());
  const std::vector<double> dense_x = copied(x);
  const Index x_size = x.size();
  const auto terms_x = absolute(dense_x.data(), x_size), terms_w = absolute(w, g.weights());
  std::vector<double> terms = absolute(y.data, y.size());
  conv2d_forward(device.base(), values(terms.data(), y.pixels, y.channels),
                 values(terms_x.data(), x.pixels, x.channels), terms_w.data(), {nullptr, Write::add}, workspace, g);
  const bool low = cuda::tensor_core::on_tensor_cores(device.precision, g);
  const auto near_x = rounded(device, dense_x.data(), x_size, low), near_w = rounded(device, w, g.weights(), low);
  conv2d_forward(device.base(), y, values(near_x.data(), x.pixels, x.channels), near_w.data(),
                 {epilogue.bias, Write::add}, workspace, g);
  for (Index i = 0; i < y.size(); ++i)
    y.data[i] += noise(device, terms[static_cast<std::size_t>(i)], static_cast<double>(g.R * g.R * g.C));
  if (epilogue.activation == Activation::relu) relu_forward(device.base(), y, y);
}

// Rounded once: a uniform error of up to half a unit, here normal.
void fold_batch_norm(Device& device, double* w, BatchNormParameters<double> parameters,
                     RunningStatistics<const double> running, Index K, Index n) {
  fold_batch_norm(device.base(), w, parameters, running, K, n);
  for (Index i = 0; i < K * n; ++i) w[i] += noise(device, std::abs(w[i]), 0);
  for (Index k = 0; k < K; ++k) parameters.beta[k] += noise(device, std::abs(parameters.beta[k]), 0);
}

void conv_transpose2d_forward(Device& device, Values<double> y, Values<const double> x, const double* w,
                              const double* bias, double* workspace, const ConvTranspose2dGeometry& g) {
  const auto terms_x = absolute(x.data, x.size()), terms_w = absolute(w, g.weights());
  std::vector<double> terms(static_cast<std::size_t>(y.size()));
  const double* no_bias = nullptr;
  conv_transpose2d_forward(device.base(), values(terms.data(), y.pixels, y.channels),
                           values(terms_x.data(), x.pixels, x.channels), terms_w.data(), no_bias, workspace, g);
  const bool low = cuda::tensor_core::on_tensor_cores(device.precision, g);
  const auto near_x = rounded(device, x.data, x.size(), low), near_w = rounded(device, w, g.weights(), low);
  conv_transpose2d_forward(device.base(), y, values(near_x.data(), x.pixels, x.channels), near_w.data(), bias,
                           workspace, g);
  for (Index i = 0; i < y.size(); ++i)
    element(y, i) += noise(device, terms[static_cast<std::size_t>(i)], static_cast<double>(g.C));
}

// The statistics are those of the perturbed output.
void conv2d_statistics_forward(Device& device, Values<double> y, BatchStatistics<double> batch,
                               RunningStatistics<double> running, Values<const double> x, const double* w,
                               double* workspace, const Conv2dGeometry& g) {
  conv2d_forward(device, y, x, w, {}, workspace, g);
  batch_norm_statistics(device.base(), batch, running, y, workspace);
}

// y = (x - mean) scale + beta: four roundings of terms no larger than |y| + 2 |beta| + |mean| scale.
double batch_norm_noise(Device& device, double y, BatchStatistics<const double> batch,
                        BatchNormParameters<const double> p, Index c) {
  const double shift = std::abs(batch.mean[c] * batch.inv_std[c] * p.gamma[c]);
  return noise(device, std::abs(y) + 2 * std::abs(p.beta[c]) + shift, 2);
}

void batch_norm_forward(Device& device, Values<double> y, BatchStatistics<double> batch,
                        RunningStatistics<double> running, Values<const double> x, BatchNormParameters<const double> p,
                        double* workspace) {
  batch_norm_forward(device.base(), y, batch, running, x, p, workspace);
  for (Index i = 0; i < y.size(); ++i) y.data[i] += batch_norm_noise(device, y.data[i], batch, p, i % y.channels);
}

// Batch norm perturbed; ReLU and dropout, which add no rounding but the factor's, of that.
void batch_norm_relu_dropout_forward(Device& device, Values<double> y, Values<const double> x,
                                     BatchStatistics<const double> batch, BatchNormParameters<const double> p,
                                     const Dropout& dropout) {
  for (Index i = 0; i < y.size(); ++i) {
    const Index c = i % y.channels;
    const double z = (x.data[i] - batch.mean[c]) * batch.inv_std[c] * p.gamma[c] + p.beta[c];
    y.data[i] = z + batch_norm_noise(device, z, batch, p, c);
  }
  relu_forward(device.base(), y, y);
  if (dropout.rate > 0) dropout_forward(device.base(), y, y, dropout);
}

void sigmoid_forward(Device& device, Values<double> y, Values<const double> x) {
  sigmoid_forward(device.base(), y, x);
  for (Index i = 0; i < y.size(); ++i) y.data[i] += noise(device, y.data[i], 2);
}

void attention_multiply_forward(Device& device, Values<double> y, Values<const double> x, Values<const double> alpha) {
  attention_multiply_forward(device.base(), y, x, alpha);
  for (Index i = 0; i < y.size(); ++i) {
    double& value = element(y, i);
    value += noise(device, std::abs(value), 0);
  }
}

struct Backend : Cpu<double> {
  using Device = perturbed::Device;
};

}  // namespace perturbed

namespace TEST_FILE {

template <class B>
class FloatNetwork : public SmallNetworkTest<B> {
 protected:
  void check(typename B::Device& low_device, Variant variant, Index N, Index H, Index W,
             Precision precision = Precision::float32, bool training = true) {
    SCOPED_TRACE(name_of(precision));
    NetworkConfig config;
    config.variant = variant;
    config.base = 4;
    const Pass pass{training, 5, 3};
    auto low = gradcheck::attention_unet_case<B>(low_device, config, N, H, W, pass, 11);
    TestDevice<Cpu<double>> exact_device{1};
    const auto exact = gradcheck::attention_unet_case<Cpu<double>>(exact_device, config, N, H, W, pass, 11);
    perturbed::Device noisy_device(17, precision);
    const auto noisy = gradcheck::attention_unet_case<perturbed::Backend>(noisy_device, config, N, H, W, pass, 11);
    for (auto& input : low.inputs) input = rounded_to_float(input);

    const auto logits = exact.forward(low.inputs).outputs[0];
    constexpr int samples = 8;
    double spread = 0;
    for (int sample = 0; sample < samples; ++sample)
      spread += std::pow(difference(noisy.forward(low.inputs).outputs[0], logits), 2) / samples;
    spread = std::sqrt(spread);
    const auto actual = low.forward(low.inputs).outputs[0];
    const auto bounds = everywhere(logits, 8 * spread);
    EXPECT_TRUE(close(actual, logits, bounds));
    const gradcheck::Array zero{"", std::vector<double>(logits.values.size(), 0.0)};
    const double wide = precision == Precision::float32 ? 1e-4 : precision == Precision::tf32 ? 0.01 : 0.1;
    EXPECT_LT(spread, wide * difference(logits, zero)) << "a bound so wide would prove little";
    if (precision != Precision::float32) {
      EXPECT_GT(difference(actual, logits), spread / 4) << "nothing was rounded";
    }
    this->RecordProperty(std::string("tightness ") + name_of(precision),
                         std::to_string(tightness(actual, logits, bounds)));
  }

 private:
  /// Root mean square.
  static double difference(const gradcheck::Array& a, const gradcheck::Array& b) {
    double squares = 0;
    for (std::size_t i = 0; i < b.values.size(); ++i) squares += std::pow(a.values.at(i) - b.values[i], 2);
    return std::sqrt(squares / static_cast<double>(b.values.size()));
  }
};
TYPED_TEST_SUITE(FloatNetwork, FloatBackends);

TYPED_TEST(FloatNetwork, Attention3ForwardWithinRounding) {
  this->check(this->device, Variant::attention3, 2, 24, 32);
}
TYPED_TEST(FloatNetwork, Attention4ForwardWithinRounding) {
  this->check(this->device, Variant::attention4, 1, 37, 48);
}
TYPED_TEST(FloatNetwork, UNet3ForwardWithinRounding) {
  this->check(this->device, Variant::unet3, 2, 24, 32);
}

// In evaluation mode, with batch norms folded into the convolutions.
TYPED_TEST(FloatNetwork, InferenceWithinRounding) {
  this->check(this->device, Variant::attention3, 2, 24, 32, Precision::float32, false);
  this->check(this->device, Variant::attention4, 1, 37, 48, Precision::float32, false);
  this->check(this->device, Variant::unet3, 2, 24, 32, Precision::float32, false);
}

template <class B>
class LowPrecisionNetwork : public FloatNetwork<B> {};
TYPED_TEST_SUITE(LowPrecisionNetwork, CudaFloatBackends);

TYPED_TEST(LowPrecisionNetwork, ForwardWithinRounding) {
  for (const Precision precision : {Precision::tf32, Precision::bf16}) {
    typename TypeParam::Device low(precision);
    this->check(low, Variant::attention3, 2, 24, 32, precision);
    this->check(low, Variant::attention4, 1, 37, 48, precision);
    this->check(low, Variant::attention3, 2, 24, 32, precision, false);
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
