// Batch norm against PyTorch in float64: training, running statistics, inference.
#include "common/gradcheck/cases/batch_norm.h"
#include "cpu/batch_norm.h"
#include "cuda/batch_norm.h"
#include "support/backends.h"
#include "support/conv_methods.h"
#include "support/golden.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class GoldenBatchNorm : public BackendTest<B> {
 protected:
  static std::vector<Golden> files() { return {read_golden("batch_norm"), read_golden("batch_norm_one_channel")}; }
};
TYPED_TEST_SUITE(GoldenBatchNorm, DoubleBackendsAndReference);

TYPED_TEST(GoldenBatchNorm, Training) {
  for (const Golden& golden : this->files()) {
    const Shape x = golden.shape("x");
    const auto layer = gradcheck::batch_norm_case<Code<TypeParam>>(this->device, x.pixels(), x.C, 1);
    expect_golden_layer(layer, golden, {"x", "gamma", "beta"}, "y");
  }
}

TYPED_TEST(GoldenBatchNorm, RunningStatisticsAndInference) {
  using namespace gradcheck;
  using B = TypeParam;
  using T = typename B::Scalar;
  auto& device = this->device;
  for (const Golden& golden : this->files()) {
    const Shape shape = golden.shape("x");
    const Index pixels = shape.pixels(), C = shape.C;
    const auto x = upload<Code<B>>(device, golden.array("x"));
    const auto gamma = upload<Code<B>>(device, golden.array("gamma"));
    const auto beta = upload<Code<B>>(device, golden.array("beta"));
    auto running_mean = upload<Code<B>>(device, golden.array("running_mean"));
    auto running_var = upload<Code<B>>(device, golden.array("running_var"));
    auto y = poisoned<Code<B>>(device, shape.size());
    const RunningStatistics<T> running{running_mean.data(), running_var.data()};
    const BatchNormParameters<const T> parameters{gamma.data(), beta.data()};
    batch_norm_inference_forward(device, values(y.data(), shape), values(x.data(), shape), parameters, running);
    expect_golden(download<Code<B>>(device, "y_eval", y), golden.array("y_eval"), 0);

    auto mean = poisoned<Code<B>>(device, C), inv_std = poisoned<Code<B>>(device, C);
    auto workspace = poisoned<Code<B>>(device, batch_norm_workspace(device, pixels, C));
    batch_norm_forward(device, values(y.data(), shape), BatchStatistics<T>{mean.data(), inv_std.data()}, running,
                       values(x.data(), shape), parameters, workspace.data());
    expect_golden(download<Code<B>>(device, "mean", running_mean), golden.array("after.running_mean"), 0);
    expect_golden(download<Code<B>>(device, "var", running_var), golden.array("after.running_var"), 0);
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
