// Cells of CSV files.
#pragma once

#include <string>

namespace attnunet {

/// A text as a cell: in quotes where it holds a comma, quotes or an end of line (RFC 4180).
std::string csv_text(const std::string& text);

}  // namespace attnunet
