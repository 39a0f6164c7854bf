#include "cpu/conv2d.h"

#include <cstring>
#include <tuple>

#include "cpu/relu.h"
#include "cuda/conv2d.h"
#include "cuda/relu.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/columns.h"
#include "support/conv_methods.h"
#include "support/expect.h"
#include "support/layer_cases.h"
#include "support/linear.h"
#include "support/reference.h"
#include "support/winograd.h"

namespace attnunet {
namespace TEST_FILE {

using CpuFastMethodsOfBoth = Joined<CpuFastMethods<float>, CpuFastMethods<double>>::type;
using Doubles = Joined<DoubleBackends, CpuMethods<double>>::type;
using All = Joined<AllBackendsAndFloatReference, CpuFastMethodsOfBoth>::type;

using gradcheck::Array;
using gradcheck::random_array;
using reference::zeros;

template <class B>
constexpr bool on_cpu = std::is_same<typename B::Device, cpu::Device>::value;

// Of the sum of |terms|: in float32 as derived, in double the same with its unit roundoff.
template <class T>
std::vector<double> bounds_of(const Array& sums_of_magnitudes, Index length) {
  std::vector<double> result;
  for (double sum : sums_of_magnitudes.values)
    result.push_back(float_bound(sum, static_cast<double>(length)) * (sizeof(T) == 8 ? 0x1p-29 : 1));
  return result;
}

template <class Device>
bool by_winograd(const Device& device, const Conv2dGeometry& g) {
  if constexpr (std::is_base_of<cpu::Device, Device>::value)
    return cpu::conv2d_method(device, g) == ConvMethod::winograd;
  else
    return false;
}

// What rounding may do to each result: the magnitudes of the terms and how often each is rounded.
struct Terms {
  Array magnitudes;
  Index length;
  template <class T>
  std::vector<double> bounds() const {
    return bounds_of<T>(magnitudes, length);
  }
};

template <class Device>
Terms forward_terms(const Device& device, const Conv2dGeometry& g, const Array& x, const Array& w, const Array& b) {
  if (by_winograd(device, g))
    return {{"y", winograd::forward_terms(g, x.values, w.values, b.values)}, g.C + winograd_roundings + 1};
  return {reference::conv2d_forward(g, magnitudes(x), magnitudes(w), magnitudes(b)), g.R * g.R * g.C + 1};
}

struct GradientTerms {
  Terms dx, dw, db;
};

template <class Device>
GradientTerms backward_terms(const Device& device, const Conv2dGeometry& g, const Array& x, const Array& w,
                             const Array& dy) {
  const reference::ConvGradients sums = reference::conv2d_backward(g, magnitudes(x), magnitudes(w), magnitudes(dy));
  GradientTerms terms{{sums.dx, g.R * g.R * g.K}, {sums.dw, g.pixels()}, {sums.db, g.pixels()}};
  if (by_winograd(device, g)) {
    terms.dx = {{"dx", winograd::backward_data_terms(g, dy.values, w.values)}, g.K + winograd_roundings};
    terms.dw = {{"dw", winograd::backward_weights_terms(g, dy.values, x.values)},
                winograd::Tiles(g).count + winograd_roundings};
  }
  return terms;
}

// Of dx added to what was there.
template <class T>
std::vector<double> added_bounds(Terms dx, const Array& before) {
  for (std::size_t i = 0; i < before.values.size(); ++i) dx.magnitudes.values[i] += std::abs(before.values[i]);
  return bounds_of<T>(dx.magnitudes, dx.length + 1);
}

struct Data {
  Data(const Conv2dGeometry& g, std::uint64_t seed) : random(seed) {
    x = rounded_to_float(random_array("x", g.pixels() * g.C, random));
    w = rounded_to_float(random_array("w", g.weights(), random));
    b = rounded_to_float(random_array("b", g.K, random));
    dy = rounded_to_float(random_array("dy", g.pixels() * g.K, random));
    before = rounded_to_float(random_array("before", g.pixels() * g.C, random));
  }
  Random random;
  Array x, w, b, dy, before;
};

std::string text(const Conv2dGeometry& g) {
  std::string result;
  for (Index n : {g.N, g.H, g.W, g.C, g.K, g.R}) result += std::to_string(n) + " ";
  return result;
}

// {N, H, W, C, K, R}
const std::vector<Conv2dGeometry> small = {
    {2, 5, 7, 3, 4, 3}, {1, 1, 1, 1, 1, 3}, {1, 1, 6, 2, 3, 3}, {3, 4, 1, 9, 2, 3}, {1, 2, 2, 8, 1, 3},
    {2, 2, 1, 1, 5, 3}, {1, 3, 5, 9, 8, 3}, {1, 6, 3, 1, 2, 3}, {2, 3, 2, 2, 9, 3}, {2, 3, 5, 4, 7, 1},
    {1, 1, 1, 1, 1, 1}, {3, 2, 3, 5, 1, 1}, {1, 4, 3, 1, 6, 1}};

// Several tiles an image, the last one short; several partial sums; channels in slices; beyond one packed panel.
const std::vector<Conv2dGeometry> large = {{2, 37, 41, 8, 9, 3},   {1, 61, 65, 1, 32, 3},   {1, 3, 515, 9, 8, 3},
                                           {1, 2, 1100, 8, 3, 3},  {1, 35, 33, 16, 130, 3}, {2, 16, 16, 40, 257, 3},
                                           {1, 4, 4, 200, 300, 3}, {1, 67, 129, 8, 16, 3},  {3, 2, 2, 600, 16, 3},
                                           {1, 9, 70, 2, 3, 3},    {1, 31, 65, 32, 1, 1},   {2, 33, 40, 16, 33, 1},
                                           {1, 130, 128, 8, 4, 1}, {1, 4, 5, 700, 600, 1},  {1, 40, 40, 1, 9, 1}};

// Several blocks of threads and partial sums, whose ends lie within a row; channels and taps beyond one tile of the
// tuned kernels in each direction, with ragged ends. The simulator runs them too, so they are no larger than that.
const std::vector<Conv2dGeometry> large_for_cuda = {
    {2, 37, 41, 8, 9, 3},  {1, 61, 65, 1, 32, 3}, {1, 3, 515, 9, 8, 3},   {1, 17, 19, 16, 130, 3},
    {2, 6, 7, 40, 257, 3}, {1, 4, 4, 72, 136, 3}, {1, 33, 67, 8, 16, 3},  {3, 2, 2, 300, 16, 3},
    {1, 9, 70, 2, 3, 3},   {1, 31, 65, 32, 1, 1}, {2, 33, 40, 16, 33, 1}, {1, 4, 5, 300, 200, 1},
    {1, 40, 40, 1, 9, 1}};

template <class B>
std::vector<Conv2dGeometry> all_shapes() {
  std::vector<Conv2dGeometry> all = small;
  const auto& more = on_cpu<B> ? large : large_for_cuda;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

template <class B>
class Conv2dGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(Conv2dGradient, Doubles);

TYPED_TEST(Conv2dGradient, MatchesNumeric) {
  for (const Conv2dGeometry& g : small)
    for (bool bias : {false, true}) expect_gradients(gradcheck::conv2d_case<Code<TypeParam>>(this->device, g, bias, 7));
}

TYPED_TEST(Conv2dGradient, MatchesNumericAcrossTiles) {
  for (const Conv2dGeometry& g : {Conv2dGeometry{1, 2, 400, 1, 1, 3}, {1, 1, 520, 1, 1, 1}})
    expect_gradients(gradcheck::conv2d_case<Code<TypeParam>>(this->device, g, true, 3));
}

template <class B>
class Conv2d : public BackendTest<B> {};
TYPED_TEST_SUITE(Conv2d, All);

TYPED_TEST(Conv2d, MatchesTheDefinition) {
  using T = typename TypeParam::Scalar;
  double tightest = 0;
  for (const Conv2dGeometry& g : all_shapes<TypeParam>()) {
    SCOPED_TRACE(text(g));
    const Data d(g, 11);
    const auto layer = gradcheck::conv2d_case<Code<TypeParam>>(this->device, g, true, 1);
    const Array y = layer.forward({d.x, d.w, d.b}).outputs[0];
    const Array expected = reference::conv2d_forward(g, d.x, d.w, d.b);
    const auto bound = forward_terms(this->device, g, d.x, d.w, d.b).template bounds<T>();
    EXPECT_TRUE(close(y, expected, bound));
    tightest = std::max(tightest, tightness(y, expected, bound));

    const std::vector<Array> gradients = layer.backward({d.x, d.w, d.b}, {d.dy});
    const reference::ConvGradients expected_gradients = reference::conv2d_backward(g, d.x, d.w, d.dy);
    const GradientTerms terms = backward_terms(this->device, g, d.x, d.w, d.dy);
    EXPECT_TRUE(close(gradients[0], expected_gradients.dx, terms.dx.template bounds<T>()));
    EXPECT_TRUE(close(gradients[1], expected_gradients.dw, terms.dw.template bounds<T>()));
    EXPECT_TRUE(close(gradients[2], expected_gradients.db, terms.db.template bounds<T>()));
  }
  this->RecordProperty("tightness", std::to_string(tightest));
}

TYPED_TEST(Conv2d, WorksWithoutBias) {
  using T = typename TypeParam::Scalar;
  for (const Conv2dGeometry& g : small) {
    SCOPED_TRACE(text(g));
    const Data d(g, 12);
    const auto layer = gradcheck::conv2d_case<Code<TypeParam>>(this->device, g, false, 1);
    const Array none = zeros("b", g.K);
    EXPECT_TRUE(close(layer.forward({d.x, d.w}).outputs[0], reference::conv2d_forward(g, d.x, d.w, none),
                      forward_terms(this->device, g, d.x, d.w, none).template bounds<T>()));
  }
}

TYPED_TEST(Conv2d, BackwardDataAdds) {
  using T = typename TypeParam::Scalar;
  for (const Conv2dGeometry& g : all_shapes<TypeParam>()) {
    SCOPED_TRACE(text(g));
    const Data d(g, 13);
    const auto w = gradcheck::upload<Code<TypeParam>>(this->device, d.w);
    const auto dy = gradcheck::upload<Code<TypeParam>>(this->device, d.dy);
    auto dx = gradcheck::upload<Code<TypeParam>>(this->device, d.before);
    auto workspace = gradcheck::poisoned<Code<TypeParam>>(this->device, conv2d_workspace(this->device, g));
    conv2d_backward_data(this->device, gradients(dx.data(), g.pixels(), g.C), gradients(dy.data(), g.pixels(), g.K),
                         w.data(), workspace.data(), g, Write::add);
    Array expected = reference::conv2d_backward(g, d.x, d.w, d.dy).dx;
    for (std::size_t i = 0; i < expected.values.size(); ++i) expected.values[i] += d.before.values[i];
    EXPECT_TRUE(close(gradcheck::download<Code<TypeParam>>(this->device, "dx", dx), expected,
                      added_bounds<T>(backward_terms(this->device, g, d.x, d.w, d.dy).dx, d.before)));
  }
}

// With ReLU: the bits of the convolution and then relu_forward. Added to what was there, with ReLU behind that.
TYPED_TEST(Conv2d, ActivatesAndAddsAsItWrites) {
  using T = typename TypeParam::Scalar;
  auto& device = this->device;
  bool bias = false;
  for (const Conv2dGeometry& g : all_shapes<TypeParam>()) {
    SCOPED_TRACE(text(g));
    bias = !bias;
    Data d(g, 18);
    if (!bias) d.b = zeros("b", g.K);
    const Index n = g.pixels() * g.K;
    const auto x = gradcheck::upload<Code<TypeParam>>(device, d.x), w = gradcheck::upload<Code<TypeParam>>(device, d.w);
    const auto b = gradcheck::upload<Code<TypeParam>>(device, d.b);
    auto workspace = gradcheck::poisoned<Code<TypeParam>>(device, conv2d_workspace(device, g));
    const auto run = [&](Write write, Activation activation, bool then_relu) {
      auto y = write == Write::add ? gradcheck::upload<Code<TypeParam>>(device, d.dy)
                                   : gradcheck::poisoned<Code<TypeParam>>(device, n);
      const Values<T> y_values = values(y.data(), g.pixels(), g.K);
      conv2d_forward(device, y_values, values(x.data(), g.pixels(), g.C), w.data(),
                     {bias ? b.data() : nullptr, write, activation}, workspace.data(), g);
      if (then_relu) relu_forward(device, y_values, y_values);
      return gradcheck::download<Code<TypeParam>>(device, "y", y);
    };
    for (const Write write : {Write::set, Write::add}) {
      const Array fused = run(write, Activation::relu, false);
      EXPECT_EQ(fused.values, run(write, Activation::none, true).values);
      if (n >= 50) {
        EXPECT_NE(fused.values, run(write, Activation::none, false).values);
      }
    }
    Array expected = reference::conv2d_forward(g, d.x, d.w, d.b);
    Terms terms = forward_terms(device, g, d.x, d.w, d.b);
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
      expected.values[i] += d.dy.values[i];
      terms.magnitudes.values[i] += std::abs(d.dy.values[i]);
    }
    ++terms.length;
    EXPECT_TRUE(close(run(Write::add, Activation::none, false), expected, terms.template bounds<T>()));
  }
}

// All tensors as columns of wider ones: the second half of their pixels, or some in the middle.
TYPED_TEST(Conv2d, WorksOnColumnsOfAWiderTensor) {
  using T = typename TypeParam::Scalar;
  bool half = false;
  auto shapes = small;
  shapes.insert(shapes.end(), {{2, 37, 41, 8, 9, 3},
                               {1, 35, 33, 16, 130, 3},
                               {1, 61, 65, 1, 3, 3},
                               {1, 3, 515, 9, 8, 3},
                               {2, 33, 40, 16, 33, 1},
                               {1, 40, 40, 1, 9, 1},
                               {1, 4, 5, 300, 200, 1}});
  for (const Conv2dGeometry& g : shapes) {
    half = !half;
    const Columns of_x = half ? Columns{g.C, g.C, 2 * g.C} : Columns{1, g.C, g.C + 3};
    const Columns of_y = half ? Columns{2, g.K, g.K + 5} : Columns{g.K, g.K, 2 * g.K};
    SCOPED_TRACE(text(g));
    const Data d(g, 16);
    auto& device = this->device;
    const auto x = gradcheck::upload<Code<TypeParam>>(device, widened(d.x, of_x));
    const auto w = gradcheck::upload<Code<TypeParam>>(device, d.w);
    const auto b = gradcheck::upload<Code<TypeParam>>(device, d.b);
    const auto dy = gradcheck::upload<Code<TypeParam>>(device, widened(d.dy, of_y));
    const auto x_values = values(x.data(), g.pixels(), of_x);
    const auto dy_gradients = gradients(dy.data(), g.pixels(), of_y);
    auto workspace = gradcheck::poisoned<Code<TypeParam>>(device, conv2d_workspace(device, g));

    auto y = gradcheck::upload<Code<TypeParam>>(device, widened_nan(g.pixels(), of_y));
    conv2d_forward(device, values(y.data(), g.pixels(), of_y), x_values, w.data(), {b.data()}, workspace.data(), g);
    EXPECT_TRUE(close(narrowed(gradcheck::download<Code<TypeParam>>(device, "y", y), of_y),
                      reference::conv2d_forward(g, d.x, d.w, d.b),
                      forward_terms(device, g, d.x, d.w, d.b).template bounds<T>()));

    const reference::ConvGradients expected_gradients = reference::conv2d_backward(g, d.x, d.w, d.dy);
    const GradientTerms terms = backward_terms(device, g, d.x, d.w, d.dy);
    auto dw = gradcheck::poisoned<Code<TypeParam>>(device, w.size());
    auto db = gradcheck::poisoned<Code<TypeParam>>(device, g.K);
    conv2d_backward_weights(device, dw.data(), db.data(), dy_gradients, x_values, workspace.data(), g);
    EXPECT_TRUE(close(gradcheck::download<Code<TypeParam>>(device, "dw", dw), expected_gradients.dw,
                      terms.dw.template bounds<T>()));
    EXPECT_TRUE(close(gradcheck::download<Code<TypeParam>>(device, "db", db), expected_gradients.db,
                      terms.db.template bounds<T>()));

    auto dx = gradcheck::upload<Code<TypeParam>>(device, widened_nan(g.pixels(), of_x));
    conv2d_backward_data(device, gradients(dx.data(), g.pixels(), of_x), dy_gradients, w.data(), workspace.data(), g,
                         Write::set);
    EXPECT_TRUE(close(narrowed(gradcheck::download<Code<TypeParam>>(device, "dx", dx), of_x), expected_gradients.dx,
                      terms.dx.template bounds<T>()));

    dx = gradcheck::upload<Code<TypeParam>>(device, widened(d.before, of_x));
    conv2d_backward_data(device, gradients(dx.data(), g.pixels(), of_x), dy_gradients, w.data(), workspace.data(), g,
                         Write::add);
    Array expected = expected_gradients.dx;
    for (std::size_t i = 0; i < expected.values.size(); ++i) expected.values[i] += d.before.values[i];
    EXPECT_TRUE(close(narrowed(gradcheck::download<Code<TypeParam>>(device, "dx added", dx), of_x), expected,
                      added_bounds<T>(terms.dx, d.before)));
  }
}

// Tensors that do not have the geometry's shape are refused before anything is read.
TYPED_TEST(Conv2d, RefusesOtherShapes) {
  using T = typename TypeParam::Scalar;
  const Conv2dGeometry g{1, 2, 3, 4, 5, 3};
  T* none = nullptr;
  const Values<T> x = values(none, g.pixels(), g.C), y = values(none, g.pixels(), g.K);
  const Gradients<T> dx = gradients(none, g.pixels(), g.C), dy = gradients(none, g.pixels(), g.K);
  auto& device = this->device;
  EXPECT_THROW(conv2d_forward(device, x, x, none, {}, none, g), std::logic_error);
  EXPECT_THROW(conv2d_forward(device, y, y, none, {}, none, g), std::logic_error);
  EXPECT_THROW(conv2d_forward(device, y, values(none, g.pixels() + 1, g.C), none, {}, none, g), std::logic_error);
  EXPECT_THROW(conv2d_backward_data(device, dy, dy, none, none, g, Write::set), std::logic_error);
  EXPECT_THROW(conv2d_backward_data(device, dx, dx, none, none, g, Write::set), std::logic_error);
  EXPECT_THROW(conv2d_backward_weights(device, none, none, dx, x, none, g), std::logic_error);
  EXPECT_THROW(conv2d_backward_weights(device, none, none, dy, y, none, g), std::logic_error);
}

template <class B>
class Conv2dAdjoint : public BackendTest<B> {};
TYPED_TEST_SUITE(Conv2dAdjoint, Doubles);

// <A x, y> = <x, A' y>, for the map from x and for the map from w, at shapes of the network.
TYPED_TEST(Conv2dAdjoint, HoldsForDataAndWeights) {
  const std::vector<Conv2dGeometry> for_cpu = {
      {2, 64, 64, 16, 24, 3}, {1, 256, 256, 1, 8, 3}, {2, 16, 16, 128, 256, 3}, {1, 100, 256, 8, 1, 1}};
  const std::vector<Conv2dGeometry> for_cuda = {
      {2, 32, 32, 16, 24, 3}, {1, 128, 128, 1, 8, 3}, {2, 8, 8, 64, 128, 3}, {1, 50, 128, 8, 1, 1}};
  for (const Conv2dGeometry& g : on_cpu<TypeParam> ? for_cpu : for_cuda) {
    SCOPED_TRACE(text(g));
    const Data d(g, 14);
    const auto layer = gradcheck::conv2d_case<Code<TypeParam>>(this->device, g, false, 1);
    const Array y = layer.forward({d.x, d.w}).outputs[0];
    const std::vector<Array> gradients = layer.backward({d.x, d.w}, {d.dy});
    const double left = dot(y, d.dy), gate = 1e-12 * std::sqrt(dot(y, y) * dot(d.dy, d.dy));
    EXPECT_LE(std::abs(left - dot(d.x, gradients[0])), gate);
    EXPECT_LE(std::abs(left - dot(d.w, gradients[1])), gate);
  }
}

template <class B>
class Conv2dAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(Conv2dAgainstCpu, CudaBackends);

TYPED_TEST(Conv2dAgainstCpu, CloseAndTheSameBitsTwice) {
  using T = typename TypeParam::Scalar;
  cpu::Device cpu(1, ConvMethod::reference);
  for (const Conv2dGeometry& g : all_shapes<TypeParam>()) {
    SCOPED_TRACE(text(g));
    const auto cpu_case = gradcheck::conv2d_case<CpuLike<TypeParam>>(cpu, g, true, 2);
    const auto layer = gradcheck::conv2d_case<Code<TypeParam>>(this->device, g, true, 2);
    const BothPasses expected = both_passes(cpu_case), actual = both_passes(layer), again = both_passes(layer);
    std::vector<Array> sizes;
    for (const Array& input : expected.inputs) sizes.push_back(magnitudes(input));
    std::vector<Array> sums = cpu_case.backward(sizes, {magnitudes(expected.upstream)});
    sums.push_back(cpu_case.forward(sizes).outputs[0]);
    const auto compare = [&](const Array& one, const Array& same, const Array& other, const Array& terms,
                             Index length) {
      EXPECT_TRUE(one.values == same.values) << one.name << ": different bits";
      std::vector<double> bound;
      for (const double sum : terms.values) bound.push_back(bound_between<T>(sum, static_cast<double>(length)));
      EXPECT_TRUE(close(one, other, bound));
    };
    const Index taps = g.R * g.R, lengths[] = {taps * g.K, g.pixels(), g.pixels()};
    for (std::size_t i = 0; i < 3; ++i)
      compare(actual.gradients[i], again.gradients[i], expected.gradients[i], sums[i], lengths[i]);
    compare(actual.forward.outputs[0], again.forward.outputs[0], expected.forward.outputs[0], sums[3], taps * g.C + 1);
  }
}

template <class B>
class Conv2dPlain : public BackendTest<B> {};
TYPED_TEST_SUITE(Conv2dPlain, CudaFloatBackends);

// float runs the tuned kernels: here are the plain ones, which nothing else runs in float, beside them.
TYPED_TEST(Conv2dPlain, AgreesWithTheTuned) {
  using B = TypeParam;
  auto& device = this->device;
  for (const Conv2dGeometry& g : all_shapes<B>()) {
    SCOPED_TRACE(text(g));
    const Data d(g, 17);
    const auto x = gradcheck::upload<Code<B>>(device, d.x), w = gradcheck::upload<Code<B>>(device, d.w);
    const auto b = gradcheck::upload<Code<B>>(device, d.b), dy = gradcheck::upload<Code<B>>(device, d.dy);
    const auto x_values = values(x.data(), g.pixels(), g.C);
    const auto dy_gradients = gradients(dy.data(), g.pixels(), g.K);
    const auto run = [&](const auto& forward, const auto& data, const auto& weights, Index workspace_size) {
      auto workspace = gradcheck::poisoned<Code<B>>(device, workspace_size);
      auto y = gradcheck::poisoned<Code<B>>(device, dy.size()), dx = gradcheck::poisoned<Code<B>>(device, x.size());
      auto activated = gradcheck::upload<Code<B>>(device, d.dy);
      auto added = gradcheck::upload<Code<B>>(device, d.before);
      auto dw = gradcheck::poisoned<Code<B>>(device, w.size()), db = gradcheck::poisoned<Code<B>>(device, g.K);
      forward(y.data(), workspace.data(), Write::set, Activation::none);
      forward(activated.data(), workspace.data(), Write::add, Activation::relu);
      data(dx.data(), workspace.data(), Write::set);
      data(added.data(), workspace.data(), Write::add);
      weights(dw.data(), db.data(), workspace.data());
      std::vector<Array> results;
      for (const auto* buffer : {&y, &activated, &dx, &added, &dw, &db})
        results.push_back(gradcheck::download<Code<B>>(device, "", *buffer));
      return results;
    };
    const auto tuned = run(
        [&](float* y, float* workspace, Write write, Activation activation) {
          conv2d_forward(device, values(y, g.pixels(), g.K), x_values, w.data(), {b.data(), write, activation},
                         workspace, g);
        },
        [&](float* dx, float* workspace, Write write) {
          conv2d_backward_data(device, gradients(dx, g.pixels(), g.C), dy_gradients, w.data(), workspace, g, write);
        },
        [&](float* dw, float* db, float* workspace) {
          conv2d_backward_weights(device, dw, db, dy_gradients, x_values, workspace, g);
        },
        conv2d_workspace(device, g));
    const auto plain = run(
        [&](float* y, float* workspace, Write write, Activation activation) {
          cuda::plain::conv2d_forward(device, values(y, g.pixels(), g.K), x_values, w.data(),
                                      {b.data(), write, activation}, workspace, g);
        },
        [&](float* dx, float* workspace, Write write) {
          cuda::plain::conv2d_backward_data(device, gradients(dx, g.pixels(), g.C), dy_gradients, w.data(), workspace,
                                            g, write);
        },
        [&](float* dw, float* db, float* workspace) {
          cuda::plain::conv2d_backward_weights(device, dw, db, dy_gradients, x_values, workspace, g);
        },
        cuda::plain::conv2d_workspace(device, g));
    const reference::ConvGradients sums =
        reference::conv2d_backward(g, magnitudes(d.x), magnitudes(d.w), magnitudes(d.dy));
    Array of_added = sums.dx;
    for (std::size_t i = 0; i < of_added.values.size(); ++i) of_added.values[i] += std::abs(d.before.values[i]);
    const Array of_y = reference::conv2d_forward(g, magnitudes(d.x), magnitudes(d.w), magnitudes(d.b));
    Array of_activated = of_y;
    for (std::size_t i = 0; i < of_y.values.size(); ++i) of_activated.values[i] += std::abs(d.dy.values[i]);
    const Array terms[] = {of_y, of_activated, sums.dx, of_added, sums.dw, sums.db};
    const Index lengths[] = {g.R * g.R * g.C + 1, g.R * g.R * g.C + 2, g.R * g.R * g.K + 1,
                             g.R * g.R * g.K + 1, g.pixels(),          g.pixels()};
    for (std::size_t i = 0; i < tuned.size(); ++i) {
      std::vector<double> bound;
      for (const double sum : terms[i].values)
        bound.push_back(bound_between<float>(sum, static_cast<double>(lengths[i])));
      EXPECT_TRUE(close(plain[i], tuned[i], bound)) << i;
    }
  }
}

template <class B>
class Conv2dThreads : public ::testing::Test {};
TYPED_TEST_SUITE(Conv2dThreads, CpuFastMethodsOfBoth);

// Bits do not depend on the number of threads.
TYPED_TEST(Conv2dThreads, GiveTheSameBits) {
  for (const Conv2dGeometry& g : all_shapes<TypeParam>()) {
    SCOPED_TRACE(text(g));
    const Data d(g, 15);
    std::vector<std::vector<Array>> results;
    for (int threads : {1, 2, 3}) {
      TestDevice<TypeParam> device(threads);
      const auto layer = gradcheck::conv2d_case<Code<TypeParam>>(device, g, true, 1);
      results.push_back(layer.backward({d.x, d.w, d.b}, {d.dy}));
      results.back().push_back(layer.forward({d.x, d.w, d.b}).outputs[0]);
    }
    for (std::size_t t = 1; t < results.size(); ++t)
      for (std::size_t i = 0; i < results[0].size(); ++i)
        EXPECT_EQ(std::memcmp(results[t][i].values.data(), results[0][i].values.data(),
                              results[0][i].values.size() * sizeof(double)),
                  0)
            << results[0][i].name << ", " << t + 1 << " threads";
  }
}

// Left to choose: by the channels in and out; Winograd's algorithm knows no 1x1 kernels.
TEST(Conv2dMethod, FollowsTheDeviceAndTheShape) {
  const cpu::Device by_itself(1), direct(1, ConvMethod::direct), gemm(1, ConvMethod::gemm);
  const cpu::Device winograd(1, ConvMethod::winograd), reference(1, ConvMethod::reference);
  EXPECT_EQ(cpu::conv2d_method(by_itself, {1, 8, 8, 16, 16, 3}), ConvMethod::winograd);
  EXPECT_EQ(cpu::conv2d_method(by_itself, {1, 8, 8, 15, 16, 3}), ConvMethod::direct);
  EXPECT_EQ(cpu::conv2d_method(by_itself, {1, 8, 8, 16, 15, 3}), ConvMethod::direct);
  EXPECT_EQ(cpu::conv2d_method(by_itself, {1, 8, 8, 1, 4, 3}), ConvMethod::direct);
  EXPECT_EQ(cpu::conv2d_method(by_itself, {1, 8, 8, 16, 3, 3}), ConvMethod::gemm);
  EXPECT_EQ(cpu::conv2d_method(by_itself, {1, 8, 8, 16, 16, 1}), ConvMethod::direct);
  EXPECT_EQ(cpu::conv2d_method(by_itself, {1, 8, 8, 16, 1, 1}), ConvMethod::gemm);
  EXPECT_EQ(cpu::conv2d_method(direct, {1, 8, 8, 16, 16, 3}), ConvMethod::direct);
  EXPECT_EQ(cpu::conv2d_method(direct, {1, 8, 8, 16, 1, 1}), ConvMethod::direct);
  EXPECT_EQ(cpu::conv2d_method(gemm, {1, 8, 8, 16, 16, 1}), ConvMethod::gemm);
  EXPECT_EQ(cpu::conv2d_method(winograd, {1, 8, 8, 16, 16, 1}), ConvMethod::direct);
  EXPECT_EQ(cpu::conv2d_method(reference, {1, 8, 8, 16, 16, 3}), ConvMethod::reference);
  EXPECT_EQ(cpu::conv2d_method(reference, {1, 8, 8, 16, 16, 1}), ConvMethod::reference);
}

}  // namespace TEST_FILE
}  // namespace attnunet
