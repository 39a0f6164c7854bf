// The model that comes with the project.
#pragma once

#include <string>
#include <vector>

namespace attnunet::app {

/// Where it is looked for, from the place of the program: in models/ beside the build folder, and in
/// ../share/attnunet/ once installed.
std::vector<std::string> default_model_places();

/// The first of these that is there; "" if none is.
std::string default_model();

}  // namespace attnunet::app
