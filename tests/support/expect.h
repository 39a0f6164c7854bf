// What tests say about numbers. Every comparison is written !(error <= bound), so that NaN fails.
#pragma once

#include <gtest/gtest.h>

#include "common/gradcheck/check.h"

namespace attnunet {

/// Numeric against analytic gradients of every coordinate of every input of the case.
inline void expect_gradients(const gradcheck::LayerCase& layer_case, std::uint64_t seed = 1) {
  for (const gradcheck::Result& result : gradcheck::check_layer(layer_case, seed))
    EXPECT_TRUE(result.passed()) << result.layer << ", d" << result.tensor << ": error " << result.relative_error()
                                 << " of the largest gradient " << result.largest_gradient << ", gate "
                                 << gradcheck::gradient_gate << ", " << result.checked << " checked, " << result.skipped
                                 << " skipped";
}

}  // namespace attnunet
