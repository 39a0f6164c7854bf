// How the commands that score images say which of them were trained on (train/case_list.h).
// Proof: tests/seen_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "common/train/case_list.h"

namespace attnunet::app {

/// "warning: 3 of 20 scored images were trained on (1 near-duplicates)" on stdout; nothing if none was and all is
/// known. `which` images, say "scored"; `where`, if given, follows: " in RUN".
void warn_of_seen(const SeenCounts& counts, const std::string& which, const std::string& where = "");

/// `trained_on` and `near_duplicates_of_training`, null if the checkpoint has no case list, and `seen_unknown`.
nlohmann::ordered_json seen_json(const SeenCounts& counts, bool has_list);

}  // namespace attnunet::app
