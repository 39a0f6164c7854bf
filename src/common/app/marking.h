// How predict and evaluate turn probabilities into masks: as the checkpoint states, unless options say otherwise.
#pragma once

#include <set>
#include <string>

#include "common/app/command.h"
#include "common/report/lesion_table.h"
#include "common/train/checkpoint.h"

namespace attnunet::app {

struct MarkingOptions {
  report::Marking marking;
  bool raw = false;  ///< nothing of what the checkpoint states
};

/// --threshold, --min-area, --largest and --raw.
void add_marking_options(Command& command, MarkingOptions& options);

/// What the `given` options (names without dashes) say, and for the others what the checkpoint states. `stated` is set
/// to the latter, as "threshold 0.37, min-area 20"; "" if nothing of it is used.
report::Marking marking_for(const Checkpoint& checkpoint, const MarkingOptions& options,
                            const std::set<std::string>& given, std::string& stated);

}  // namespace attnunet::app
