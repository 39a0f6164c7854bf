// What float32 networks compute their matrix products in on a device that has tensor cores. Master weights, batch norm
// statistics, loss and optimiser state are float32 in all three, and so is what lies in memory: operands are rounded
// on their way into the registers.
//   float32  exact multiply-adds
//   tf32     operands rounded to 10 bits of mantissa, sums in float32
//   bf16     operands rounded to 7 bits of mantissa, sums in float32
#pragma once

#include <string>

#include "common/core/error.h"

namespace attnunet {

enum class Precision { float32, tf32, bf16 };

inline const char* precision_name(Precision precision) {
  return precision == Precision::tf32 ? "tf32" : precision == Precision::bf16 ? "bf16" : "float32";
}

/// Throws UsageError where there is none of that name.
inline Precision parse_precision(const std::string& name) {
  for (const Precision precision : {Precision::float32, Precision::tf32, Precision::bf16})
    if (name == precision_name(precision)) return precision;
  throw UsageError("--precision " + name + " is unknown: one of float32, tf32, bf16");
}

/// Throws UsageError where the backend does not compute in that precision.
inline void require_precision(const std::string& backend, Precision precision) {
  if (backend == "cpu" && precision != Precision::float32)
    throw UsageError(std::string("--precision ") + precision_name(precision) +
                     " needs --backend cuda or cuda-sim: cpu computes in float32 only");
}

}  // namespace attnunet
