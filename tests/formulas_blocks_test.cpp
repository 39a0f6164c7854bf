// The lines of common/nn/double_conv.h and attention_gate.h, one after the other as they stand there, with the layers
// in them written out as plain loops.
#include "common/gradcheck/cases/attention_gate.h"
#include "common/gradcheck/cases/double_conv.h"
#include "support/formula.h"
#include "support/reference.h"

namespace attnunet {
namespace TEST_FILE {

using B = Cpu<double>;
using Values = std::vector<double>;

constexpr Index N = 2, H = 5, W = 3, n = N * H * W;

Array array(const Values& values) {
  return {"", values};
}

/// y, dx and dw of a convolution x [n, C] -> y [n, K] with an R x R kernel.
struct Conv {
  Index C, K, R;
  Array w;

  Conv2dGeometry g() const { return {N, H, W, C, K, R}; }
  Values y(const Values& x) const { return reference::conv2d_forward(g(), array(x), w, {}).values; }
  Values dx(const Values& dy) const { return reference::conv2d_backward_data(g(), array(dy), w).values; }
  Values dw(const Values& dy, const Values& x) const {
    return reference::conv2d_backward_weights(g(), array(dy), array(x)).dw.values;
  }
};

/// Batch norm in training of x [n, C].
struct Norm {
  Array gamma, beta;

  reference::BatchNorm forward(const Values& x) const {
    return reference::batch_norm_forward(array(x), gamma, beta, gamma, gamma);  // running statistics do not matter here
  }
  reference::BatchNormGradients backward(const Values& g, const Values& x) const {
    return reference::batch_norm_backward(array(g), array(x), forward(x), gamma);
  }
  Values y(const Values& x) const { return forward(x).y.values; }
  Values dx(const Values& g, const Values& x) const { return backward(g, x).dx.values; }
  Values dgamma(const Values& g, const Values& x) const { return backward(g, x).dgamma.values; }
  Values dbeta(const Values& g, const Values& x) const { return backward(g, x).dbeta.values; }
};

/// Element by element, of tensors of one size.
template <class Formula>
Values map(const Values& a, const Values& b, const Formula& formula) {
  return each(static_cast<Index>(a.size()), [&](Index i) { return formula(a.data()[i], b.data()[i]); });
}
Values plus(const Values& a, const Values& b) {
  return map(a, b, [](double p, double q) { return p + q; });
}
Values relu(const Values& x) {
  return map(x, x, [](double value, double) { return std::max(value, 0.0); });
}
/// relu'(dy; y)
Values relu_back(const Values& dy, const Values& y) {
  return map(dy, y, [](double d, double value) { return value > 0 ? d : 0.0; });
}

/// The input of that name, or the gradient of it.
const Array& named(const std::vector<Array>& arrays, const std::string& name) {
  for (const Array& candidate : arrays)
    if (candidate.name == name) return candidate;
  throw std::out_of_range(name);
}

/// A block's inputs, output and gradients.
struct Block {
  std::vector<Array> inputs, gradients;
  Array y, dy;

  explicit Block(const gradcheck::LayerCase& layer) : inputs(layer.inputs), y(layer.forward(inputs).outputs.at(0)) {
    Random random(2);
    dy = random_array("dy", static_cast<Index>(y.values.size()), random);
    gradients = layer.backward(inputs, {dy});
  }
  const Array& input(const std::string& name) const { return named(inputs, name); }
  const Array& gradient(const std::string& name) const { return named(gradients, name); }
  Norm norm(const std::string& name) const {
    return {input("block." + name + ".weight"), input("block." + name + ".bias")};
  }
};

/// Without dropout, whose formulas are tested by themselves.
struct DoubleConv : Block {
  Conv conv1{3, 4, 3, input("block.conv1.weight")}, conv2{4, 4, 3, input("block.conv2.weight")};
  Norm bn1 = norm("bn1"), bn2 = norm("bn2");
  Values x = input("x").values, a = conv1.y(x), h = relu(bn1.y(a)), b = conv2.y(h), out = relu(bn2.y(b));

  explicit DoubleConv(cpu::Device device = cpu::Device(1))
      : Block(gradcheck::double_conv_case<B>(device, {N, H, W, 3}, 4, 0, Pass{true, 5, 3}, 1, 1)) {}
};

TEST(Formula, DoubleConvY) {
  const DoubleConv at;
  expect_formula(at.y, at.out);
}

TEST(Formula, DoubleConvBackward) {
  const DoubleConv at;
  const Values d_bn2 = relu_back(at.dy.values, at.out), db = at.bn2.dx(d_bn2, at.b);
  expect_formula(at.gradient("block.bn2.weight"), at.bn2.dgamma(d_bn2, at.b));
  expect_formula(at.gradient("block.bn2.bias"), at.bn2.dbeta(d_bn2, at.b));
  expect_formula(at.gradient("block.conv2.weight"), at.conv2.dw(db, at.h));
  const Values d_bn1 = relu_back(at.conv2.dx(db), at.h), da = at.bn1.dx(d_bn1, at.a);
  expect_formula(at.gradient("block.bn1.weight"), at.bn1.dgamma(d_bn1, at.a));
  expect_formula(at.gradient("block.bn1.bias"), at.bn1.dbeta(d_bn1, at.a));
  expect_formula(at.gradient("block.conv1.weight"), at.conv1.dw(da, at.x));
  expect_formula(at.gradient("x"), at.conv1.dx(da));
}

struct AttentionGate : Block {
  static constexpr Index C = 4;
  Conv wg{C, C / 2, 1, input("block.wg.weight")}, wx{C, C / 2, 1, input("block.wx.weight")};
  Conv psi{C / 2, 1, 1, input("block.psi.weight")};
  Norm bn_g = norm("bn_g"), bn_x = norm("bn_x"), bn_psi = norm("bn_psi");
  Values g = input("g").values, x = input("x").values;
  Values a = wg.y(g), b = wx.y(x), s = relu(plus(bn_g.y(a), bn_x.y(b))), q = psi.y(s), z = bn_psi.y(q);
  Values alpha = map(z, z, [](double value, double) { return 1 / (1 + std::exp(-value)); });

  explicit AttentionGate(cpu::Device device = cpu::Device(1))
      : Block(gradcheck::attention_gate_case<B>(device, {N, H, W, C}, 1)) {}
  // t_pc alpha_p
  Values weighted(const Values& t) const {
    return each(n, C, [&](Index p, Index c) { return t.data()[p * C + c] * alpha.data()[p]; });
  }
};

TEST(Formula, AttentionGateOut) {
  const AttentionGate at;
  expect_formula(at.y, at.weighted(at.x));
}

TEST(Formula, AttentionGateBackward) {
  const AttentionGate at;
  constexpr Index C = AttentionGate::C;
  const Values dalpha = each(n, [&](Index p) {
    return sum(C, [&](Index c) { return at.dy.values.data()[p * C + c] * at.x.data()[p * C + c]; });
  });
  const Values dz = map(dalpha, at.alpha, [](double d, double alpha) { return d * alpha * (1 - alpha); });
  const Values dq = at.bn_psi.dx(dz, at.q);
  expect_formula(at.gradient("block.bn_psi.weight"), at.bn_psi.dgamma(dz, at.q));
  expect_formula(at.gradient("block.bn_psi.bias"), at.bn_psi.dbeta(dz, at.q));
  expect_formula(at.gradient("block.psi.weight"), at.psi.dw(dq, at.s));
  const Values ds = relu_back(at.psi.dx(dq), at.s);
  const Values da = at.bn_g.dx(ds, at.a), db = at.bn_x.dx(ds, at.b);
  expect_formula(at.gradient("block.bn_g.weight"), at.bn_g.dgamma(ds, at.a));
  expect_formula(at.gradient("block.bn_g.bias"), at.bn_g.dbeta(ds, at.a));
  expect_formula(at.gradient("block.bn_x.weight"), at.bn_x.dgamma(ds, at.b));
  expect_formula(at.gradient("block.bn_x.bias"), at.bn_x.dbeta(ds, at.b));
  expect_formula(at.gradient("block.wg.weight"), at.wg.dw(da, at.g));
  expect_formula(at.gradient("block.wx.weight"), at.wx.dw(db, at.x));
  expect_formula(at.gradient("g"), at.wg.dx(da));
  expect_formula(at.gradient("x"), plus(at.weighted(at.dy.values), at.wx.dx(db)));
}

}  // namespace TEST_FILE
}  // namespace attnunet
