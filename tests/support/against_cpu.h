// The CUDA backends against the CPU, in the same precision: the third oracle, beside numeric gradients and PyTorch.
#pragma once

#include <gtest/gtest.h>

#include "common/gradcheck/layer_case.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/tolerance.h"

namespace attnunet {

#ifdef ATTNUNET_TEST_CUDA
using CudaBackends = ::testing::Types<CudaSim<float>, CudaSim<double>, Cuda<float>, Cuda<double>>;
#else
using CudaBackends = ::testing::Types<CudaSim<float>, CudaSim<double>>;
#endif

/// The CPU in the precision of backend B.
template <class B>
using CpuLike = Cpu<typename B::Scalar>;

/// How far two computations in T may be apart that each keep float_bound (made for float32; u = 2^-53 for double).
template <class T>
double bound_between(double sum_of_terms, double length) {
  const double unit_ratio = std::is_same<T, double>::value ? 0x1p-29 : 1.0;
  return 2 * unit_ratio * float_bound(sum_of_terms, length);
}

/// Inputs of a layer that both precisions hold, a random gradient of its one output, and what the layer makes of them.
struct BothPasses {
  std::vector<gradcheck::Array> inputs;
  gradcheck::Array upstream;
  gradcheck::Forward forward;
  std::vector<gradcheck::Array> gradients;
};

/// Runs the case; the upstream gradient has the size of the output and depends on the seed alone.
inline BothPasses both_passes(const gradcheck::LayerCase& layer, std::uint64_t seed = 5) {
  BothPasses passes;
  for (const auto& input : layer.inputs) passes.inputs.push_back(rounded_to_float(input));
  passes.forward = layer.forward(passes.inputs);
  Random random(seed);
  const auto outputs = static_cast<Index>(passes.forward.outputs.at(0).values.size());
  passes.upstream = rounded_to_float(gradcheck::random_array("upstream", outputs, random));
  passes.gradients = layer.backward(passes.inputs, {passes.upstream});
  return passes;
}

/// Layers where nothing is rounded, or the same way: outputs, active set and gradients are equal to the bit.
inline void expect_equals_cpu(const gradcheck::LayerCase& layer, const gradcheck::LayerCase& cpu) {
  SCOPED_TRACE(layer.name);
  const BothPasses actual = both_passes(layer), expected = both_passes(cpu);
  ASSERT_FALSE(expected.forward.outputs.at(0).values.empty());
  EXPECT_EQ(actual.forward.outputs.at(0).values, expected.forward.outputs.at(0).values);
  EXPECT_EQ(actual.forward.active_set, expected.forward.active_set);
  ASSERT_EQ(actual.gradients.size(), expected.gradients.size());
  for (std::size_t i = 0; i < expected.gradients.size(); ++i)
    EXPECT_EQ(actual.gradients[i].values, expected.gradients[i].values);
}

}  // namespace attnunet
