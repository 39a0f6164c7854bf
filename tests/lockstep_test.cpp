// Blocks and networks, CPU against CUDA in float32, every operation on the CPU's inputs (support/lockstep.h): forward
// and backward, padding, dropout, training and inference. The CPU as its own companion shows that the harness hands
// over everything: there every output is the same.
#include <set>

#include "support/expect.h"
#include "support/layer_cases.h"
#include "support/lockstep_operations.h"

namespace attnunet {
namespace TEST_FILE {

template <class Companion>
class Lockstep : public BackendTest<Companion> {
 protected:
  using Backend = lockstep::Backend<Companion>;
  lockstep::Device<Companion> both;

  void pass(const gradcheck::LayerCase& block) {
    SCOPED_TRACE(block.name);
    Random random(3);
    const auto n = static_cast<Index>(block.forward(block.inputs).outputs[0].values.size());
    block.backward(block.inputs, {gradcheck::random_array("dy", n, random)});
  }
  void run_double_conv() {
    const Pass training{true, 5, 3};
    pass(gradcheck::double_conv_case<Backend>(both, {2, 6, 9, 3}, 4, 0.3, training, 1, 7));
    pass(gradcheck::double_conv_case<Backend>(both, {1, 5, 7, 1}, 2, 0.0, training, 1, 7));
    pass(gradcheck::double_conv_case<Backend>(both, {1, 9, 10, 33}, 40, 0.1, training, 1, 7));
  }
  void run_attention_gate() {
    pass(gradcheck::attention_gate_case<Backend>(both, {2, 6, 9, 4}, 7));
    pass(gradcheck::attention_gate_case<Backend>(both, {1, 5, 7, 2}, 7));
    pass(gradcheck::attention_gate_case<Backend>(both, {1, 9, 10, 66}, 7));
  }
  NetworkConfig config_of(Variant variant, int base) {
    NetworkConfig config;
    config.variant = variant;
    config.base = base;
    return config;
  }
  void run_training(Variant variant, int base, Index N, Index H, Index W) {
    pass(gradcheck::attention_unet_case<Backend>(both, config_of(variant, base), N, H, W, Pass{true, 5, 3}, 11));
  }
  void run_inference(Variant variant, int base, Index N, Index H, Index W) {
    const Architecture architecture = make_architecture(config_of(variant, base));
    AttentionUNet<Backend> network(both, architecture, false);
    AttentionUNetTape<Backend> tape(both, architecture, N, H, W, Purpose::inference);
    gradcheck::poison_memory<Backend>(both, tape.memory(), tape.bytes());
    std::vector<double> parameters, statistics;
    initial_values(architecture, 2, parameters, statistics);
    Random random(4);
    for (const TensorSpec& spec : architecture.statistics)
      for (Index i = spec.offset; i < spec.offset + spec.size; ++i)
        statistics[static_cast<std::size_t>(i)] =
            spec.kind == TensorKind::running_var ? random.uniform(0.5, 2) : 0.3 * random.normal();
    network.load(parameters, statistics);
    const auto images = gradcheck::upload<Backend>(both, gradcheck::random_array("", N * H * W, random, 0.5, 0.25));
    copy_on_device(both, tape.input, images.data(), images.size());
    network.forward(tape, Pass{false, 0, 0});
  }

  /// Everything agreed, and these outputs were compared.
  void expect_agreement(const std::vector<std::string>& expected) {
    EXPECT_TRUE(both.record.faults.empty()) << both.record.faults.size() << " faults, " << both.record.faults.front();
    for (const std::string& name : expected) EXPECT_GT(both.record.outputs[name].compared, 0) << name;
    EXPECT_EQ(both.record.outputs.size(), expected.size());
    for (const auto& [name, output] : both.record.outputs) {
      EXPECT_GT(output.largest, 0) << name << ": 0 against 0 proves nothing";
      this->RecordProperty("tightness of " + name, std::to_string(output.tightness));
      if (Companion::backend == attnunet::Backend::cpu) {
        EXPECT_EQ(output.tightness, 0) << name;
      }
    }
  }
};
TYPED_TEST_SUITE(Lockstep, FloatBackends);

using Names = std::vector<std::string>;

const Names double_conv_outputs = {"conv2d_statistics_forward y",
                                   "conv2d_statistics_forward mean",
                                   "conv2d_statistics_forward inv_std",
                                   "conv2d_statistics_forward running_mean",
                                   "conv2d_statistics_forward running_var",
                                   "batch_norm_relu_dropout_forward y",
                                   "batch_norm_relu_dropout_backward dx",
                                   "batch_norm_relu_dropout_backward dgamma",
                                   "batch_norm_relu_dropout_backward dbeta",
                                   "conv2d_backward_weights dw",
                                   "conv2d_backward_data dx"};
const Names gate_outputs = {"conv2d_forward y",
                            "batch_norm_forward y",
                            "batch_norm_forward mean",
                            "batch_norm_forward inv_std",
                            "batch_norm_forward running_mean",
                            "batch_norm_forward running_var",
                            "add_forward y",
                            "relu_forward y",
                            "sigmoid_forward y",
                            "attention_multiply_forward y",
                            "attention_multiply_backward dx",
                            "attention_multiply_backward dalpha",
                            "sigmoid_backward dx",
                            "relu_backward dx",
                            "batch_norm_backward dx",
                            "batch_norm_backward dgamma",
                            "batch_norm_backward dbeta",
                            "conv2d_backward_weights dw",
                            "conv2d_backward_data dx",
                            "conv2d_backward_data, adding dx"};
const Names network_outputs = {"max_pool_forward y",
                               "max_pool_forward argmax",
                               "max_pool_backward dx",
                               "conv_transpose2d_forward y",
                               "conv_transpose2d_backward_data dx",
                               "conv_transpose2d_backward_weights dw",
                               "conv_transpose2d_backward_weights db",
                               "conv2d_backward_weights db"};
const Names concat_outputs = {"concat_forward y", "concat_backward da", "concat_backward db"};
const Names padding_outputs = {"edge_pad_forward y", "edge_pad_backward dx", "crop_forward y", "crop_backward dx"};
const Names inference_outputs = {"edge_pad_forward y",
                                 "fold_batch_norm w",
                                 "fold_batch_norm beta",
                                 "conv2d_forward y",
                                 "conv2d_forward, adding y",
                                 "max_pool_forward y",
                                 "max_pool_forward argmax",
                                 "conv_transpose2d_forward y",
                                 "sigmoid_forward y",
                                 "attention_multiply_forward y",
                                 "crop_forward y"};

/// Each name once.
Names all_of(std::initializer_list<Names> lists) {
  std::set<std::string> names;
  for (const Names& list : lists) names.insert(list.begin(), list.end());
  return {names.begin(), names.end()};
}

TYPED_TEST(Lockstep, DoubleConv) {
  this->run_double_conv();
  this->expect_agreement(double_conv_outputs);
}
TYPED_TEST(Lockstep, AttentionGate) {
  this->run_attention_gate();
  this->expect_agreement(gate_outputs);
}
TYPED_TEST(Lockstep, Attention3) {
  this->run_training(Variant::attention3, 4, 2, 16, 24);
  this->expect_agreement(all_of({double_conv_outputs, gate_outputs, network_outputs}));
}
TYPED_TEST(Lockstep, Attention4OddSize) {
  this->run_training(Variant::attention4, 4, 2, 37, 19);
  this->expect_agreement(all_of({double_conv_outputs, gate_outputs, network_outputs, padding_outputs}));
}
// One pixel at the bottom, where a variance is 0 and the batch is all there is.
TYPED_TEST(Lockstep, Attention3SmallestSize) {
  this->run_training(Variant::attention3, 2, 1, 8, 8);
  this->expect_agreement(all_of({double_conv_outputs, gate_outputs, network_outputs}));
}
TYPED_TEST(Lockstep, PlainUNetOddSize) {
  this->run_training(Variant::unet3, 4, 2, 21, 16);
  this->expect_agreement(
      all_of({double_conv_outputs, network_outputs, concat_outputs, padding_outputs, {"conv2d_forward y"}}));
}
TYPED_TEST(Lockstep, Inference) {
  this->run_inference(Variant::attention3, 4, 2, 21, 24);
  this->run_inference(Variant::attention4, 2, 1, 16, 35);
  this->run_inference(Variant::unet3, 2, 1, 16, 8);
  this->expect_agreement(all_of({inference_outputs, {"concat_forward y"}}));
}

// A companion that is off in one element of one output by 1 in 1000 is found, whichever output it is. (Not in each
// call: where a sum all but cancels, 1 in 1000 of it may be within rounding.)
TYPED_TEST(Lockstep, FindsASmallError) {
  const auto expect_found = [this](const Names& outputs, const auto& run) {
    for (const std::string& name : outputs) {
      this->both.record = {};
      this->both.record.tampered = name;
      run();
      EXPECT_FALSE(this->both.record.faults.empty()) << name;
      for (const std::string& fault : this->both.record.faults) EXPECT_EQ(fault.rfind(name + "[", 0), 0u) << fault;
    }
  };
  const Pass training{true, 5, 3};
  using Backend = lockstep::Backend<TypeParam>;
  const auto block = gradcheck::double_conv_case<Backend>(this->both, {2, 6, 9, 3}, 4, 0.3, training, 1, 7);
  expect_found(double_conv_outputs, [&] { this->pass(block); });
  const auto gate = gradcheck::attention_gate_case<Backend>(this->both, {2, 6, 9, 4}, 7);
  expect_found(gate_outputs, [&] { this->pass(gate); });
  expect_found(all_of({network_outputs, padding_outputs}),
               [&] { this->run_training(Variant::attention3, 2, 1, 9, 16); });
  expect_found(concat_outputs, [&] { this->run_training(Variant::unet3, 2, 1, 8, 16); });
  expect_found({"fold_batch_norm w", "fold_batch_norm beta", "conv2d_forward, adding y"},
               [&] { this->run_inference(Variant::attention3, 2, 1, 16, 8); });
}

}  // namespace TEST_FILE
}  // namespace attnunet
