// What this program was built as. CMake writes build.cpp into the build folder.
#pragma once

namespace attnunet {

extern const char version[];                 ///< as in "1.0.0"
extern const char built_instruction_sets[];  ///< as in "x86-64-v4, x86-64-v3"

}  // namespace attnunet
