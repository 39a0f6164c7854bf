// The derivations of the blocks (src/common/nn/double_conv.h, attention_gate.h) as formulas_test.cpp has the layers'.
#include "common/gradcheck/cases/attention_gate.h"
#include "common/gradcheck/cases/double_conv.h"
#include "cpu/operations.h"
#include "support/backends.h"
#include "support/formulas.h"

namespace attnunet {
namespace {

using namespace gradcheck;
using namespace formulas;
using B = Cpu<double>;

cpu::Device device(1);

/// gamma xhat + beta with the batch's statistics.
Values normalised(const Values& x, const Values& gamma, const Values& beta) {
  const std::size_t C = gamma.size();
  const Norm norm(x, x, C);
  return each(x.size(), [&](std::size_t i) { return gamma[i % C] * norm.xhat[i] + beta[i % C]; });
}

TEST(FormulaDoubleConv, ForwardAndBackward) {
  const Ran ran(double_conv_case<B>(device, {2, 3, 5, 2}, 3, 0.3, Pass{true, 5, 3}, 1, 2));
  const auto p = [&](const char* name) { return ran.in.at(std::string("block.") + name); };
  const auto d = [&](const char* name) { return ran.d.at(std::string("block.") + name); };
  const Convolution conv1(Conv2dGeometry{2, 3, 5, 2, 3, 3}), conv2(Conv2dGeometry{2, 3, 5, 3, 3, 3});
  const Values& x = ran.in.at("x");
  Values m(90, 1.0);
  dropout_forward(device, m.data(), m.data(), 0.3, DropoutKey{5, 1, 3}, 90);
  const Values a = conv1.forward(x, p("conv1.weight"), {});
  const Values z = normalised(a, p("bn1.weight"), p("bn1.bias"));
  const Values h = each(90, [&](std::size_t i) { return std::max(z[i], 0.0) * m[i]; });
  const Values b = conv2.forward(h, p("conv2.weight"), {});
  const Values y = normalised(b, p("bn2.weight"), p("bn2.bias"));
  expect_formula(ran.out.at("y"), each(90, [&](std::size_t i) { return std::max(y[i], 0.0); }));

  const Values g2 = each(90, [&](std::size_t i) { return y[i] > 0 ? ran.d.at("y")[i] : 0; });
  const Values db = Norm(b, g2, 3).dx(g2, p("bn2.weight"));
  expect_formula(d("conv2.weight"), conv2.dw(db, h));
  const Values dh = conv2.dx(db, p("conv2.weight"));
  const Values g1 = each(90, [&](std::size_t i) { return z[i] > 0 ? dh[i] * m[i] : 0; });
  const Values da = Norm(a, g1, 3).dx(g1, p("bn1.weight"));
  expect_formula(d("conv1.weight"), conv1.dw(da, x));
  expect_formula(ran.d.at("x"), conv1.dx(da, p("conv1.weight")));
}

TEST(FormulaAttentionGate, ForwardAndBackward) {
  const Ran ran(attention_gate_case<B>(device, {2, 3, 5, 4}, 2));
  const auto p = [&](const char* name) { return ran.in.at(std::string("block.") + name); };
  const auto d = [&](const char* name) { return ran.d.at(std::string("block.") + name); };
  const Convolution half(Conv2dGeometry{2, 3, 5, 4, 2, 1}), one(Conv2dGeometry{2, 3, 5, 2, 1, 1});
  const Values &g = ran.in.at("g"), &x = ran.in.at("x"), &d_out = ran.d.at("out");
  const Values a = half.forward(g, p("wg.weight"), {}), b = half.forward(x, p("wx.weight"), {});
  const Values of_g = normalised(a, p("bn_g.weight"), p("bn_g.bias"));
  const Values of_x = normalised(b, p("bn_x.weight"), p("bn_x.bias"));
  const Values s = each(60, [&](std::size_t i) { return std::max(of_g[i] + of_x[i], 0.0); });
  const Values q = one.forward(s, p("psi.weight"), {});
  const Values z = normalised(q, p("bn_psi.weight"), p("bn_psi.bias"));
  const Values alpha = each(30, [&](std::size_t i) { return 1 / (1 + std::exp(-z[i])); });
  expect_formula(ran.out.at("out"), each(120, [&](std::size_t i) { return x[i] * alpha[i / 4]; }));

  Values dalpha(30);
  for (std::size_t i = 0; i < 120; ++i) dalpha[i / 4] += d_out[i] * x[i];
  const Values dz = each(30, [&](std::size_t i) { return dalpha[i] * alpha[i] * (1 - alpha[i]); });
  const Values dq = Norm(q, dz, 1).dx(dz, p("bn_psi.weight"));
  expect_formula(d("psi.weight"), one.dw(dq, s));
  const Values from_psi = one.dx(dq, p("psi.weight"));
  const Values ds = each(60, [&](std::size_t i) { return s[i] > 0 ? from_psi[i] : 0; });
  const Values da = Norm(a, ds, 2).dx(ds, p("bn_g.weight")), db = Norm(b, ds, 2).dx(ds, p("bn_x.weight"));
  expect_formula(d("wg.weight"), half.dw(da, g));
  expect_formula(d("wx.weight"), half.dw(db, x));
  expect_formula(ran.d.at("g"), half.dx(da, p("wg.weight")));
  const Values through_wx = half.dx(db, p("wx.weight"));
  expect_formula(ran.d.at("x"), each(120, [&](std::size_t i) { return d_out[i] * alpha[i / 4] + through_wx[i]; }));
}

}  // namespace
}  // namespace attnunet
