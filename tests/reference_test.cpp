// Whether a device that is asked for plain loops runs them: each operation has the bits of its X_reference.cpp, and
// other bits on a device that chooses by itself. (What the loops compute: X_test.cpp of each layer and
// formulas_*_test.cpp.)
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <vector>

#include "common/core/random.h"
#include "cpu/batch_norm_reference.h"
#include "cpu/batch_norm_relu_dropout_reference.h"
#include "cpu/conv2d_reference.h"
#include "cpu/conv_transpose2d_reference.h"
#include "cpu/dropout_reference.h"
#include "cpu/operations.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

std::vector<float> random_floats(Index n, std::uint64_t seed, double mean = 0) {
  Random random(seed);
  std::vector<float> result(static_cast<std::size_t>(n));
  for (float& value : result) value = static_cast<float>(mean + random.normal());
  return result;
}

using Results = std::vector<std::vector<float>>;

Results of_sizes(const std::vector<Index>& sizes) {
  Results results;
  for (const Index size : sizes) results.push_back(std::vector<float>(static_cast<std::size_t>(size), 1.0f));
  return results;
}

bool same_bits(const Results& a, const Results& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(a[i].data(), b.at(i).data(), a[i].size() * sizeof(float)) != 0) return false;
  return true;
}

/// Both write into results of these sizes, which hold 1 before.
void expect_plain_loops(const std::vector<Index>& sizes,
                        const std::function<void(cpu::Device& device, Results& results)>& operation,
                        const std::function<void(Results& results)>& loops) {
  Results expected = of_sizes(sizes), plain = of_sizes(sizes), chosen = of_sizes(sizes);
  loops(expected);
  cpu::Device reference(most_test_threads, ConvMethod::reference), by_itself(most_test_threads);
  operation(reference, plain);
  operation(by_itself, chosen);
  EXPECT_TRUE(same_bits(plain, expected));
  EXPECT_FALSE(same_bits(chosen, expected)) << "these numbers do not show which of the two has run";
}

cpu::Buffer<float> workspace_of(cpu::Device& device, Index elements) {
  return {device, elements};
}

TEST(Reference, Conv2d) {
  for (const Index R : {1, 3}) {
    const Conv2dGeometry g{2, 9, 7, 20, 24, R};
    const Index P = g.pixels();
    const auto x = random_floats(P * g.C, 1), w = random_floats(g.weights(), 2), b = random_floats(g.K, 3);
    const auto dy = random_floats(P * g.K, 4);
    const Epilogue<float> epilogue{b.data(), Write::add, Activation::relu};
    expect_plain_loops(
        {P * g.K, P * g.C, g.weights(), g.K},
        [&](cpu::Device& device, Results& to) {
          auto workspace = workspace_of(device, conv2d_workspace(device, g));
          conv2d_forward(device, values(to[0].data(), P, g.K), values(x.data(), P, g.C), w.data(), epilogue,
                         workspace.data(), g);
          conv2d_backward_data(device, gradients(to[1].data(), P, g.C), gradients(dy.data(), P, g.K), w.data(),
                               workspace.data(), g, Write::add);
          conv2d_backward_weights(device, to[2].data(), to[3].data(), gradients(dy.data(), P, g.K),
                                  values(x.data(), P, g.C), workspace.data(), g);
        },
        [&](Results& to) {
          cpu::conv2d_reference_forward(values(to[0].data(), P, g.K), values(x.data(), P, g.C), w.data(), epilogue, g);
          cpu::conv2d_reference_backward_data(gradients(to[1].data(), P, g.C), gradients(dy.data(), P, g.K), w.data(),
                                              g, Write::add);
          cpu::conv2d_reference_backward_weights(to[2].data(), to[3].data(), gradients(dy.data(), P, g.K),
                                                 values(x.data(), P, g.C), g);
        });
  }
}

TEST(Reference, ConvTranspose2d) {
  const ConvTranspose2dGeometry g{2, 5, 7, 20, 9};
  const Index in = g.input_pixels(), out = g.output_pixels();
  const auto x = random_floats(in * g.C, 1), w = random_floats(g.weights(), 2), b = random_floats(g.K, 3);
  const auto dy = random_floats(out * g.K, 4);
  expect_plain_loops(
      {out * g.K, in * g.C, g.weights(), g.K},
      [&](cpu::Device& device, Results& to) {
        auto workspace = workspace_of(device, conv_transpose2d_workspace(device, g));
        conv_transpose2d_forward(device, values(to[0].data(), out, g.K), values(x.data(), in, g.C), w.data(), b.data(),
                                 workspace.data(), g);
        conv_transpose2d_backward_data(device, gradients(to[1].data(), in, g.C), gradients(dy.data(), out, g.K),
                                       w.data(), workspace.data(), g, Write::add);
        conv_transpose2d_backward_weights(device, to[2].data(), to[3].data(), gradients(dy.data(), out, g.K),
                                          values(x.data(), in, g.C), workspace.data(), g);
      },
      [&](Results& to) {
        cpu::conv_transpose2d_reference_forward(values(to[0].data(), out, g.K), values(x.data(), in, g.C), w.data(),
                                                b.data(), g);
        cpu::conv_transpose2d_reference_backward_data(gradients(to[1].data(), in, g.C), gradients(dy.data(), out, g.K),
                                                      w.data(), g, Write::add);
        cpu::conv_transpose2d_reference_backward_weights(to[2].data(), to[3].data(), gradients(dy.data(), out, g.K),
                                                         values(x.data(), in, g.C), g);
      });
}

constexpr Index pixels = 1003, C = 6, n = pixels * C;

TEST(Reference, BatchNorm) {
  const auto x = random_floats(n, 1, 2), dy = random_floats(n, 2), gamma = random_floats(C, 3, 2);
  const auto beta = random_floats(C, 4);
  const BatchNormParameters<const float> parameters{gamma.data(), beta.data()};
  const Values<const float> x_values = values(x.data(), pixels, C);
  const Gradients<const float> dy_gradients = gradients(dy.data(), pixels, C);
  const auto batch = [](Results& to) { return BatchStatistics<float>{to[0].data(), to[1].data()}; };
  const auto running = [](Results& to) { return RunningStatistics<float>{to[2].data(), to[3].data()}; };
  const std::vector<Index> sizes{C, C, C, C, n, n, C, C};
  SCOPED_TRACE("statistics");
  // Both round to the same floats; but the plain loops leave the workspace, the last result here, as it is.
  std::vector<Index> with_workspace = sizes;
  with_workspace.push_back(batch_norm_workspace(cpu::Device(most_test_threads), pixels, C));
  expect_plain_loops(
      with_workspace,
      [&](cpu::Device& device, Results& to) {
        batch_norm_statistics(device, batch(to), running(to), x_values, to.back().data());
      },
      [&](Results& to) { cpu::batch_norm_reference_statistics(batch(to), running(to), x_values); });
  SCOPED_TRACE("training");
  expect_plain_loops(
      sizes,
      [&](cpu::Device& device, Results& to) {
        auto workspace = workspace_of(device, batch_norm_workspace(device, pixels, C));
        batch_norm_forward(device, values(to[4].data(), pixels, C), batch(to), running(to), x_values, parameters,
                           workspace.data());
        batch_norm_backward(device, gradients(to[5].data(), pixels, C),
                            BatchNormParameters<float>{to[6].data(), to[7].data()}, dy_gradients,
                            {x_values, batch(to), parameters}, workspace.data());
      },
      [&](Results& to) {
        cpu::batch_norm_reference_forward(values(to[4].data(), pixels, C), batch(to), running(to), x_values,
                                          parameters);
        cpu::batch_norm_reference_backward(gradients(to[5].data(), pixels, C),
                                           BatchNormParameters<float>{to[6].data(), to[7].data()}, dy_gradients,
                                           {x_values, batch(to), parameters});
      });
  SCOPED_TRACE("inference");
  expect_plain_loops(
      sizes,
      [&](cpu::Device& device, Results& to) {
        auto workspace = workspace_of(device, batch_norm_workspace(device, pixels, C));
        batch_norm_inference_forward(device, values(to[4].data(), pixels, C), x_values, parameters, running(to));
        batch_norm_inference_backward(device, gradients(to[5].data(), pixels, C),
                                      BatchNormParameters<float>{to[6].data(), to[7].data()}, dy_gradients, x_values,
                                      parameters, running(to), workspace.data());
      },
      [&](Results& to) {
        cpu::batch_norm_reference_inference_forward(values(to[4].data(), pixels, C), x_values, parameters, running(to));
        cpu::batch_norm_reference_inference_backward(gradients(to[5].data(), pixels, C),
                                                     BatchNormParameters<float>{to[6].data(), to[7].data()},
                                                     dy_gradients, x_values, parameters, running(to));
      });
}

TEST(Reference, BatchNormReluDropout) {
  const auto x = random_floats(n, 1, 2), dy = random_floats(n, 2), gamma = random_floats(C, 3, 2);
  const auto beta = random_floats(C, 4), mean = random_floats(C, 5), inv_std = random_floats(C, 6, 4);
  const BatchNormParameters<const float> parameters{gamma.data(), beta.data()};
  const BatchStatistics<const float> batch{mean.data(), inv_std.data()};
  const Values<const float> x_values = values(x.data(), pixels, C);
  const attnunet::Dropout dropout{0.3, {5, 1, 3}};
  expect_plain_loops(
      {n, n, C, C},
      [&](cpu::Device& device, Results& to) {
        auto workspace = workspace_of(device, batch_norm_relu_dropout_workspace(device, pixels, C));
        const Values<float> y = values(to[0].data(), pixels, C);
        batch_norm_relu_dropout_forward(device, y, x_values, batch, parameters, dropout);
        batch_norm_relu_dropout_backward(
            device, gradients(to[1].data(), pixels, C), BatchNormParameters<float>{to[2].data(), to[3].data()},
            gradients(dy.data(), pixels, C), y, {x_values, batch, parameters}, dropout.rate, workspace.data());
      },
      [&](Results& to) {
        const Values<float> y = values(to[0].data(), pixels, C);
        cpu::batch_norm_relu_dropout_reference_forward(y, x_values, batch, parameters, dropout);
        cpu::batch_norm_relu_dropout_reference_backward(
            gradients(to[1].data(), pixels, C), BatchNormParameters<float>{to[2].data(), to[3].data()},
            gradients(dy.data(), pixels, C), y, {x_values, batch, parameters}, dropout.rate);
      });
}

// The loops multiply a dropped negative number by 0, which gives -0; the faster method writes 0.
TEST(Reference, Dropout) {
  const auto x = random_floats(n, 1);
  const attnunet::Dropout dropout{0.3, {5, 1, 3}};
  expect_plain_loops(
      {n, n},
      [&](cpu::Device& device, Results& to) {
        dropout_forward(device, values(to[0].data(), n), values(x.data(), n), dropout);
        dropout_backward(device, gradients(to[1].data(), n), gradients(x.data(), n), dropout);
      },
      [&](Results& to) {
        cpu::dropout_reference_forward(values(to[0].data(), n), values(x.data(), n), dropout);
        cpu::dropout_reference_backward(gradients(to[1].data(), n), gradients(x.data(), n), dropout);
      });
}

}  // namespace TEST_FILE
}  // namespace attnunet
