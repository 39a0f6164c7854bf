// What float32 networks compute their matrix products in on a device that has tensor cores. Master weights, batch norm
// statistics, loss and optimiser state are float32 in all three, and so is what lies in memory: operands are rounded
// on their way into the registers.
//   float32  exact multiply-adds
//   tf32     operands rounded to 10 bits of mantissa, sums in float32
//   bf16     operands rounded to 7 bits of mantissa, sums in float32
#pragma once

#include "common/core/names.h"

namespace attnunet {

enum class Precision { float32, tf32, bf16 };

template <>
struct Names<Precision> {
  static constexpr const char* option = "precision";
  static constexpr Name<Precision> table[] = {
      {Precision::float32, "float32"}, {Precision::tf32, "tf32"}, {Precision::bf16, "bf16"}};
};

}  // namespace attnunet
