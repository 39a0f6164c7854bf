// Where the sources lie and the built program: known to one object file, so that no other depends on it.
#pragma once

#include <string>

namespace attnunet {

/// The root of the source tree.
std::string source_folder();
/// The built attnunet.
std::string program();

}  // namespace attnunet
