// The planning backend records what the real operations read, write and need. That the networks' plans hold is tested
// where networks run: on poisoned memory, against numeric gradients and PyTorch's numbers.
#include "common/nn/planning.h"

#include "common/nn/attention_unet.h"
#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/files.h"
#include "support/networks.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class PlanningBackend : public BackendTest<B> {
 protected:
  using T = typename B::Scalar;
  MemoryPlan plan;
  planning::Device<B> recorder{this->device, plan};
  const Conv2dGeometry conv{1, 4, 4, 2, 2, 3};
  T *x_memory, *y_memory, *dx_memory, *dy_memory, *alpha_memory, *dalpha_memory;
  Values<T> x, y, alpha;
  Gradients<T> dx, dy, dalpha;
  T* outside = static_cast<T*>(plan.outside(1000));

  void SetUp() override {
    BackendTest<B>::SetUp();
    const Index pixels = conv.pixels();
    const auto add = [&](const char* name, T*& memory, Index channels) {
      plan.add(name, memory, pixels * channels);
      return memory;
    };
    x = {add("x", x_memory, 2), pixels, 2};
    y = {add("y", y_memory, 2), pixels, 2};
    alpha = {add("alpha", alpha_memory, 1), pixels, 1};
    dx = {add("dx", dx_memory, 2), pixels, 2};
    dy = {add("dy", dy_memory, 2), pixels, 2};
    dalpha = {add("dalpha", dalpha_memory, 1), pixels, 1};
    plan.begin(0);
  }
  template <class Call>
  void expect_unwritten(const std::string& operation, const std::string& tensor, Call&& call) {
    EXPECT_EQ(message_of<std::logic_error>(call),
              "memory plan: " + operation + " reads " + tensor + ", which nothing has written");
  }
};
TYPED_TEST_SUITE(PlanningBackend, AllBackends);

// A pass that reads what no operation wrote cannot be planned, and the operation is named.
TYPED_TEST(PlanningBackend, NamesTheOperationThatReadsWhatNobodyWrote) {
  auto& recorder = this->recorder;
  const auto &x = this->x, &y = this->y;
  this->expect_unwritten("relu_forward", "x", [&] { relu_forward(recorder, y, x); });
  planning::caller_fills(recorder, x.data);
  relu_forward(recorder, y, x);
  relu_forward(recorder, y, y);  // in place
  this->expect_unwritten("the caller", "dx", [&] { planning::caller_reads(recorder, x.data, this->dx.data); });
  this->plan.begin(1);
  this->expect_unwritten("relu_forward", "x", [&] { relu_forward(recorder, y, x); });
}

TYPED_TEST(PlanningBackend, AddingReadsTheDestination) {
  using T = typename TypeParam::Scalar;
  const T* w = this->outside;
  planning::caller_fills(this->recorder, this->x.data, this->dy.data);
  const auto backward = [&](Write write) {
    conv2d_backward_data(this->recorder, this->dx, this->dy, w, this->outside, this->conv, write);
  };
  const auto forward = [&](Write write) {
    conv2d_forward(this->recorder, this->y, this->x, w, Epilogue<T>{w, write, Activation::relu}, this->outside,
                   this->conv);
  };
  this->expect_unwritten("conv2d_backward_data", "dx", [&] { backward(Write::add); });
  this->expect_unwritten("conv2d_forward", "y", [&] { forward(Write::add); });
  backward(Write::set);
  forward(Write::set);
  backward(Write::add);
  forward(Write::add);
}

// That a view is mutable tells nothing: what counts is whether the operation takes it as const.
TYPED_TEST(PlanningBackend, KnowsWhatAnOperationWrites) {
  auto& recorder = this->recorder;
  const auto backward = [this] {
    attention_multiply_backward(this->recorder, this->dx, this->dalpha, this->dy, this->x, this->alpha);
  };
  this->expect_unwritten("attention_multiply_backward", "dy", backward);
  planning::caller_fills(recorder, this->dy.data);
  this->expect_unwritten("attention_multiply_backward", "x", backward);
  planning::caller_fills(recorder, this->x.data);
  this->expect_unwritten("attention_multiply_backward", "alpha", backward);
  planning::caller_fills(recorder, this->alpha.data);
  backward();
  planning::caller_reads(recorder, this->dx.data, this->dalpha.data);
}

// Statistics are written by forward and read by backward, one inside of a larger argument.
TYPED_TEST(PlanningBackend, KnowsTheMembersOfArguments) {
  using T = typename TypeParam::Scalar;
  auto& recorder = this->recorder;
  const BatchNormParameters<T> parameters{this->outside, this->outside};
  const RunningStatistics<T> running{this->outside, this->outside};
  BatchStatistics<T> batch{};
  this->plan.add("mean", batch.mean, 2);
  this->plan.add("inv_std", batch.inv_std, 2);
  const BatchNormSaved<T> saved{this->x, batch, parameters};
  const auto backward = [&] { batch_norm_backward(recorder, this->dx, parameters, this->dy, saved, this->outside); };
  planning::caller_fills(recorder, this->dy.data);
  this->expect_unwritten("batch_norm_backward", "x", backward);
  planning::caller_fills(recorder, this->x.data);
  this->expect_unwritten("batch_norm_backward", "mean", backward);
  planning::caller_fills(recorder, batch.mean);
  this->expect_unwritten("batch_norm_backward", "inv_std", backward);
  this->plan.begin(0);
  planning::caller_fills(recorder, this->dy.data, this->x.data);
  batch_norm_forward(recorder, this->y, batch, running, this->x, parameters, this->outside);
  backward();
}

TYPED_TEST(PlanningBackend, TensorsMustBeAddedToThePlan) {
  using T = typename TypeParam::Scalar;
  auto& recorder = this->recorder;
  planning::caller_fills(recorder, this->x.data);
  T elsewhere = 0;
  const Values<T> forgotten{nullptr, 16, 2}, strange{&elsewhere, 1, 1};
  EXPECT_THROW(relu_forward(recorder, forgotten, this->x), std::logic_error);
  EXPECT_THROW(relu_forward(recorder, this->y, strange), std::logic_error);
  relu_forward(recorder, this->y, this->x);
}

TYPED_TEST(PlanningBackend, AsksForTheWorkspaceOfTheRealOperation) {
  using T = typename TypeParam::Scalar;
  const T* w = this->outside;
  planning::caller_fills(this->recorder, this->x.data);
  const Conv2dGeometry large{3, 16, 16, 4, 8, 3};
  for (const Conv2dGeometry& g : {large, this->conv})
    conv2d_forward(this->recorder, this->y, this->x, w, Epilogue<T>{}, this->outside, g);
  this->plan.place();
  const Index bytes = conv2d_workspace(this->device, large) * static_cast<Index>(sizeof(T));
  EXPECT_GE(this->plan.bytes() - this->plan.workspace_offset(), bytes);
  EXPECT_LT(this->plan.bytes() - this->plan.workspace_offset(), bytes + 256);
}

}  // namespace TEST_FILE
}  // namespace attnunet
