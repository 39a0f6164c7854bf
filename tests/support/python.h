// Tools in Python, for tests that hold us against other software: they skip where it is not installed.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "support/places.h"
#include "support/process.h"

namespace attnunet {

/// A Python that can import one of the modules (each may be several, "numpy, torch"); empty where there is none.
/// ATTNUNET_PYTHON names one that is asked first, then that of the PATH and the system's.
inline std::vector<std::string> pythons_with(const std::vector<std::string>& modules) {
  std::vector<std::string> found;
  const char* named = std::getenv("ATTNUNET_PYTHON");
  for (const std::string& python :
       {std::string(named == nullptr ? "" : named), std::string("python3"), std::string("/usr/bin/python3")}) {
    if (python.empty()) continue;
    for (const std::string& module : modules)
      if (run_process({"/usr/bin/env", python, "-c", "import " + module}).exit_code == 0) {
        found.push_back(python);
        break;
      }
  }
  return found;
}

/// Runs tools/NAME.
inline Finished run_tool(const std::string& python, const std::string& name, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"/usr/bin/env", python, source_folder() + "/tools/" + name});
  return run_process(arguments);
}

}  // namespace attnunet
