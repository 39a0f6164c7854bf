// The formulas of cpu/conv2d.h and cpu/conv_transpose2d.h, each as it stands there.
#include "common/gradcheck/cases/conv2d.h"
#include "common/gradcheck/cases/conv_transpose2d.h"
#include "support/formula.h"

namespace attnunet {
namespace TEST_FILE {

// A layer with inputs x, w, b, its output, and the gradients that an upstream dy gives.
template <class Geometry>
struct Results {
  Geometry g;
  Array x, w, b, y, dy, dx, dw, db;
};

template <class Geometry>
Results<Geometry> run(const Geometry& g, const gradcheck::LayerCase& layer) {
  const Array y = layer.forward(layer.inputs).outputs.at(0);
  Random random(2);
  const Array dy = random_array("dy", static_cast<Index>(y.values.size()), random);
  const auto gradients = layer.backward(layer.inputs, {dy});
  return {g, layer.inputs[0], layer.inputs[1], layer.inputs[2], y, dy, gradients[0], gradients[1], gradients[2]};
}

// Both kernel sizes, by each of the methods.
std::vector<Results<Conv2dGeometry>> convolutions() {
  std::vector<Results<Conv2dGeometry>> runs;
  for (const ConvMethod method : {ConvMethod::reference, ConvMethod::gemm, ConvMethod::direct, ConvMethod::winograd})
    for (const Index R : {1, 3}) {
      cpu::Device device(1, method);
      const Conv2dGeometry g{2, 5, 7, 3, 4, R};
      runs.push_back(run(g, gradcheck::conv2d_case<Cpu<double>>(device, g, true, 1)));
    }
  return runs;
}

TEST(Formula, Conv2dY) {
  for (const auto& at : convolutions()) {
    const Tensor x(at.x, at.g.H, at.g.W, at.g.C), w(at.w, at.g.R, at.g.R, at.g.C), b(at.b, at.g.K);
    const Index R = at.g.R, C = at.g.C, q = (R - 1) / 2;
    expect_formula(at.y, each(at.g.N, at.g.H, at.g.W, at.g.K, [&](Index n, Index h, Index wd, Index k) {
                     return b(k) + sum(R, R, C, [&](Index r, Index s, Index c) {
                              return w(k, r, s, c) * x(n, h + r - q, wd + s - q, c);
                            });
                   }));
  }
}

TEST(Formula, Conv2dDb) {
  for (const auto& at : convolutions()) {
    const Tensor dy(at.dy, at.g.H, at.g.W, at.g.K);
    const Index N = at.g.N, H = at.g.H, W = at.g.W;
    expect_formula(at.db, each(at.g.K, [&](Index k) {
                     return sum(N, H, W, [&](Index n, Index h, Index w) { return dy(n, h, w, k); });
                   }));
  }
}

TEST(Formula, Conv2dDw) {
  for (const auto& at : convolutions()) {
    const Tensor x(at.x, at.g.H, at.g.W, at.g.C), dy(at.dy, at.g.H, at.g.W, at.g.K);
    const Index N = at.g.N, H = at.g.H, W = at.g.W, q = (at.g.R - 1) / 2;
    expect_formula(at.dw, each(at.g.K, at.g.R, at.g.R, at.g.C, [&](Index k, Index r, Index s, Index c) {
                     return sum(N, H, W, [&](Index n, Index h, Index w) {
                       return dy(n, h, w, k) * x(n, h + r - q, w + s - q, c);
                     });
                   }));
  }
}

TEST(Formula, Conv2dDx) {
  for (const auto& at : convolutions()) {
    const Tensor w(at.w, at.g.R, at.g.R, at.g.C), dy(at.dy, at.g.H, at.g.W, at.g.K);
    const Index K = at.g.K, R = at.g.R, q = (R - 1) / 2;
    expect_formula(at.dx, each(at.g.N, at.g.H, at.g.W, at.g.C, [&](Index n, Index i, Index j, Index c) {
                     return sum(K, R, R, [&](Index k, Index r, Index s) {
                       return w(k, r, s, c) * dy(n, i - r + q, j - s + q, k);
                     });
                   }));
  }
}

// The same as a forward convolution of dy with the kernel flipped.
TEST(Formula, Conv2dDxFlipped) {
  for (const auto& at : convolutions()) {
    const Tensor w(at.w, at.g.R, at.g.R, at.g.C), dy(at.dy, at.g.H, at.g.W, at.g.K);
    const Index K = at.g.K, R = at.g.R, q = (R - 1) / 2;
    const auto flipped = [&](Index c, Index r, Index s, Index k) { return w(k, 2 * q - r, 2 * q - s, c); };
    expect_formula(at.dx, each(at.g.N, at.g.H, at.g.W, at.g.C, [&](Index n, Index i, Index j, Index c) {
                     return sum(R, R, K, [&](Index r, Index s, Index k) {
                       return flipped(c, r, s, k) * dy(n, i + r - q, j + s - q, k);
                     });
                   }));
  }
}

std::vector<Results<ConvTranspose2dGeometry>> transposed() {
  std::vector<Results<ConvTranspose2dGeometry>> runs;
  for (const ConvMethod method : {ConvMethod::reference, ConvMethod::automatic}) {
    cpu::Device device(1, method);
    const ConvTranspose2dGeometry g{2, 3, 5, 4, 3};
    runs.push_back(run(g, gradcheck::conv_transpose2d_case<Cpu<double>>(device, g, true, 1)));
  }
  return runs;
}

TEST(Formula, ConvTranspose2dY) {
  for (const auto& at : transposed()) {
    const Tensor x(at.x, at.g.H, at.g.W, at.g.C), w(at.w, 2, at.g.K, at.g.C), b(at.b, at.g.K);
    const Index C = at.g.C;
    // Output pixel (2h + i, 2w + j) belongs to input pixel (h, w) and place (i, j) of the kernel.
    expect_formula(at.y, each(at.g.N, 2 * at.g.H, 2 * at.g.W, at.g.K, [&](Index n, Index row, Index column, Index k) {
                     const Index h = row / 2, i = row % 2, wd = column / 2, j = column % 2;
                     return b(k) + sum(C, [&](Index c) { return w(i, j, k, c) * x(n, h, wd, c); });
                   }));
  }
}

TEST(Formula, ConvTranspose2dDb) {
  for (const auto& at : transposed()) {
    const Tensor dy(at.dy, 2 * at.g.H, 2 * at.g.W, at.g.K);
    const Index N = at.g.N, H = at.g.H, W = at.g.W;
    expect_formula(at.db, each(at.g.K, [&](Index k) {
                     return sum(N, 2 * H, 2 * W,
                                [&](Index n, Index row, Index column) { return dy(n, row, column, k); });
                   }));
  }
}

TEST(Formula, ConvTranspose2dDw) {
  for (const auto& at : transposed()) {
    const Tensor x(at.x, at.g.H, at.g.W, at.g.C), dy(at.dy, 2 * at.g.H, 2 * at.g.W, at.g.K);
    const Index N = at.g.N, H = at.g.H, W = at.g.W;
    expect_formula(at.dw, each(2, 2, at.g.K, at.g.C, [&](Index i, Index j, Index k, Index c) {
                     return sum(N, H, W, [&](Index n, Index h, Index w) {
                       return dy(n, 2 * h + i, 2 * w + j, k) * x(n, h, w, c);
                     });
                   }));
  }
}

TEST(Formula, ConvTranspose2dDx) {
  for (const auto& at : transposed()) {
    const Tensor w(at.w, 2, at.g.K, at.g.C), dy(at.dy, 2 * at.g.H, 2 * at.g.W, at.g.K);
    const Index K = at.g.K;
    expect_formula(at.dx, each(at.g.N, at.g.H, at.g.W, at.g.C, [&](Index n, Index h, Index wd, Index c) {
                     return sum(2, 2, K, [&](Index i, Index j, Index k) {
                       return w(i, j, k, c) * dy(n, 2 * h + i, 2 * wd + j, k);
                     });
                   }));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
