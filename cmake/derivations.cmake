# The derivations that open the layers' headers, as text for `gradcheck --verbose`: writes derivations.cpp.

file(STRINGS src/cpu/operations.h derivation_headers REGEX "^#include")
list(TRANSFORM derivation_headers REPLACE "#include \"(.*)\"" "src/\\1")
list(APPEND derivation_headers src/common/nn/double_conv.h src/common/nn/attention_gate.h src/common/nn/attention_unet.h)
set(derivations "#include \"common/gradcheck/derivations.h\"\n\nnamespace attnunet::gradcheck {\n\n\
const std::vector<Derivation>& derivations() {\n  static const std::vector<Derivation> all = {\n")
foreach(header ${derivation_headers})
  file(READ ${header} text)
  string(FIND "${text}" "#pragma once" end)
  string(SUBSTRING "${text}" 0 ${end} text)
  string(REGEX REPLACE "\n// ?" "\n" text "\n${text}")
  string(SUBSTRING "${text}" 1 -1 text)
  get_filename_component(name ${header} NAME_WE)
  string(APPEND derivations "      {\"${name}\", \"${header}\", R\"derivation(${text})derivation\"},\n")
endforeach()
string(APPEND derivations "  };\n  return all;\n}\n\n}  // namespace attnunet::gradcheck\n")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${derivation_headers} src/cpu/operations.h)
file(CONFIGURE OUTPUT derivations.cpp CONTENT "${derivations}" @ONLY)
