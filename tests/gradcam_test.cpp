#include "common/report/gradcam.h"

#include <optional>

#include "common/core/error.h"
#include "cpu/operations.h"
#include "cuda/operations.h"
#include "support/backends.h"
#include "support/files.h"
#include "support/golden.h"
#include "support/networks.h"

namespace attnunet::report {
namespace TEST_FILE {

constexpr int levels = 3, height = 17, width = 24;  // padded to 24 x 24
constexpr Index images = 2;

// Maps are floats, and the golden ones are divided by their largest value: a few float roundings of numbers up to 1.
// The input is rounded to float on the way, which a network of this size and these weights answers within the bound.
void expect_map(const std::vector<float>& actual, const std::vector<double>& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]);
    ASSERT_TRUE(error <= 3e-6) << what << ", pixel " << i << ": " << actual[i] << ", PyTorch " << expected[i];
  }
}

// The network of attention3_2x17x24 or unet3_2x17x24, in double or float, with another bias of its head.
template <class B>
class Gradcam : public SmallNetworkTest<B> {
 protected:
  using T = typename B::Scalar;

  Architecture architecture() const {
    NetworkConfig config;
    config.variant = variant;
    config.base = 2;
    return make_architecture(config);
  }
  /// With `shift` added to one parameter.
  void load(double head_bias, const std::string& shifted = "", Index element = 0, double shift = 0) {
    const Golden weights = read_golden(name_of(variant) + std::string("_2x17x24"));
    if (!network) network.emplace(this->device, architecture(), false);
    const Architecture& a = network->architecture();
    std::vector<double> parameters(static_cast<std::size_t>(a.parameter_elements), 0.0);
    std::vector<double> statistics(static_cast<std::size_t>(a.statistics_elements), 0.0);
    for (const TensorSpec& spec : a.parameters)
      from_pytorch_layout(spec, parameters.data() + spec.offset, weights.at(spec.name).values.data());
    for (const TensorSpec& spec : a.statistics)
      from_pytorch_layout(spec, statistics.data() + spec.offset, weights.at(spec.name).values.data());
    parameters[static_cast<std::size_t>(a.parameter("head.bias").offset)] = head_bias;
    if (!shifted.empty()) parameters[static_cast<std::size_t>(a.parameter(shifted).offset + element)] += shift;
    network->load(parameters, statistics);
  }

  void use(Variant other) {
    variant = other;
    network.reset();
    golden = read_golden(std::string("gradcam_") + name_of(other) + "_2x17x24");
    input.assign(golden.at("input").values.begin(), golden.at("input").values.end());
  }
  void SetUp() override {
    SmallNetworkTest<B>::SetUp();
    use(Variant::attention3);
  }

  void expect_pytorchs_maps() {
    const bool gated = architecture().config.gated();
    for (const std::string& layer : gradcam_layers(architecture().config)) {
      Explainer<B> explainer(this->device, architecture(), images, height, width, layer);
      for (const std::string which : {"lesion.", "nothing."}) {
        load(golden.number(which + "head_bias"));
        const std::vector<Explanation> explanations = explainer.explain(*network, input);
        ASSERT_EQ(explanations.size(), 2u);
        for (std::size_t n = 0; n < 2; ++n) {
          const std::string of_image = which + std::to_string(n) + ".";
          expect_map(explanations[n].gradcam, golden.at(of_image + layer).values, of_image + layer);
          ASSERT_EQ(explanations[n].attention.size(), gated ? levels : 0u);
          for (std::size_t i = 0; i < explanations[n].attention.size(); ++i) {
            const std::string name = of_image + "attention." + std::to_string(i);
            expect_map(explanations[n].attention[i], golden.at(name).values, name);
          }
          const std::vector<double>& logits = golden.at(which + "logits").values;
          for (std::size_t p = 0; p < explanations[n].logits.size(); ++p)
            ASSERT_NEAR(explanations[n].logits[p], logits[n * height * width + p], 3e-6 * (1 + std::abs(logits[p])));
        }
      }
    }
  }

  Variant variant;
  std::optional<AttentionUNet<B>> network;  // made by load, once a device is known to be there
  Golden golden;
  std::vector<float> input;
};
TYPED_TEST_SUITE(Gradcam, DoubleBackends);

TYPED_TEST(Gradcam, IsPyTorchsInEveryLayer) {
  this->expect_pytorchs_maps();
}
TYPED_TEST(Gradcam, IsPyTorchsInAPlainUNet) {
  this->use(Variant::unet3);
  this->expect_pytorchs_maps();
}

// beta of a block's last batch norm is added to every pixel of a channel before the last ReLU, so
// ds/dbeta_k = sum_ij ds/dA_ijk [A_ijk > 0], and the left side can be had by central differences.
TYPED_TEST(Gradcam, GradientOfTheScoreIsTheNumericOne) {
  using T = typename TypeParam::Scalar;
  const std::vector<std::string> layers = gradcam_layers(this->architecture().config);
  const double head_bias = this->golden.number("lesion.head_bias"), h = 1e-6;
  AttentionUNetTape<TypeParam> tape(this->device, this->architecture(), 1, height, width, Purpose::explanation);
  const Index P = height * width;
  std::vector<T> logits(P), gradient;
  const auto forward = [&] {
    const std::vector<T> image(this->input.begin(), this->input.begin() + P);
    copy_to_device(this->device, tape.input, image.data(), P);
    this->network->forward(tape, {false, 0, 0});
    copy_to_host(this->device, logits.data(), tape.logits, P);
  };
  int checked = 0;
  for (int number = 0; number < static_cast<int>(layers.size()); ++number) {
    const auto& block = tape.block(number);
    const Index size = block.H * block.W * block.K;
    this->load(head_bias);
    forward();
    const std::vector<float> share = score_gradient({logits.begin(), logits.end()});
    gradient.assign(share.begin(), share.end());
    copy_to_device(this->device, tape.d_logits, gradient.data(), P);
    std::vector<T> A(static_cast<std::size_t>(size)), dA(A.size());
    copy_to_host(this->device, dA.data(), this->network->backward_to_block(tape, number).data, size);
    copy_to_host(this->device, A.data(), block.y, size);
    for (Index k = 0; k < block.K; k += 3) {
      double analytic = 0;
      for (Index i = k; i < size; i += block.K)
        if (A[static_cast<std::size_t>(i)] > 0) analytic += dA[static_cast<std::size_t>(i)];
      const auto score = [&](double shift) {
        this->load(head_bias, layers[static_cast<std::size_t>(number)] + ".bn2.bias", k, shift);
        forward();
        double sum = 0;
        for (std::size_t p = 0; p < gradient.size(); ++p) sum += gradient[p] * logits[p];
        return sum;
      };
      const double numeric = (score(h) - score(-h)) / (2 * h);
      // A ReLU or an argmax may switch within h for a pixel or two of hundreds.
      EXPECT_NEAR(analytic, numeric, 1e-6 * (1 + std::abs(analytic))) << layers[static_cast<std::size_t>(number)] << k;
      ++checked;
    }
  }
  EXPECT_GT(checked, 10);
}

template <class B>
class GradcamPass : public Gradcam<B> {};
TYPED_TEST_SUITE(GradcamPass, AllBackends);

// Whatever lies beside an image and whatever ran before: the same bits.
TYPED_TEST(GradcamPass, DependsOnTheImageAlone) {
  this->load(this->golden.number("lesion.head_bias"));
  const Architecture architecture = this->architecture();
  Explainer<TypeParam> two(this->device, architecture, 2, height, width, "encoder.1");
  Explainer<TypeParam> one(this->device, architecture, 1, height, width, "encoder.1");
  const std::vector<Explanation> both = two.explain(*this->network, this->input);
  const std::vector<float> second(this->input.begin() + height * width, this->input.end());
  for (const auto& alone : {one.explain(*this->network, second), two.explain(*this->network, second)}) {
    ASSERT_EQ(alone.size(), 1u);
    EXPECT_EQ(alone[0].logits, both[1].logits);
    EXPECT_EQ(alone[0].gradcam, both[1].gradcam);
    EXPECT_EQ(alone[0].attention, both[1].attention);
  }
}

TEST(GradcamLayer, UnknownOneIsNamed) {
  NetworkConfig config;
  config.variant = Variant::attention3;
  EXPECT_EQ(gradcam_block(config, "bottleneck"), 3);
  EXPECT_EQ(gradcam_block(config, "decoder.0"), 6);
  const std::string message = message_of<UsageError>([&] { gradcam_block(config, "encoder.3"); });
  EXPECT_NE(message.find("encoder.3"), std::string::npos);
  EXPECT_NE(message.find("encoder.2, bottleneck, decoder.2"), std::string::npos);
}

TEST(GradcamMap, IsItsDefinition) {
  // Two pixels, two channels: w = (mean of 1, 3) = 2 and (mean of -1, -3) = -2.
  const float A[] = {3, 1, 1, 4}, dA[] = {1, -1, 3, -3};
  EXPECT_EQ(gradcam_map(A, dA, 2, 2), (std::vector<float>{1, 0}));  // 4 and relu(-6), divided by 4
  const float negative[] = {-1, -1, -1, -1};
  EXPECT_EQ(gradcam_map(A, negative, 2, 2), (std::vector<float>{0, 0}));
  EXPECT_EQ(score_gradient({-1, 2, 0, 3}), (std::vector<float>{0, 0.5f, 0, 0.5f}));
  EXPECT_EQ(score_gradient({-1, 0}), (std::vector<float>{0.5f, 0.5f}));
}

}  // namespace TEST_FILE
}  // namespace attnunet::report
