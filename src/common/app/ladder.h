// `bench --ladder`: one 3x3 convolution by every method of the CPU. Each method is a rung: the table says what it
// changed and what that gained, and compares every result with that of the plain loops.
#pragma once

#include <string>

#include "common/app/command.h"

namespace attnunet::app {

struct LadderOptions {
  std::string shape = "4x64x64x64x64";  ///< NxHxWxCxK
  int threads = 1, warmup = 1, repeats = 5;
  std::string json;  ///< file for the results; none if empty
};

/// Rejects what is not a shape that run_ladder takes.
Rule ladder_shape();
void run_ladder(const LadderOptions& options);

}  // namespace attnunet::app
