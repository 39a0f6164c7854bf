// Both blocks, all networks and a short training against PyTorch in float64.
#include "common/nn/attention_unet.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/layer_cases.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;

Array in_our_layout(const TensorSpec& spec, const GoldenTensor& tensor) {
  Array array{spec.name, tensor.values};
  from_pytorch_layout(spec, array.values.data(), tensor.values.data());
  return array;
}

template <class B>
class GoldenNetwork : public SmallNetworkTest<B> {
 protected:
  // inputs are the first inputs of the case; then the block's parameters follow. Gradients: d + name, grad.name.
  void check_block(const gradcheck::LayerCase& block, const Architecture& architecture, const Golden& golden,
                   const std::vector<std::string>& inputs) {
    const auto plain = [](const std::string& name) { return name.substr(std::string("block.").size()); };
    std::vector<Array> values, expected;
    for (const std::string& name : inputs) {
      values.push_back(golden.array(name));
      expected.push_back(golden.array("d" + name));
    }
    for (const TensorSpec& spec : architecture.parameters) {
      values.push_back(in_our_layout(spec, golden.at(plain(spec.name))));
      expected.push_back(in_our_layout(spec, golden.at("grad." + plain(spec.name))));
    }
    double largest = 0;
    for (const Array& gradient : expected) largest = std::max(largest, largest_magnitude(gradient.values));
    expect_golden(block.forward(values).outputs[0], golden.array("y"), largest);
    const auto gradients = block.backward(values, {golden.array("dy")});
    ASSERT_EQ(gradients.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) expect_golden(gradients[i], expected[i], largest);
  }
};
TYPED_TEST_SUITE(GoldenNetwork, DoubleBackends);

TYPED_TEST(GoldenNetwork, DoubleConv) {
  for (const char* file : {"double_conv", "double_conv_one_channel"}) {
    SCOPED_TRACE(file);
    const Golden golden = read_golden(file);
    const Shape x = golden.shape("x");
    const Index K = golden.dimension("y", 3);
    const Pass pass{true, static_cast<std::uint64_t>(golden.number("seed")),
                    static_cast<std::uint32_t>(golden.number("step"))};
    const auto block = gradcheck::double_conv_case<TypeParam>(this->device, x, K, golden.number("rate"), pass,
                                                              static_cast<std::uint32_t>(golden.number("layer")), 1);
    this->check_block(block, double_conv_architecture(x.C, K), golden, {"x"});
  }
}

TYPED_TEST(GoldenNetwork, AttentionGate) {
  for (const char* file : {"attention_gate", "attention_gate_two_channels"}) {
    SCOPED_TRACE(file);
    const Golden golden = read_golden(file);
    const Shape x = golden.shape("x");
    this->check_block(gradcheck::attention_gate_case<TypeParam>(this->device, x, 1), attention_gate_architecture(x.C),
                      golden, {"g", "x"});
  }
}

// A network with the file's parameters and statistics, on the file's input, with the losses the trainer has.
template <class B>
struct GoldenRun {
  using T = typename B::Scalar;
  typename B::Device& device;
  const Golden& golden;
  Architecture architecture;
  AttentionUNet<B> network;
  Shape in;
  AttentionUNetTape<B> tape;
  typename B::template Buffer<T> target;
  typename B::template Buffer<double> bce, dice, sums;

  GoldenRun(typename B::Device& where, const Golden& file, Variant variant, Purpose purpose)
      : device(where),
        golden(file),
        architecture(make(file, variant)),
        network(where, architecture, purpose != Purpose::inference),
        in(file.shape("input")),
        tape(where, architecture, in.N, in.H, in.W, purpose),
        target(gradcheck::upload<B>(where, file.array("target"))),
        bce(where, in.N),
        dice(where, in.N),
        sums(where, 3 * in.N) {
    std::vector<double> parameters(static_cast<std::size_t>(architecture.parameter_elements), 0.0);
    std::vector<double> statistics(static_cast<std::size_t>(architecture.statistics_elements), 0.0);
    for (const TensorSpec& spec : architecture.parameters)
      from_pytorch_layout(spec, parameters.data() + spec.offset, file.at(spec.name).values.data());
    for (const TensorSpec& spec : architecture.statistics)
      from_pytorch_layout(spec, statistics.data() + spec.offset, file.at(spec.name).values.data());
    network.load(parameters, statistics);
    gradcheck::poison_memory<B>(device, tape.memory(), tape.bytes());
    const auto input = gradcheck::upload<B>(device, file.array("input"));
    copy_on_device(device, tape.input, input.data(), input.size());
  }

  static Architecture make(const Golden& file, Variant variant) {
    NetworkConfig config;
    config.variant = variant;
    config.base = static_cast<int>(file.number("base"));
    return make_architecture(config);
  }

  Array get(const T* source, Index n) {
    std::vector<T> host(static_cast<std::size_t>(n));
    copy_to_host(device, host.data(), source, n);
    return {"", std::vector<double>(host.begin(), host.end())};
  }
  Array part(const T* flat, const TensorSpec& spec) {
    Array array = get(flat + spec.offset, spec.size);
    array.name = spec.name;
    return array;
  }
  double mean(const typename B::template Buffer<double>& values) {
    std::vector<double> host(static_cast<std::size_t>(values.size()));
    copy_to_host(device, host.data(), values.data(), values.size());
    double sum = 0;
    for (const double value : host) sum += value;
    return sum / static_cast<double>(host.size());
  }

  // Forward, bce + dice, backward.
  void step(const Pass& pass) {
    network.forward(tape, pass);
    const Values<T> logits = tape.logit_values();
    bce_forward(device, bce.data(), logits, target.data(), in.N);
    dice_forward(device, dice.data(), sums.data(), logits, target.data(), in.N);
    bce_backward(device, tape.logit_gradients(), logits, target.data(), Write::set);
    dice_backward(device, tape.logit_gradients(), sums.data(), logits, target.data(), in.N, Write::add);
    network.backward(tape, pass);
  }
};

const char* const networks[] = {"attention3_1x16x24", "attention3_2x17x24", "attention4_1x37x33",
                                "attention4_2x19x32", "unet3_2x17x24",      "unet4_1x37x33"};

Variant variant_of(const std::string& file) {
  return parse<Variant>(file.substr(0, file.find('_')));
}

TYPED_TEST(GoldenNetwork, ForwardBackwardAndStatistics) {
  for (const char* file : networks) {
    SCOPED_TRACE(file);
    const Golden golden = read_golden(file);
    GoldenRun<TypeParam> run(this->device, golden, variant_of(file), Purpose::training_with_input_gradient);
    run.step(
        {true, static_cast<std::uint64_t>(golden.number("seed")), static_cast<std::uint32_t>(golden.number("step"))});

    std::vector<Array> expected{golden.array("grad.input")}, actual{run.get(run.tape.d_input, run.in.size())};
    for (const TensorSpec& spec : run.architecture.parameters) {
      expected.push_back(in_our_layout(spec, golden.at("grad." + spec.name)));
      actual.push_back(run.part(run.network.gradients(), spec));
    }
    double largest = 0;
    for (const Array& gradient : expected) largest = std::max(largest, largest_magnitude(gradient.values));
    for (std::size_t i = 0; i < expected.size(); ++i) expect_golden(actual[i], expected[i], largest);
    expect_golden(run.get(run.tape.logits, run.in.size()), golden.array("logits"), largest);
    expect_golden({"bce", {run.mean(run.bce)}}, golden.array("loss.bce"), largest);
    expect_golden({"bce+dice", {run.mean(run.bce) + run.mean(run.dice)}}, golden.array("loss.bce_dice"), largest);
    for (const TensorSpec& spec : run.architecture.statistics)
      expect_golden(run.part(run.network.statistics(), spec), golden.array("after." + spec.name), largest);
  }
}

TYPED_TEST(GoldenNetwork, Inference) {
  for (const char* file : networks) {
    SCOPED_TRACE(file);
    const Golden golden = read_golden(file);
    GoldenRun<TypeParam> run(this->device, golden, variant_of(file), Purpose::inference);
    run.network.forward(run.tape, {false, 0, 0});
    expect_golden(run.get(run.tape.logits, run.in.size()), golden.array("logits_eval"), 0);
    for (const TensorSpec& spec : run.architecture.statistics)
      EXPECT_EQ(run.part(run.network.statistics(), spec).values, golden.at(spec.name).values);  // not updated
  }
}

// Five steps of Adam, dropout included: errors may not build up.
TYPED_TEST(GoldenNetwork, Training) {
  using T = typename TypeParam::Scalar;
  const Golden golden = read_golden("training_attention3");
  GoldenRun<TypeParam> run(this->device, golden, Variant::attention3, Purpose::training);
  const Index n = run.architecture.parameter_elements;
  typename TypeParam::template Buffer<T> m(this->device, n), v(this->device, n);
  fill_zero(this->device, m.data(), n);
  fill_zero(this->device, v.data(), n);
  const auto losses = golden.at("losses").values;
  ASSERT_EQ(losses.size(), 5u);
  for (std::uint32_t step = 0; step < 5; ++step) {
    run.step({true, static_cast<std::uint64_t>(golden.number("seed")), step});
    AdamOptions options;
    options.lr = golden.number("lr");
    options.step = step + 1;
    adam_step(this->device, run.network.mutable_parameters(), m.data(), v.data(), run.network.gradients(), n, options);
    expect_golden({"loss", {run.mean(run.bce) + run.mean(run.dice)}}, {"loss", {losses[step]}}, 0);
  }
  for (const TensorSpec& spec : run.architecture.parameters)
    expect_golden(run.part(run.network.parameters(), spec), in_our_layout(spec, golden.at("after." + spec.name)), 1);
  for (const TensorSpec& spec : run.architecture.statistics)
    expect_golden(run.part(run.network.statistics(), spec), golden.array("after." + spec.name), 1);
}

}  // namespace TEST_FILE
}  // namespace attnunet
