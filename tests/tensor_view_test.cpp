// What the types of views rule out before anything runs, and what is refused at run time.
#include "common/core/tensor_view.h"

#include <gtest/gtest.h>

#include "common/core/batch_norm_views.h"
#include "cpu/operations.h"

namespace attnunet {
namespace TEST_FILE {

template <class From, class To>
constexpr bool converts = std::is_convertible<From, To>::value;

// Values and gradients are different things, whatever is const.
static_assert(!converts<Values<float>, Gradients<float>>);
static_assert(!converts<Values<float>, Gradients<const float>>);
static_assert(!converts<Gradients<float>, Values<float>>);
static_assert(!converts<Gradients<float>, Values<const float>>);
static_assert(!converts<Gradients<const float>, Values<const float>>);
static_assert(!converts<Values<float>, float*>);

// Mutable becomes const, and not the other way round.
static_assert(converts<Values<float>, Values<const float>> && !converts<Values<const float>, Values<float>>);
static_assert(converts<Gradients<float>, Gradients<const float>> &&
              !converts<Gradients<const float>, Gradients<float>>);
static_assert(converts<BatchStatistics<float>, BatchStatistics<const float>>);
static_assert(!converts<BatchStatistics<const float>, BatchStatistics<float>>);
static_assert(converts<RunningStatistics<float>, RunningStatistics<const float>>);
static_assert(!converts<RunningStatistics<const float>, RunningStatistics<float>>);
static_assert(converts<BatchNormParameters<float>, BatchNormParameters<const float>>);
static_assert(!converts<BatchNormParameters<const float>, BatchNormParameters<float>>);
static_assert(!converts<BatchStatistics<float>, RunningStatistics<float>>);

// The number type stays.
static_assert(!converts<Values<float>, Values<const double>>);

// Kernels take them by value.
static_assert(std::is_trivially_copyable<Values<float>>::value && std::is_aggregate<Values<float>>::value);
static_assert(std::is_trivially_copyable<BatchNormSaved<float>>::value);

// Of an operation: whether a call with such arguments compiles.
template <class, class... Arguments>
constexpr bool takes = false;
template <class... Arguments>
constexpr bool takes<decltype(relu_backward(std::declval<Arguments>()...)), Arguments...> = true;

static_assert(takes<void, cpu::Device&, Gradients<float>, Gradients<float>, Values<float>>);
static_assert(takes<void, cpu::Device&, Gradients<float>, Gradients<const float>, Values<const float>>);
static_assert(!takes<void, cpu::Device&, Gradients<float>, Values<float>, Gradients<float>>, "y and dy swapped");
static_assert(!takes<void, cpu::Device&, Values<float>, Gradients<float>, Values<float>>, "y in place of dx");
static_assert(!takes<void, cpu::Device&, Gradients<float>, Gradients<double>, Values<float>>, "two number types");

TEST(TensorView, HasTheStrideOfADenseTensorUnlessGivenOne) {
  float data[40] = {};
  const Values<float> dense = values(data, 3, 4), wide = values(data, 3, 4, 10), line = values(data, 7);
  EXPECT_EQ(dense.stride, 4);
  EXPECT_TRUE(dense.is_dense());
  EXPECT_EQ(wide.stride, 10);
  EXPECT_FALSE(wide.is_dense());
  EXPECT_EQ(wide.size(), 12);
  EXPECT_EQ(line.channels, 1);
  EXPECT_EQ(line.size(), 7);
  const Gradients<float> shaped = gradients(data, Shape{2, 3, 1, 5});
  EXPECT_EQ(shaped.pixels, 6);
  EXPECT_EQ(shaped.channels, 5);
}

TEST(TensorView, SlicesAreColumnsOfTheSamePixels) {
  float data[30] = {};
  const Values<float> whole = values(data, 3, 10), part = whole.slice(6, 4);
  EXPECT_EQ(part.data, data + 6);
  EXPECT_EQ(part.pixels, 3);
  EXPECT_EQ(part.channels, 4);
  EXPECT_EQ(part.stride, 10);
}

TEST(TensorView, RefusesOtherShapesAndStrides) {
  float data[40] = {};
  const Values<float> x = values(data, 3, 4), wide = values(data, 3, 4, 10);
  EXPECT_NO_THROW(require_dense(x, 3, 4));
  EXPECT_NO_THROW(require_shape(wide, 3, 4));
  EXPECT_THROW(require_dense(wide, 3, 4), std::logic_error);
  EXPECT_THROW(require_shape(x, 4, 3), std::logic_error);
  EXPECT_THROW(require_shape(values(data, 3, 4, 3), 3, 4), std::logic_error) << "pixels overlap";
  EXPECT_EQ(size_of_same(x, x), 12);
  EXPECT_THROW(size_of_same(x, values(data, 4, 3)), std::logic_error);
  EXPECT_THROW(size_of_same(x, wide), std::logic_error);
}

// Every operation of the network refuses tensors that do not fit together. None may read from them before.
TEST(TensorView, OperationsRefuseTensorsThatDoNotFit) {
  cpu::Device device(1);
  float* none = nullptr;
  const Values<float> x = values(none, 6, 2), other = values(none, 5, 2), wide = values(none, 6, 2, 3);
  const Gradients<float> dx = gradients(none, 6, 2), d_other = gradients(none, 5, 2), d_wide = gradients(none, 6, 2, 3);
  const BatchStatistics<float> batch{none, none};
  const RunningStatistics<float> running{none, none};
  const BatchNormParameters<float> parameters{none, none};
  const BatchNormSaved<float> saved{x, batch, parameters};
  const Shape in{1, 3, 2, 2};
  for (const Values<float>& y : {other, wide}) {
    EXPECT_THROW(relu_forward(device, y, x), std::logic_error);
    EXPECT_THROW(relu_backward(device, dx, dx, y), std::logic_error);
    EXPECT_THROW(sigmoid_forward(device, x, y), std::logic_error);
    EXPECT_THROW(sigmoid_backward(device, dx, dx, y), std::logic_error);
    EXPECT_THROW(add_forward(device, x, x, y), std::logic_error);
    EXPECT_THROW(dropout_forward(device, y, x, {}), std::logic_error);
    EXPECT_THROW(batch_norm_forward(device, y, batch, running, x, parameters, none), std::logic_error);
    EXPECT_THROW(batch_norm_inference_forward(device, x, y, parameters, running), std::logic_error);
    EXPECT_THROW(batch_norm_relu_dropout_forward(device, y, x, batch, parameters, {}), std::logic_error);
    EXPECT_THROW(batch_norm_relu_dropout_backward(device, dx, parameters, dx, y, saved, 0.0, none), std::logic_error);
    EXPECT_THROW(attention_multiply_forward(device, x, y, values(none, 6)), std::logic_error);
    EXPECT_THROW(edge_pad_forward(device, x, y, in, Index{3}, Index{2}), std::logic_error);
    EXPECT_THROW(crop_forward(device, x, y, in, Index{3}, Index{2}), std::logic_error);
    EXPECT_THROW(max_pool_forward(device, values(none, 1, 2), nullptr, y, in), std::logic_error);
  }
  for (const Gradients<float>& dy : {d_other, d_wide}) {
    EXPECT_THROW(relu_backward(device, dx, dy, x), std::logic_error);
    EXPECT_THROW(sigmoid_backward(device, dx, dy, x), std::logic_error);
    EXPECT_THROW(dropout_backward(device, dx, dy, {}), std::logic_error);
    EXPECT_THROW(batch_norm_backward(device, dx, parameters, dy, saved, none), std::logic_error);
    EXPECT_THROW(batch_norm_backward(device, dy, parameters, dx, saved, none), std::logic_error);
    EXPECT_THROW(batch_norm_inference_backward(device, dy, parameters, dx, x, parameters, running, none),
                 std::logic_error);
    EXPECT_THROW(batch_norm_relu_dropout_backward(device, dx, parameters, dy, x, saved, 0.0, none), std::logic_error);
    EXPECT_THROW(attention_multiply_backward(device, dy, gradients(none, 6), dx, x, values(none, 6)), std::logic_error);
    EXPECT_THROW(edge_pad_backward(device, dy, dx, in, Index{3}, Index{2}), std::logic_error);
    EXPECT_THROW(crop_backward(device, dy, dx, in, Index{3}, Index{2}), std::logic_error);
    EXPECT_THROW(max_pool_backward(device, dy, gradients(none, 1, 2), nullptr, in, Write::set), std::logic_error);
  }
  EXPECT_THROW(attention_multiply_forward(device, x, x, values(none, 5)), std::logic_error);
  EXPECT_THROW(concat_forward(device, values(none, 6, 5), x, x), std::logic_error);
  EXPECT_THROW(concat_backward(device, dx, dx, gradients(none, 6, 5)), std::logic_error);
}

}  // namespace TEST_FILE
}  // namespace attnunet
