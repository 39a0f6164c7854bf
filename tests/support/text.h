// Searching text by regular expressions (ECMAScript's), which take seconds to compile and so are in one file.
#pragma once

#include <string>
#include <vector>

namespace attnunet {

/// The first group of every match.
std::vector<std::string> matches(const std::string& text, const std::string& pattern);

}  // namespace attnunet
