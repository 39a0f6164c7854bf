// The formulas of the layers that compute element by element or move pixels, each as it stands in its header in
// src/cpu. Those that only move numbers must give the very same ones; they pass the common bound all the more.
#include "common/core/philox.h"
#include "common/gradcheck/cases/add.h"
#include "common/gradcheck/cases/attention_multiply.h"
#include "common/gradcheck/cases/concat.h"
#include "common/gradcheck/cases/crop.h"
#include "common/gradcheck/cases/dropout.h"
#include "common/gradcheck/cases/edge_pad.h"
#include "common/gradcheck/cases/max_pool.h"
#include "common/gradcheck/cases/relu.h"
#include "common/gradcheck/cases/sigmoid.h"
#include "support/formula.h"

namespace attnunet {
namespace TEST_FILE {

using B = Cpu<double>;

// A layer's inputs, its output, and the gradients that an upstream dy gives.
struct Results {
  std::vector<Array> inputs;
  Array y, dy;
  std::vector<std::uint8_t> active_set;
  std::vector<Array> gradients;
};

template <class MakeCase>
Results run(const MakeCase& make_case, ConvMethod method = ConvMethod::automatic) {
  cpu::Device device(1, method);
  const gradcheck::LayerCase layer = make_case(device);
  const gradcheck::Forward forward = layer.forward(layer.inputs);
  Random random(2);
  const Array dy = random_array("dy", static_cast<Index>(forward.outputs[0].values.size()), random);
  return {layer.inputs, forward.outputs[0], dy, forward.active_set, layer.backward(layer.inputs, {dy})};
}

constexpr Index n = 35;

Results relu() {
  return run([](auto& device) { return gradcheck::relu_case<B>(device, n, 1); });
}

TEST(Formula, ReluY) {
  const Results at = relu();
  const Tensor x(at.inputs[0], n);
  expect_formula(at.y, each(n, [&](Index i) { return x(i) <= 0 ? 0.0 : x(i); }));
}

TEST(Formula, ReluDx) {
  const Results at = relu();
  const Tensor y(at.y, n), dy(at.dy, n);
  expect_formula(at.gradients[0], each(n, [&](Index i) { return y(i) <= 0 ? 0.0 : dy(i); }));
}

Results sigmoid() {
  return run([](auto& device) { return gradcheck::sigmoid_case<B>(device, n, 1); });
}

TEST(Formula, SigmoidY) {
  const Results at = sigmoid();
  const Tensor x(at.inputs[0], n);
  expect_formula(at.y, each(n, [&](Index i) { return 1 / (1 + std::exp(-x(i))); }));
  expect_formula(at.y, each(n, [&](Index i) { return std::exp(x(i)) / (1 + std::exp(x(i))); }));
}

TEST(Formula, SigmoidDx) {
  const Results at = sigmoid();
  const Tensor x(at.inputs[0], n), y(at.y, n), dy(at.dy, n);
  expect_formula(at.gradients[0], each(n, [&](Index i) { return dy(i) * y(i) * (1 - y(i)); }));
  expect_formula(at.gradients[0], each(n, [&](Index i) {
                   const double e = std::exp(-x(i));
                   return dy(i) * e / ((1 + e) * (1 + e));
                 }));
}

// 1 / (1 - 0.2) is exact in float32, which the factor is rounded to.
constexpr double rate = 0.2;
const DropoutKey key{11, 3, 6};

double mask(Index i) {
  const auto element = static_cast<std::uint32_t>(i);
  const std::uint32_t word = philox4x32({{element / 4, 0, key.layer, key.step}}, key.seed).word[element % 4];
  return word >= std::round(rate * 0x1p32) ? 1 / (1 - rate) : 0.0;
}

// The plain loops and the method that draws many words at once.
std::vector<Results> dropouts() {
  std::vector<Results> runs;
  for (const ConvMethod method : {ConvMethod::reference, ConvMethod::automatic})
    runs.push_back(run([](auto& device) { return gradcheck::dropout_case<B>(device, n, {rate, key}, 1); }, method));
  return runs;
}

TEST(Formula, DropoutY) {
  for (const Results& at : dropouts()) {
    const Tensor x(at.inputs[0], n);
    expect_formula(at.y, each(n, [&](Index i) { return x(i) * mask(i); }));
  }
}

TEST(Formula, DropoutDx) {
  for (const Results& at : dropouts()) {
    const Tensor dy(at.dy, n);
    expect_formula(at.gradients[0], each(n, [&](Index i) { return dy(i) * mask(i); }));
  }
}

TEST(Formula, AddY) {
  const Results at = run([](auto& device) { return gradcheck::add_case<B>(device, n, 1); });
  const Tensor a(at.inputs[0], n), b(at.inputs[1], n);
  expect_formula(at.y, each(n, [&](Index i) { return a(i) + b(i); }));
}

// da = db = dy: L = sum dy y, which is linear, grows by dy_i where a_i or b_i grows by 1.
TEST(Formula, AddDaDb) {
  cpu::Device device(1);
  const auto layer = gradcheck::add_case<B>(device, n, 1);
  const Results at = run([](auto& other) { return gradcheck::add_case<B>(other, n, 1); });
  const Tensor y(at.y, n), dy(at.dy, n);
  for (const std::size_t input : {0, 1})
    expect_formula(at.gradients[input], each(n, [&](Index i) {
                     auto moved = at.inputs;
                     moved[input].values.data()[i] += 1;
                     const Array moved_array = layer.forward(moved).outputs[0];
                     const Tensor moved_y(moved_array, n);
                     return sum(n, [&](Index j) { return dy(j) * (moved_y(j) - y(j)); });
                   }));
}

constexpr Index pixels = 14, C = 5;

Results attention_multiply() {
  return run([](auto& device) { return gradcheck::attention_multiply_case<B>(device, pixels, C, 1); });
}

TEST(Formula, AttentionMultiplyY) {
  const Results at = attention_multiply();
  const Tensor x(at.inputs[0], C), alpha(at.inputs[1], 1);
  expect_formula(at.y, each(pixels, C, [&](Index p, Index c) { return x(p, c) * alpha(p); }));
}

TEST(Formula, AttentionMultiplyDx) {
  const Results at = attention_multiply();
  const Tensor alpha(at.inputs[1], 1), dy(at.dy, C);
  expect_formula(at.gradients[0], each(pixels, C, [&](Index p, Index c) { return dy(p, c) * alpha(p); }));
}

TEST(Formula, AttentionMultiplyDalpha) {
  const Results at = attention_multiply();
  const Tensor x(at.inputs[0], C), dy(at.dy, C);
  expect_formula(at.gradients[1],
                 each(pixels, [&](Index p) { return sum(C, [&](Index c) { return dy(p, c) * x(p, c); }); }));
}

constexpr Index Ca = 3, Cb = 4;

Results concat() {
  return run([](auto& device) { return gradcheck::concat_case<B>(device, pixels, Ca, Cb, 1); });
}

TEST(Formula, ConcatY) {
  const Results at = concat();
  const Tensor a(at.inputs[0], Ca), b(at.inputs[1], Cb);
  expect_formula(at.y, each(pixels, Ca + Cb, [&](Index p, Index c) { return c < Ca ? a(p, c) : b(p, c - Ca); }));
}

TEST(Formula, ConcatDaDb) {
  const Results at = concat();
  const Tensor dy(at.dy, Ca + Cb);
  expect_formula(at.gradients[0], each(pixels, Ca, [&](Index p, Index c) { return dy(p, c); }));
  expect_formula(at.gradients[1], each(pixels, Cb, [&](Index p, Index c) { return dy(p, Ca + c); }));
}

// An odd height: the last row has no window.
constexpr Shape pooled_from{2, 5, 6, 3};

Results max_pool() {
  return run([](auto& device) { return gradcheck::max_pool_case<B>(device, pooled_from, 1); });
}

TEST(Formula, MaxPoolY) {
  const Results at = max_pool();
  const Tensor x(at.inputs[0], 5, 6, 3);
  expect_formula(at.y, each(2, 2, 3, 3, [&](Index image, Index i, Index j, Index c) {
                   return std::max({x(image, 2 * i, 2 * j, c), x(image, 2 * i, 2 * j + 1, c),
                                    x(image, 2 * i + 1, 2 * j, c), x(image, 2 * i + 1, 2 * j + 1, c)});
                 }));
}

TEST(Formula, MaxPoolArgmax) {
  const Results at = max_pool();
  const Tensor x(at.inputs[0], 5, 6, 3);
  const Array argmax{"argmax", std::vector<double>(at.active_set.begin(), at.active_set.end())};
  expect_formula(
      argmax, each(2, 2, 3, 3, [&](Index image, Index i, Index j, Index c) {
        Index best = 0;
        for (Index place = 1; place < 4; ++place)
          if (x(image, 2 * i + place / 2, 2 * j + place % 2, c) > x(image, 2 * i + best / 2, 2 * j + best % 2, c))
            best = place;
        return static_cast<double>(best);
      }));
}

TEST(Formula, MaxPoolDx) {
  const Results at = max_pool();
  const Array argmax_array{"argmax", std::vector<double>(at.active_set.begin(), at.active_set.end())};
  const Tensor argmax(argmax_array, 2, 3, 3), dy(at.dy, 2, 3, 3);
  expect_formula(at.gradients[0], each(2, 5, 6, 3, [&](Index image, Index row, Index column, Index c) {
                   const Index i = row / 2, r = row % 2, j = column / 2, s = column % 2;
                   if (i >= 2) return 0.0;
                   return static_cast<double>(2 * r + s) == argmax(image, i, j, c) ? dy(image, i, j, c) : 0.0;
                 }));
}

constexpr Index h = 3, w = 5, H = 6, W = 7;

Results edge_pad() {
  return run([](auto& device) { return gradcheck::edge_pad_case<B>(device, {2, h, w, 3}, H, W, 1); });
}

TEST(Formula, EdgePadY) {
  const Results at = edge_pad();
  const Tensor x(at.inputs[0], h, w, 3);
  expect_formula(at.y, each(2, H, W, 3, [&](Index image, Index i, Index j, Index c) {
                   return x(image, std::min(i, h - 1), std::min(j, w - 1), c);
                 }));
}

TEST(Formula, EdgePadDx) {
  const Results at = edge_pad();
  const Tensor dy(at.dy, H, W, 3);
  expect_formula(at.gradients[0], each(2, h, w, 3, [&](Index image, Index a, Index b, Index c) {
                   return sum(H, W, 1, [&](Index i, Index j, Index) {
                     return std::min(i, h - 1) == a && std::min(j, w - 1) == b ? dy(image, i, j, c) : 0.0;
                   });
                 }));
}

Results crop() {
  return run([](auto& device) { return gradcheck::crop_case<B>(device, {2, h, w, 3}, H, W, 1); });
}

TEST(Formula, CropY) {
  const Results at = crop();
  const Tensor x(at.inputs[0], H, W, 3);
  expect_formula(at.y, each(2, h, w, 3, [&](Index image, Index i, Index j, Index c) { return x(image, i, j, c); }));
}

TEST(Formula, CropDx) {
  const Results at = crop();
  const Tensor dy(at.dy, h, w, 3);
  expect_formula(at.gradients[0], each(2, H, W, 3, [&](Index image, Index i, Index j, Index c) {
                   return i < h && j < w ? dy(image, i, j, c) : 0.0;
                 }));
}

}  // namespace TEST_FILE
}  // namespace attnunet
