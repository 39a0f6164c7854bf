// Numbers of things, in words for people.
#pragma once

#include <cstddef>
#include <string>

namespace attnunet {

/// "1 case", "2 cases".
inline std::string counted(std::size_t count, const char* singular, const char* plural) {
  return std::to_string(count) + " " + (count == 1 ? singular : plural);
}

}  // namespace attnunet
