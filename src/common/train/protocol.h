// What the scores of a run are worth: which cases trained, which chose the epoch, which neither.
// Proof: tests/protocol_test.cpp
#pragma once

#include <string>

#include "common/core/names.h"
#include "common/data/split.h"

namespace attnunet {

/// A set of scored cases.
enum class Subset { train, val, test, all };

template <>
struct Names<Subset> {
  static constexpr const char* option = "subset";
  static constexpr Name<Subset> table[] = {
      {Subset::train, "train"}, {Subset::val, "val"}, {Subset::test, "test"}, {Subset::all, "all"}};
};

/// Of a run, for config.json and its report.
std::string protocol_text(const data::Split& split);

/// Of an evaluation. `recorded`: the cases are those that the checkpoint records for the subset; `seen`: how many of
/// them it, or a model before it, was trained on, near-duplicates included; `patience`: the training might have ended
/// early.
std::string protocol_text(Subset subset, std::size_t cases, bool recorded, std::size_t seen, bool patience);

}  // namespace attnunet
