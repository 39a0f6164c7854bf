#include "cuda/conv_transpose2d_tensor_core.h"

#include "common/gradcheck/cases/conv_transpose2d.h"
#include "cpu/conv_transpose2d.h"
#include "cuda/conv_transpose2d.h"
#include "support/columns.h"
#include "support/tensor_core.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::random_array;

std::string text(const ConvTranspose2dGeometry& g) {
  std::string result;
  for (Index n : {g.N, g.H, g.W, g.C, g.K}) result += std::to_string(n) + " ";
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

const Array nothing{"", {0}};

// {N, H, W, C, K}. Few channels and many, multiples of 4 and others; images of one pixel, row and column.
const std::vector<ConvTranspose2dGeometry> shapes = {
    {1, 1, 1, 2, 2}, {2, 3, 5, 4, 8},  {1, 1, 4, 3, 6},    {3, 4, 1, 9, 2},    {1, 7, 5, 24, 16}, {2, 5, 3, 12, 36},
    {1, 3, 3, 5, 7}, {1, 4, 3, 72, 4}, {1, 3, 5, 136, 20}, {1, 17, 19, 8, 12}, {1, 1, 1, 1, 1},   {1, 2, 3, 1, 5}};
// Several chunks of pixels, the last one shorter.
const std::vector<ConvTranspose2dGeometry> large = {{1, 27, 23, 8, 4}, {2, 31, 29, 3, 2}};

std::vector<ConvTranspose2dGeometry> all_shapes() {
  std::vector<ConvTranspose2dGeometry> all = shapes;
  all.insert(all.end(), large.begin(), large.end());
  return all;
}

template <class B>
class ConvTranspose2dTensorCore : public BackendTest<B> {
 protected:
  // All three functions, once for dx that is set and once for dx that is added to; x and dx are the columns of_x of
  // their tensors, y and dy the columns of_y.
  void expect_all(Precision precision, const ConvTranspose2dGeometry& g, const Columns& of_x, const Columns& of_y,
                  std::uint64_t seed) {
    cpu::Device exact(1, ConvMethod::reference);
    const auto layer = gradcheck::conv_transpose2d_case<Cpu<double>>(exact, g, false, 1);
    Data d(g, seed);
    d.x = with_ties(precision, d.x);
    d.dy = with_ties(precision, d.dy);
    SCOPED_TRACE(text(g) + "of " + std::to_string(of_x.stride) + " and " + std::to_string(of_y.stride));
    typename B::Device device(precision);
    const auto x = gradcheck::upload<B>(device, widened(d.x, of_x));
    const auto w = gradcheck::upload<B>(device, d.w);
    const auto b = gradcheck::upload<B>(device, d.b);
    const auto dy = gradcheck::upload<B>(device, widened(d.dy, of_y));
    const auto x_values = values(x.data(), g.input_pixels(), of_x);
    const auto dy_gradients = gradients(dy.data(), g.output_pixels(), of_y);
    auto workspace = gradcheck::poisoned<B>(device, cuda::tensor_core::conv_transpose2d_workspace(device, g));

    auto y = gradcheck::upload<B>(device, widened_nan(g.output_pixels(), of_y));
    cuda::tensor_core::conv_transpose2d_forward(device, values(y.data(), g.output_pixels(), of_y), x_values, w.data(),
                                                b.data(), workspace.data(), g);
    expect_products<B>(
        precision, narrowed(gradcheck::download<B>(device, "y", y), of_y),
        [&](const Array& values, const Array& weights) {
          return layer.forward({values, weights}).outputs[0];
        },
        d.x, d.w, d.b, g.C);

    const Products data = [&](const Array& gradient, const Array& weights) {
      return layer.backward({d.x, weights}, {gradient})[0];
    };
    for (const Write write : {Write::set, Write::add}) {
      auto dx = gradcheck::upload<B>(
          device, write == Write::add ? widened(d.before, of_x) : widened_nan(g.input_pixels(), of_x));
      cuda::tensor_core::conv_transpose2d_backward_data(device, gradients(dx.data(), g.input_pixels(), of_x),
                                                        dy_gradients, w.data(), workspace.data(), g, write);
      expect_products<B>(precision, narrowed(gradcheck::download<B>(device, "dx", dx), of_x), data, d.dy, d.w,
                         write == Write::add ? d.before : nothing, 4 * g.K);
    }

    auto dw = gradcheck::poisoned<B>(device, g.weights());
    auto db = gradcheck::poisoned<B>(device, g.K);
    cuda::tensor_core::conv_transpose2d_backward_weights(device, dw.data(), db.data(), dy_gradients, x_values,
                                                         workspace.data(), g);
    expect_products<B>(
        precision, gradcheck::download<B>(device, "dw", dw),
        [&](const Array& gradient, const Array& values) {
          return layer.backward({values, d.w}, {gradient})[1];
        },
        d.dy, d.x, nothing, g.input_pixels());
    Array sums{"db", std::vector<double>(static_cast<std::size_t>(g.K))}, of_magnitudes = sums;
    for (std::size_t i = 0; i < d.dy.values.size(); ++i) {
      sums.values[i % sums.values.size()] += d.dy.values[i];
      of_magnitudes.values[i % sums.values.size()] += std::abs(d.dy.values[i]);
    }
    std::vector<double> bounds;
    for (double sum : of_magnitudes.values)
      bounds.push_back(float_bound(sum, static_cast<double>(4 * g.input_pixels())));
    EXPECT_TRUE(close(gradcheck::download<B>(device, "db", db), sums, bounds));  // in float32, not rounded before
  }
};
TYPED_TEST_SUITE(ConvTranspose2dTensorCore, TensorCoreBackends);

TYPED_TEST(ConvTranspose2dTensorCore, IsThatOfRoundedOperands) {
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    for (const ConvTranspose2dGeometry& g : all_shapes())
      this->expect_all(precision, g, {0, g.C, g.C}, {0, g.K, g.K}, 31);
}

// Tensors as columns of wider ones: 16 bytes at a time, and columns and strides where that cannot be.
TYPED_TEST(ConvTranspose2dTensorCore, WorksOnColumnsOfAWiderTensor) {
  for (const Precision precision : {Precision::tf32, Precision::bf16})
    for (const ConvTranspose2dGeometry& g : {shapes[1], shapes[4], shapes[5], shapes[6], large[0]})
      for (const auto& [of_x, of_y] : {std::pair<Columns, Columns>{{4, g.C, g.C + 8}, {g.K, g.K, 2 * g.K}},
                                       {{0, g.C, g.C}, {1, g.K, 2 * g.K}},
                                       {{0, g.C, g.C}, {0, g.K, g.K + 3}},
                                       {{1, g.C, g.C + 3}, {0, g.K, g.K}}})
        this->expect_all(precision, g, of_x, of_y, 32);
}

// What the network calls: rounded where on_tensor_cores says so, else the bits of exact float32.
TYPED_TEST(ConvTranspose2dTensorCore, TheOperationsChooseByPrecisionAndShape) {
  for (const ConvTranspose2dGeometry& g : {shapes[4], ConvTranspose2dGeometry{1, 5, 7, 1, 8}, {2, 3, 5, 8, 1}}) {
    SCOPED_TRACE(text(g));
    const Data d(g, 33);
    const auto run = [&](Precision precision) {
      typename TypeParam::Device device(precision);
      const auto layer = gradcheck::conv_transpose2d_case<TypeParam>(device, g, false, 1);
      std::vector<Array> results = layer.backward({d.x, d.w}, {d.dy});
      results.push_back(layer.forward({d.x, d.w}).outputs[0]);
      return results;
    };
    const auto exact = run(Precision::float32), tf32 = run(Precision::tf32), bf16 = run(Precision::bf16);
    const bool thin = g.C == 1 || g.K == 1;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      EXPECT_EQ(exact[i].values == tf32[i].values, thin) << exact[i].name;
      EXPECT_EQ(exact[i].values == bf16[i].values, thin) << exact[i].name;
      EXPECT_EQ(tf32[i].values == bf16[i].values, thin) << exact[i].name;
    }
  }
}

TEST(TensorCoreLayers, ThinTransposedOnesStayExact) {
  using cuda::tensor_core::on_tensor_cores;
  EXPECT_TRUE(on_tensor_cores(Precision::bf16, ConvTranspose2dGeometry{1, 1, 1, 2, 2}));
  EXPECT_FALSE(on_tensor_cores(Precision::bf16, ConvTranspose2dGeometry{1, 1, 1, 1, 2}));
  EXPECT_FALSE(on_tensor_cores(Precision::tf32, ConvTranspose2dGeometry{1, 1, 1, 2, 1}));
  EXPECT_FALSE(on_tensor_cores(Precision::float32, ConvTranspose2dGeometry{1, 1, 1, 2, 2}));
}

}  // namespace TEST_FILE
}  // namespace attnunet
