// The contact sheet of `data check`: every group of near-duplicates side by side, contradictions first and marked.
#pragma once

#include <string>

#include "common/data/check.h"

namespace attnunet::report {

/// HTML, complete in one file. Reads the images of all groups; what has become unreadable since the check is an Error.
std::string duplicate_sheet(const data::CheckResult& result);

}  // namespace attnunet::report
