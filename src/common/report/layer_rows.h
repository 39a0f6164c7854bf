// A network layer by layer as text: for `info` and for reports.
#pragma once

#include <string>
#include <vector>

#include "common/nn/layer_list.h"

namespace attnunet::report {

/// layer, kind, output, parameters, MFLOP, activation MB; the first two are text.
std::vector<std::string> layer_headings();
std::vector<std::string> layer_row(const LayerInfo& layer);

}  // namespace attnunet::report
