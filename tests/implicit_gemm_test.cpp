// The tuned float32 convolutions of the GPU against the CPU in double. Outputs are poisoned before each call.
#include <cstring>
#include <limits>

#include "common/gradcheck/layer_case.h"
#include "cpu/conv2d.h"
#include "cpu/conv_transpose2d.h"
#include "cuda/conv2d_ffma.h"
#include "cuda/conv_transpose2d_ffma.h"
#include "support/backends.h"
#include "support/columns.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::download;
using gradcheck::poisoned;
using gradcheck::upload;

#ifdef ATTNUNET_TEST_CUDA
using TunedBackends = ::testing::Types<CudaSim<float>, Cuda<float>>;
#else
using TunedBackends = ::testing::Types<CudaSim<float>>;
#endif

// The operations of a backend under one name for both convolutions. The CPU's are the reference.
template <class B>
struct Operations;
template <>
struct Operations<Cpu<double>> {
  using D = cpu::Device;
  static Index workspace(const D& d, const Conv2dGeometry& g) { return cpu::conv2d_workspace(d, g); }
  static Index workspace(const D& d, const ConvTranspose2dGeometry& g) { return cpu::conv_transpose2d_workspace(d, g); }
  template <class T>
  static void forward(D& device, const Conv2dGeometry& g, Values<T> y, Values<const T> x, const T* w, const T* bias,
                      T* workspace) {
    cpu::conv2d_forward(device, y, x, w, {bias}, workspace, g);
  }
  template <class... A>
  static void forward(D& device, const ConvTranspose2dGeometry& g, A... arguments) {
    cpu::conv_transpose2d_forward(device, arguments..., g);
  }
  template <class... A>
  static void backward_data(D& device, const Conv2dGeometry& g, Write write, A... arguments) {
    cpu::conv2d_backward_data(device, arguments..., g, write);
  }
  template <class... A>
  static void backward_data(D& device, const ConvTranspose2dGeometry& g, Write write, A... arguments) {
    cpu::conv_transpose2d_backward_data(device, arguments..., g, write);
  }
  template <class... A>
  static void backward_weights(D& device, const Conv2dGeometry& g, A... arguments) {
    cpu::conv2d_backward_weights(device, arguments..., g);
  }
  template <class... A>
  static void backward_weights(D& device, const ConvTranspose2dGeometry& g, A... arguments) {
    cpu::conv_transpose2d_backward_weights(device, arguments..., g);
  }
};
template <class B>
struct Operations {
  using D = typename B::Device;
  static Index workspace(const D& d, const Conv2dGeometry& g) { return cuda::ffma::conv2d_workspace(d, g); }
  static Index workspace(const D& d, const ConvTranspose2dGeometry& g) {
    return cuda::ffma::conv_transpose2d_workspace(d, g);
  }
  template <class T>
  static void forward(D& device, const Conv2dGeometry& g, Values<T> y, Values<const T> x, const T* w, const T* bias,
                      T* workspace) {
    cuda::ffma::conv2d_forward(device, y, x, w, {bias}, workspace, g);
  }
  template <class... A>
  static void forward(D& device, const ConvTranspose2dGeometry& g, A... arguments) {
    cuda::ffma::conv_transpose2d_forward(device, arguments..., g);
  }
  template <class... A>
  static void backward_data(D& device, const Conv2dGeometry& g, Write write, A... arguments) {
    cuda::ffma::conv2d_backward_data(device, arguments..., g, write);
  }
  template <class... A>
  static void backward_data(D& device, const ConvTranspose2dGeometry& g, Write write, A... arguments) {
    cuda::ffma::conv_transpose2d_backward_data(device, arguments..., g, write);
  }
  template <class... A>
  static void backward_weights(D& device, const Conv2dGeometry& g, A... arguments) {
    cuda::ffma::conv2d_backward_weights(device, arguments..., g);
  }
  template <class... A>
  static void backward_weights(D& device, const ConvTranspose2dGeometry& g, A... arguments) {
    cuda::ffma::conv_transpose2d_backward_weights(device, arguments..., g);
  }
};

// What the two geometries have in common, as the test needs it.
Index x_pixels(const Conv2dGeometry& g) {
  return g.pixels();
}
Index x_pixels(const ConvTranspose2dGeometry& g) {
  return g.input_pixels();
}
Index y_pixels(const Conv2dGeometry& g) {
  return g.pixels();
}
Index y_pixels(const ConvTranspose2dGeometry& g) {
  return 4 * g.input_pixels();
}
// Products in an element of y, of dx, and terms of db.
Index forward_length(const Conv2dGeometry& g) {
  return g.R * g.R * g.C + 1;
}
Index forward_length(const ConvTranspose2dGeometry& g) {
  return g.C + 1;
}
Index data_length(const Conv2dGeometry& g) {
  return g.R * g.R * g.K + 1;
}
Index data_length(const ConvTranspose2dGeometry& g) {
  return 4 * g.K + 1;
}
std::string text(const Conv2dGeometry& g) {
  std::string result = "conv2d ";
  for (Index n : {g.N, g.H, g.W, g.C, g.K, g.R}) result += std::to_string(n) + " ";
  return result;
}
std::string text(const ConvTranspose2dGeometry& g) {
  std::string result = "conv_transpose2d ";
  for (Index n : {g.N, g.H, g.W, g.C, g.K}) result += std::to_string(n) + " ";
  return result;
}

// A convolution with its tensors in wider ones: how many channels lie before x and before y in each pixel.
template <class G>
struct Case {
  G g;
  Index before_x = 0, before_y = 0;
  Columns of_x() const { return {before_x, g.C, g.C + before_x}; }
  Columns of_y() const { return {before_y, g.K, g.K + before_y}; }
};

template <class G>
struct Data {
  Data(const G& g, std::uint64_t seed) {
    Random random(seed);
    x = rounded_to_float(gradcheck::random_array("x", x_pixels(g) * g.C, random));
    w = rounded_to_float(gradcheck::random_array("w", g.weights(), random));
    b = rounded_to_float(gradcheck::random_array("b", g.K, random));
    dy = rounded_to_float(gradcheck::random_array("dy", y_pixels(g) * g.K, random));
    before = rounded_to_float(gradcheck::random_array("before", x_pixels(g) * g.C, random));
  }
  Array x, w, b, dy, before;
};

template <class G>
Data<G> magnitudes_of(Data<G> d) {
  for (Array* array : {&d.x, &d.w, &d.b, &d.dy, &d.before}) *array = magnitudes(*array);
  return d;
}

struct Results {
  Array y, y_without_bias, dx, dx_added, dw, dw_alone, db;
};

template <class B, class G>
Results run(typename B::Device& device, const Case<G>& one, const Data<G>& d) {
  using O = Operations<B>;
  using T = typename B::Scalar;
  const G& g = one.g;
  const Columns of_x = one.of_x(), of_y = one.of_y();
  const auto x_buffer = upload<B>(device, widened(d.x, of_x)), dy_buffer = upload<B>(device, widened(d.dy, of_y));
  const auto w = upload<B>(device, d.w), b = upload<B>(device, d.b);
  const Values<const T> x = values(x_buffer.data(), x_pixels(g), of_x);
  const Gradients<const T> dy = gradients(dy_buffer.data(), y_pixels(g), of_y);
  const T* no_bias = nullptr;
  T* no_gradient = nullptr;
  auto workspace = poisoned<B>(device, O::workspace(device, g));
  Results r;
  for (const bool bias : {true, false}) {
    auto y = upload<B>(device, widened_nan(y_pixels(g), of_y));
    O::forward(device, g, values(y.data(), y_pixels(g), of_y), x, w.data(), bias ? b.data() : no_bias,
               workspace.data());
    (bias ? r.y : r.y_without_bias) = narrowed(download<B>(device, "y", y), of_y);
  }
  for (const Write write : {Write::set, Write::add}) {
    auto dx = upload<B>(device, write == Write::set ? widened_nan(x_pixels(g), of_x) : widened(d.before, of_x));
    O::backward_data(device, g, write, gradients(dx.data(), x_pixels(g), of_x), dy, w.data(), workspace.data());
    (write == Write::set ? r.dx : r.dx_added) = narrowed(download<B>(device, "dx", dx), of_x);
  }
  for (const bool bias : {true, false}) {
    auto dw = poisoned<B>(device, g.weights()), db = poisoned<B>(device, g.K);
    workspace = poisoned<B>(device, O::workspace(device, g));
    O::backward_weights(device, g, dw.data(), bias ? db.data() : no_gradient, dy, x, workspace.data());
    (bias ? r.dw : r.dw_alone) = download<B>(device, "dw", dw);
    if (bias) r.db = download<B>(device, "db", db);
  }
  return r;
}

std::vector<double> bounds(const Array& sums_of_magnitudes, Index length) {
  std::vector<double> result;
  for (const double sum : sums_of_magnitudes.values) result.push_back(float_bound(sum, static_cast<double>(length)));
  return result;
}

template <class B>
class ImplicitGemm : public BackendTest<B> {
 protected:
  template <class G>
  void expect_right(const Case<G>& one) {
    const G& g = one.g;
    SCOPED_TRACE(text(g) + "after " + std::to_string(one.before_x) + " and " + std::to_string(one.before_y));
    const Data<G> d(g, 21);
    const Results actual = run<B>(this->device, one, d);
    const Results expected = run<Cpu<double>>(reference, one, d);
    const Results sums = run<Cpu<double>>(reference, one, magnitudes_of(d));
    EXPECT_TRUE(close(actual.y, expected.y, bounds(sums.y, forward_length(g))));
    EXPECT_TRUE(close(actual.y_without_bias, expected.y_without_bias, bounds(sums.y_without_bias, forward_length(g))));
    EXPECT_TRUE(close(actual.dx, expected.dx, bounds(sums.dx, data_length(g))));
    EXPECT_TRUE(close(actual.dx_added, expected.dx_added, bounds(sums.dx_added, data_length(g))));
    EXPECT_TRUE(close(actual.dw, expected.dw, bounds(sums.dw, x_pixels(g))));
    EXPECT_EQ(actual.dw_alone.values, actual.dw.values);
    EXPECT_TRUE(close(actual.db, expected.db, bounds(sums.db, y_pixels(g))));
    tightest = std::max(tightest, tightness(actual.dw, expected.dw, bounds(sums.dw, x_pixels(g))));
  }
  void TearDown() override { this->RecordProperty("tightness of dw", std::to_string(tightest)); }

  TestDevice<Cpu<double>> reference;
  double tightest = 0;
};
TYPED_TEST_SUITE(ImplicitGemm, TunedBackends);

// {{N, H, W, C, K, R}, channels before x, before y}. Tiles of pixels are 32, 128 and 256 high, chunks of the weights'
// gradient 256 pixels.
using Convolutions = std::vector<Case<Conv2dGeometry>>;

TYPED_TEST(ImplicitGemm, Conv2dInVectors) {
  for (const auto& one : Convolutions{{{1, 1, 1, 4, 4, 3}},           // smaller than every tile
                                      {{1, 1, 1, 8, 36, 1}, 8},       // the same, one depth stage
                                      {{1, 16, 16, 8, 32, 3}, 0, 4},  // one narrow tile to the pixel
                                      {{1, 257, 1, 4, 4, 3}, 8},      // one pixel over; images 1 wide
                                      {{1, 8, 16, 20, 64, 1}, 0, 8},  // one wide tile to the pixel
                                      {{1, 3, 43, 12, 68, 3}},        // one over in rows and columns
                                      {{3, 9, 11, 8, 44, 3}, 8, 4},   // tiles across images
                                      {{2, 19, 17, 8, 12, 3}, 12},    // several chunks
                                      {{1, 5, 7, 36, 132, 3}},        // three tiles of rows of dw
                                      {{2, 1, 150, 132, 16, 1}, 132}})
    this->expect_right(one);
}

TYPED_TEST(ImplicitGemm, Conv2dElementByElement) {
  for (const auto& one : Convolutions{{{1, 1, 1, 1, 1, 1}},
                                      {{2, 5, 7, 3, 5, 3}},
                                      {{1, 17, 16, 1, 32, 3}, 0, 1},
                                      {{1, 4, 8, 2, 32, 3}, 3},
                                      {{1, 3, 11, 33, 34, 3}},
                                      {{3, 13, 11, 6, 9, 3}, 1, 2},
                                      {{2, 9, 16, 16, 1, 1}, 0, 3},
                                      {{1, 21, 13, 32, 1, 1}, 32},
                                      {{1, 6, 5, 7, 1, 3}},
                                      {{2, 4, 3, 4, 8, 3}, 5},      // only the stride of x is odd
                                      {{2, 4, 3, 4, 8, 3}, 0, 1}})  // only the stride of y is odd
    this->expect_right(one);
}

// The first layer, psi and the head; all that has one channel on a side.
TYPED_TEST(ImplicitGemm, Conv2dFromAndToOneChannel) {
  for (const auto& one : Convolutions{{{1, 1, 1, 1, 4, 3}},
                                      {{1, 17, 31, 1, 32, 3}, 0, 4},  // 527 pixels: three chunks
                                      {{2, 3, 5, 1, 36, 3}, 2},       // channels in two tiles
                                      {{1, 257, 1, 1, 260, 1}},       // and in two slices
                                      {{3, 11, 17, 16, 1, 1}},
                                      {{1, 21, 13, 32, 1, 1}, 32, 1},
                                      {{2, 5, 9, 12, 1, 3}, 8},
                                      {{1, 2, 3, 260, 1, 1}},
                                      {{1, 3, 5, 1, 1, 3}}})
    this->expect_right(one);
}

// {{N, H, W, C, K}, channels before x, before y}
using TransposedConvolutions = std::vector<Case<ConvTranspose2dGeometry>>;

TYPED_TEST(ImplicitGemm, ConvTranspose2dInVectors) {
  for (const auto& one : TransposedConvolutions{{{1, 1, 1, 4, 4}},
                                                {{1, 2, 3, 16, 8}, 0, 8},
                                                {{3, 7, 9, 12, 20}, 4, 20},
                                                {{2, 13, 11, 36, 4}, 0, 8},
                                                {{1, 3, 43, 8, 36}, 8, 4},
                                                {{1, 257, 1, 4, 8}}})
    this->expect_right(one);
}

TYPED_TEST(ImplicitGemm, ConvTranspose2dElementByElement) {
  for (const auto& one : TransposedConvolutions{{{1, 1, 1, 1, 1}},
                                                {{2, 3, 5, 4, 6}, 0, 3},
                                                {{1, 4, 8, 7, 3}, 1},
                                                {{3, 5, 23, 33, 9}, 0, 2},
                                                {{1, 2, 2, 4, 4}, 3, 3}})
    this->expect_right(one);
}

// A pointer that 16-byte accesses cannot take, though all sizes could.
TYPED_TEST(ImplicitGemm, TakesUnalignedTensors) {
  const Conv2dGeometry g{1, 5, 6, 4, 8, 3};
  const Data<Conv2dGeometry> d(g, 22);
  Array shifted{"x", {0.0}};
  shifted.values.insert(shifted.values.end(), d.x.values.begin(), d.x.values.end());
  const auto x = upload<TypeParam>(this->device, shifted), w = upload<TypeParam>(this->device, d.w);
  auto y = poisoned<TypeParam>(this->device, g.pixels() * g.K);
  cuda::ffma::conv2d_forward(this->device, values(y.data(), g.pixels(), g.K), values(x.data() + 1, g.pixels(), g.C),
                             w.data(), {}, nullptr, g);
  const Results expected = run<Cpu<double>>(this->reference, Case<Conv2dGeometry>{g}, d);
  const Results sums = run<Cpu<double>>(this->reference, Case<Conv2dGeometry>{g}, magnitudes_of(d));
  EXPECT_TRUE(close(download<TypeParam>(this->device, "y", y), expected.y_without_bias,
                    bounds(sums.y_without_bias, forward_length(g))));
}

TYPED_TEST(ImplicitGemm, GivesTheSameBitsTwice) {
  const Case<Conv2dGeometry> one{{2, 19, 17, 8, 12, 3}, 12};
  const Data<Conv2dGeometry> d(one.g, 23);
  const Results first = run<TypeParam>(this->device, one, d), second = run<TypeParam>(this->device, one, d);
  for (const auto result : {&Results::y, &Results::dx, &Results::dx_added, &Results::dw, &Results::db}) {
    const auto &some = (first.*result).values, &other = (second.*result).values;
    ASSERT_EQ(some.size(), other.size());
    EXPECT_EQ(std::memcmp(some.data(), other.data(), some.size() * sizeof(double)), 0) << (first.*result).name;
  }
}

TYPED_TEST(ImplicitGemm, SaysWhatIsTooLarge) {
  float* none = nullptr;
  const Conv2dGeometry g{1 << 20, 1 << 10, 1 << 10, 4, 4, 3};
  EXPECT_THROW(cuda::ffma::conv2d_forward(this->device, values(none, g.pixels(), g.K), values(none, g.pixels(), g.C),
                                          none, {}, none, g),
               Error);
}

}  // namespace TEST_FILE
}  // namespace attnunet
