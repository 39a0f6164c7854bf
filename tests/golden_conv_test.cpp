// Both convolutions against PyTorch in float64.
#include "common/gradcheck/cases/conv2d.h"
#include "common/gradcheck/cases/conv_transpose2d.h"
#include "cpu/conv2d.h"
#include "cpu/conv_transpose2d.h"
#include "cuda/conv2d.h"
#include "cuda/conv_transpose2d.h"
#include "support/backends.h"
#include "support/conv_methods.h"
#include "support/golden.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class GoldenConv : public BackendTest<B> {};
TYPED_TEST_SUITE(GoldenConv, DoubleBackendsAndReference);

TYPED_TEST(GoldenConv, Conv2d) {
  for (const char* name : {"conv2d_3x3", "conv2d_3x3_wide", "conv2d_3x3_bias", "conv2d_1x1", "conv2d_1x1_bias"}) {
    SCOPED_TRACE(name);
    Golden golden = read_golden(name);
    const Shape x = golden.shape("x");
    const Conv2dGeometry g{x.N, x.H, x.W, x.C, golden.dimension("w", 0), golden.dimension("w", 2)};
    for (const char* weights : {"w", "dw"}) golden.tensors[weights] = conv_weights_to_ours(golden.at(weights));
    const bool bias = golden.tensors.count("b") > 0;
    const auto layer = gradcheck::conv2d_case<Code<TypeParam>>(this->device, g, bias, 1);
    expect_golden_layer(layer, golden,
                        bias ? std::vector<std::string>{"x", "w", "b"} : std::vector<std::string>{"x", "w"}, "y");
  }
}

TYPED_TEST(GoldenConv, ConvTranspose2d) {
  for (const char* name : {"conv_transpose2d", "conv_transpose2d_one_channel"}) {
    SCOPED_TRACE(name);
    Golden golden = read_golden(name);
    const Shape x = golden.shape("x");
    const ConvTranspose2dGeometry g{x.N, x.H, x.W, x.C, golden.dimension("w", 1)};
    for (const char* weights : {"w", "dw"})
      golden.tensors[weights] = conv_transpose_weights_to_ours(golden.at(weights));
    const auto layer = gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, g, true, 1);
    expect_golden_layer(layer, golden, {"x", "w", "b"}, "y");
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
