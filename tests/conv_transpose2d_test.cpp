#include "cpu/conv_transpose2d.h"

#include <cstring>
#include <tuple>

#include "cuda/conv_transpose2d.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/columns.h"
#include "support/conv_methods.h"
#include "support/expect.h"
#include "support/layer_cases.h"
#include "support/linear.h"
#include "support/reference.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::random_array;
using reference::zeros;

template <class B>
constexpr bool on_cpu = std::is_same<typename B::Device, cpu::Device>::value;

// Of the sum of |terms|: in float32 as derived, in double the same with its unit roundoff.
template <class T>
std::vector<double> bounds(const Array& sums_of_magnitudes, Index length) {
  std::vector<double> result;
  for (double sum : sums_of_magnitudes.values)
    result.push_back(float_bound(sum, static_cast<double>(length)) * (sizeof(T) == 8 ? 0x1p-29 : 1));
  return result;
}

struct Data {
  Data(const ConvTranspose2dGeometry& g, std::uint64_t seed) : random(seed) {
    x = rounded_to_float(random_array("x", g.input_pixels() * g.C, random));
    w = rounded_to_float(random_array("w", g.weights(), random));
    b = rounded_to_float(random_array("b", g.K, random));
    dy = rounded_to_float(random_array("dy", 4 * g.input_pixels() * g.K, random));
    before = rounded_to_float(random_array("before", g.input_pixels() * g.C, random));
  }
  Random random;
  Array x, w, b, dy, before;
};

std::string text(const ConvTranspose2dGeometry& g) {
  std::string result;
  for (Index n : {g.N, g.H, g.W, g.C, g.K}) result += std::to_string(n) + " ";
  return result;
}

// {N, H, W, C, K}
const std::vector<ConvTranspose2dGeometry> small = {{2, 3, 5, 4, 6}, {1, 1, 1, 1, 1}, {1, 1, 4, 3, 2}, {3, 4, 1, 2, 5},
                                                    {1, 2, 2, 7, 1}, {2, 2, 3, 1, 4}, {1, 5, 3, 9, 8}};

// Several tiles, a tile that crosses from image to image, several partial sums, channels in slices, beyond one panel.
const std::vector<ConvTranspose2dGeometry> large = {{2, 19, 41, 8, 9},   {1, 3, 515, 5, 4},  {1, 2, 1100, 3, 2},
                                                    {3, 7, 33, 130, 20}, {2, 8, 8, 257, 40}, {1, 2, 3, 700, 300},
                                                    {1, 67, 129, 8, 4},  {5, 4, 4, 40, 20},  {1, 40, 40, 1, 1}};

// Several blocks of threads and partial sums, whose ends lie within a row; channels beyond one tile of the tuned
// kernels. The simulator runs them too, so they are no larger than that.
const std::vector<ConvTranspose2dGeometry> large_for_cuda = {
    {2, 19, 41, 8, 9},   {1, 3, 515, 5, 4}, {1, 2, 300, 3, 2}, {3, 7, 11, 130, 20}, {2, 4, 8, 257, 40},
    {1, 2, 3, 300, 150}, {1, 33, 65, 8, 4}, {5, 4, 4, 40, 20}, {1, 40, 40, 1, 1}};

template <class B>
std::vector<ConvTranspose2dGeometry> all_shapes() {
  std::vector<ConvTranspose2dGeometry> all = small;
  const auto& more = on_cpu<B> ? large : large_for_cuda;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

template <class B>
class ConvTranspose2dGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(ConvTranspose2dGradient, DoubleBackendsAndReference);

TYPED_TEST(ConvTranspose2dGradient, MatchesNumeric) {
  for (const ConvTranspose2dGeometry& g : small)
    for (bool bias : {false, true})
      expect_gradients(gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, g, bias, 7));
}

TYPED_TEST(ConvTranspose2dGradient, MatchesNumericAcrossTiles) {
  for (const ConvTranspose2dGeometry& g : {ConvTranspose2dGeometry{1, 3, 300, 1, 1}, {1, 23, 29, 1, 1}})
    expect_gradients(gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, g, true, 3));
}

template <class B>
class ConvTranspose2d : public BackendTest<B> {};
TYPED_TEST_SUITE(ConvTranspose2d, AllBackendsAndFloatReference);

TYPED_TEST(ConvTranspose2d, MatchesTheDefinition) {
  using T = typename TypeParam::Scalar;
  double tightest = 0;
  for (const ConvTranspose2dGeometry& g : all_shapes<TypeParam>()) {
    SCOPED_TRACE(text(g));
    const Data d(g, 11);
    const auto layer = gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, g, true, 1);
    const Array y = layer.forward({d.x, d.w, d.b}).outputs[0];
    const Array expected = reference::conv_transpose2d_forward(g, d.x, d.w, d.b);
    const auto bound =
        bounds<T>(reference::conv_transpose2d_forward(g, magnitudes(d.x), magnitudes(d.w), magnitudes(d.b)), g.C + 1);
    EXPECT_TRUE(close(y, expected, bound));
    tightest = std::max(tightest, tightness(y, expected, bound));

    const std::vector<Array> gradients = layer.backward({d.x, d.w, d.b}, {d.dy});
    const reference::ConvGradients expected_gradients = reference::conv_transpose2d_backward(g, d.x, d.w, d.dy);
    const reference::ConvGradients sums =
        reference::conv_transpose2d_backward(g, magnitudes(d.x), magnitudes(d.w), magnitudes(d.dy));
    EXPECT_TRUE(close(gradients[0], expected_gradients.dx, bounds<T>(sums.dx, 4 * g.K)));
    EXPECT_TRUE(close(gradients[1], expected_gradients.dw, bounds<T>(sums.dw, g.input_pixels())));
    EXPECT_TRUE(close(gradients[2], expected_gradients.db, bounds<T>(sums.db, 4 * g.input_pixels())));
  }
  this->RecordProperty("tightness", std::to_string(tightest));
}

TYPED_TEST(ConvTranspose2d, WorksWithoutBias) {
  using T = typename TypeParam::Scalar;
  for (const ConvTranspose2dGeometry& g : small) {
    SCOPED_TRACE(text(g));
    const Data d(g, 12);
    const auto layer = gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, g, false, 1);
    const Array none = zeros("b", g.K);
    EXPECT_TRUE(close(layer.forward({d.x, d.w}).outputs[0], reference::conv_transpose2d_forward(g, d.x, d.w, none),
                      bounds<T>(reference::conv_transpose2d_forward(g, magnitudes(d.x), magnitudes(d.w), none), g.C)));
  }
}

TYPED_TEST(ConvTranspose2d, BackwardDataAdds) {
  using T = typename TypeParam::Scalar;
  for (const ConvTranspose2dGeometry& g : all_shapes<TypeParam>()) {
    SCOPED_TRACE(text(g));
    const Data d(g, 13);
    const auto w = gradcheck::upload<Code<TypeParam>>(this->device, d.w);
    const auto dy = gradcheck::upload<Code<TypeParam>>(this->device, d.dy);
    auto dx = gradcheck::upload<Code<TypeParam>>(this->device, d.before);
    auto workspace = gradcheck::poisoned<Code<TypeParam>>(this->device, conv_transpose2d_workspace(this->device, g));
    conv_transpose2d_backward_data(this->device, gradients(dx.data(), g.input_pixels(), g.C),
                                   gradients(dy.data(), g.output_pixels(), g.K), w.data(), workspace.data(), g,
                                   Write::add);
    Array expected = reference::conv_transpose2d_backward(g, d.x, d.w, d.dy).dx;
    Array sums = reference::conv_transpose2d_backward(g, d.x, magnitudes(d.w), magnitudes(d.dy)).dx;
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
      expected.values[i] += d.before.values[i];
      sums.values[i] += std::abs(d.before.values[i]);
    }
    EXPECT_TRUE(
        close(gradcheck::download<Code<TypeParam>>(this->device, "dx", dx), expected, bounds<T>(sums, 4 * g.K + 1)));
  }
}

// All tensors as columns of wider ones: the second half of their pixels, or some in the middle.
TYPED_TEST(ConvTranspose2d, WorksOnColumnsOfAWiderTensor) {
  using T = typename TypeParam::Scalar;
  bool half = false;
  auto shapes = small;
  shapes.insert(shapes.end(), {{2, 19, 41, 8, 9}, {3, 7, 33, 30, 20}, {5, 4, 4, 40, 20}, {1, 3, 515, 5, 4}});
  for (const ConvTranspose2dGeometry& g : shapes) {
    half = !half;
    const Columns of_y = half ? Columns{g.K, g.K, 2 * g.K} : Columns{1, g.K, g.K + 3};
    const Columns of_x = half ? Columns{2, g.C, g.C + 5} : Columns{g.C, g.C, 2 * g.C};
    SCOPED_TRACE(text(g));
    const Data d(g, 16);
    auto& device = this->device;
    const auto x = gradcheck::upload<Code<TypeParam>>(device, widened(d.x, of_x));
    const auto w = gradcheck::upload<Code<TypeParam>>(device, d.w);
    const auto b = gradcheck::upload<Code<TypeParam>>(device, d.b);
    const auto dy = gradcheck::upload<Code<TypeParam>>(device, widened(d.dy, of_y));
    const auto x_values = values(x.data(), g.input_pixels(), of_x);
    const auto dy_gradients = gradients(dy.data(), g.output_pixels(), of_y);
    auto workspace = gradcheck::poisoned<Code<TypeParam>>(device, conv_transpose2d_workspace(device, g));

    auto y = gradcheck::upload<Code<TypeParam>>(device, widened_nan(g.output_pixels(), of_y));
    conv_transpose2d_forward(device, values(y.data(), g.output_pixels(), of_y), x_values, w.data(), b.data(),
                             workspace.data(), g);
    EXPECT_TRUE(close(
        narrowed(gradcheck::download<Code<TypeParam>>(device, "y", y), of_y),
        reference::conv_transpose2d_forward(g, d.x, d.w, d.b),
        bounds<T>(reference::conv_transpose2d_forward(g, magnitudes(d.x), magnitudes(d.w), magnitudes(d.b)), g.C + 1)));

    const reference::ConvGradients expected_gradients = reference::conv_transpose2d_backward(g, d.x, d.w, d.dy);
    const reference::ConvGradients sums =
        reference::conv_transpose2d_backward(g, magnitudes(d.x), magnitudes(d.w), magnitudes(d.dy));
    auto dx = gradcheck::upload<Code<TypeParam>>(device, widened_nan(g.input_pixels(), of_x));
    auto dw = gradcheck::poisoned<Code<TypeParam>>(device, w.size());
    auto db = gradcheck::poisoned<Code<TypeParam>>(device, g.K);
    conv_transpose2d_backward_data(device, gradients(dx.data(), g.input_pixels(), of_x), dy_gradients, w.data(),
                                   workspace.data(), g, Write::set);
    conv_transpose2d_backward_weights(device, dw.data(), db.data(), dy_gradients, x_values, workspace.data(), g);
    EXPECT_TRUE(close(narrowed(gradcheck::download<Code<TypeParam>>(device, "dx", dx), of_x), expected_gradients.dx,
                      bounds<T>(sums.dx, 4 * g.K)));
    EXPECT_TRUE(close(gradcheck::download<Code<TypeParam>>(device, "dw", dw), expected_gradients.dw,
                      bounds<T>(sums.dw, g.input_pixels())));
    EXPECT_TRUE(close(gradcheck::download<Code<TypeParam>>(device, "db", db), expected_gradients.db,
                      bounds<T>(sums.db, g.output_pixels())));
  }
}

// Tensors that do not have the geometry's shape are refused before anything is read.
TYPED_TEST(ConvTranspose2d, RefusesOtherShapes) {
  using T = typename TypeParam::Scalar;
  const ConvTranspose2dGeometry g{1, 2, 3, 4, 5};
  T* none = nullptr;
  const Values<T> x = values(none, g.input_pixels(), g.C), y = values(none, g.output_pixels(), g.K);
  const Gradients<T> dx = gradients(none, g.input_pixels(), g.C), dy = gradients(none, g.output_pixels(), g.K);
  auto& device = this->device;
  EXPECT_THROW(conv_transpose2d_forward(device, x, x, none, none, none, g), std::logic_error);
  EXPECT_THROW(conv_transpose2d_forward(device, y, y, none, none, none, g), std::logic_error);
  EXPECT_THROW(conv_transpose2d_backward_data(device, dy, dy, none, none, g, Write::set), std::logic_error);
  EXPECT_THROW(conv_transpose2d_backward_data(device, dx, dx, none, none, g, Write::set), std::logic_error);
  EXPECT_THROW(conv_transpose2d_backward_weights(device, none, none, dx, x, none, g), std::logic_error);
  EXPECT_THROW(conv_transpose2d_backward_weights(device, none, none, dy, y, none, g), std::logic_error);
}

template <class B>
class ConvTranspose2dAdjoint : public BackendTest<B> {};
TYPED_TEST_SUITE(ConvTranspose2dAdjoint, DoubleBackendsAndReference);

// <A x, y> = <x, A' y>, for the map from x and for the map from w, at shapes of the network.
TYPED_TEST(ConvTranspose2dAdjoint, HoldsForDataAndWeights) {
  const std::vector<ConvTranspose2dGeometry> for_cpu = {
      {2, 32, 32, 32, 16}, {1, 128, 128, 16, 8}, {2, 16, 16, 256, 128}};
  const std::vector<ConvTranspose2dGeometry> for_cuda = {{2, 32, 32, 32, 16}, {1, 64, 64, 16, 8}, {2, 8, 8, 128, 64}};
  for (const ConvTranspose2dGeometry& g : on_cpu<TypeParam> ? for_cpu : for_cuda) {
    SCOPED_TRACE(text(g));
    const Data d(g, 14);
    const auto layer = gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, g, false, 1);
    const Array y = layer.forward({d.x, d.w}).outputs[0];
    const std::vector<Array> gradients = layer.backward({d.x, d.w}, {d.dy});
    const double left = dot(y, d.dy), gate = 1e-12 * std::sqrt(dot(y, y) * dot(d.dy, d.dy));
    EXPECT_LE(std::abs(left - dot(d.x, gradients[0])), gate);
    EXPECT_LE(std::abs(left - dot(d.w, gradients[1])), gate);
  }
}

template <class B>
class ConvTranspose2dAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(ConvTranspose2dAgainstCpu, CudaBackends);

TYPED_TEST(ConvTranspose2dAgainstCpu, CloseAndTheSameBitsTwice) {
  using T = typename TypeParam::Scalar;
  cpu::Device cpu(1, ConvMethod::reference);
  for (const ConvTranspose2dGeometry& g : all_shapes<TypeParam>()) {
    SCOPED_TRACE(text(g));
    const auto cpu_case = gradcheck::conv_transpose2d_case<CpuLike<TypeParam>>(cpu, g, true, 2);
    const auto layer = gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, g, true, 2);
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
    const Index lengths[] = {4 * g.K, g.input_pixels(), 4 * g.input_pixels()};
    for (std::size_t i = 0; i < 3; ++i)
      compare(actual.gradients[i], again.gradients[i], expected.gradients[i], sums[i], lengths[i]);
    compare(actual.forward.outputs[0], again.forward.outputs[0], expected.forward.outputs[0], sums[3], g.C + 1);
  }
}

template <class B>
class ConvTranspose2dPlain : public BackendTest<B> {};
TYPED_TEST_SUITE(ConvTranspose2dPlain, CudaFloatBackends);

// float runs the tuned kernels: here are the plain ones, which nothing else runs in float, beside them.
TYPED_TEST(ConvTranspose2dPlain, AgreesWithTheTuned) {
  using B = TypeParam;
  auto& device = this->device;
  for (const ConvTranspose2dGeometry& g : all_shapes<B>()) {
    SCOPED_TRACE(text(g));
    const Data d(g, 17);
    const auto x = gradcheck::upload<Code<B>>(device, d.x), w = gradcheck::upload<Code<B>>(device, d.w);
    const auto b = gradcheck::upload<Code<B>>(device, d.b), dy = gradcheck::upload<Code<B>>(device, d.dy);
    const auto x_values = values(x.data(), g.input_pixels(), g.C);
    const auto dy_gradients = gradients(dy.data(), g.output_pixels(), g.K);
    const auto run = [&](const auto& forward, const auto& data, const auto& weights, Index workspace_size) {
      auto workspace = gradcheck::poisoned<Code<B>>(device, workspace_size);
      auto y = gradcheck::poisoned<Code<B>>(device, dy.size()), dx = gradcheck::poisoned<Code<B>>(device, x.size());
      auto added = gradcheck::upload<Code<B>>(device, d.before);
      auto dw = gradcheck::poisoned<Code<B>>(device, w.size()), db = gradcheck::poisoned<Code<B>>(device, g.K);
      forward(y.data(), workspace.data());
      data(dx.data(), workspace.data(), Write::set);
      data(added.data(), workspace.data(), Write::add);
      weights(dw.data(), db.data(), workspace.data());
      std::vector<Array> results;
      for (const auto* buffer : {&y, &dx, &added, &dw, &db})
        results.push_back(gradcheck::download<Code<B>>(device, "", *buffer));
      return results;
    };
    const auto tuned = run(
        [&](float* y, float* workspace) {
          conv_transpose2d_forward(device, values(y, g.output_pixels(), g.K), x_values, w.data(), b.data(), workspace,
                                   g);
        },
        [&](float* dx, float* workspace, Write write) {
          conv_transpose2d_backward_data(device, gradients(dx, g.input_pixels(), g.C), dy_gradients, w.data(),
                                         workspace, g, write);
        },
        [&](float* dw, float* db, float* workspace) {
          conv_transpose2d_backward_weights(device, dw, db, dy_gradients, x_values, workspace, g);
        },
        conv_transpose2d_workspace(device, g));
    const auto plain = run(
        [&](float* y, float* workspace) {
          cuda::plain::conv_transpose2d_forward(device, values(y, g.output_pixels(), g.K), x_values, w.data(), b.data(),
                                                workspace, g);
        },
        [&](float* dx, float* workspace, Write write) {
          cuda::plain::conv_transpose2d_backward_data(device, gradients(dx, g.input_pixels(), g.C), dy_gradients,
                                                      w.data(), workspace, g, write);
        },
        [&](float* dw, float* db, float* workspace) {
          cuda::plain::conv_transpose2d_backward_weights(device, dw, db, dy_gradients, x_values, workspace, g);
        },
        cuda::plain::conv_transpose2d_workspace(device, g));
    const reference::ConvGradients sums =
        reference::conv_transpose2d_backward(g, magnitudes(d.x), magnitudes(d.w), magnitudes(d.dy));
    Array of_added = sums.dx;
    for (std::size_t i = 0; i < of_added.values.size(); ++i) of_added.values[i] += std::abs(d.before.values[i]);
    const Array terms[] = {reference::conv_transpose2d_forward(g, magnitudes(d.x), magnitudes(d.w), magnitudes(d.b)),
                           sums.dx, of_added, sums.dw, sums.db};
    const Index lengths[] = {g.C + 1, 4 * g.K + 1, 4 * g.K + 1, g.input_pixels(), 4 * g.input_pixels()};
    for (std::size_t i = 0; i < tuned.size(); ++i) {
      std::vector<double> bound;
      for (const double sum : terms[i].values)
        bound.push_back(bound_between<float>(sum, static_cast<double>(lengths[i])));
      EXPECT_TRUE(close(plain[i], tuned[i], bound)) << i;
    }
  }
}

template <class T>
class ConvTranspose2dThreads : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ConvTranspose2dThreads, Scalars);

// Bits do not depend on the number of threads.
TYPED_TEST(ConvTranspose2dThreads, GiveTheSameBits) {
  using B = Cpu<TypeParam>;
  for (const ConvTranspose2dGeometry& g : all_shapes<B>()) {
    SCOPED_TRACE(text(g));
    const Data d(g, 15);
    std::vector<std::vector<Array>> results;
    for (int threads : {1, 2, 3}) {
      cpu::Device device(threads);
      const auto layer = gradcheck::conv_transpose2d_case<Code<B>>(device, g, true, 1);
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

}  // namespace TEST_FILE
}  // namespace attnunet
