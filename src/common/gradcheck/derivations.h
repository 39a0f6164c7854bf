// The derivations that open the headers of the layers, as text: the build takes them from there (CMakeLists.txt).
#pragma once

#include <string>
#include <vector>

namespace attnunet::gradcheck {

struct Derivation {
  std::string layer;  ///< "batch_norm"
  std::string file;   ///< "src/cpu/batch_norm.h"
  std::string text;
};

/// Of every layer, then of the blocks and the network.
const std::vector<Derivation>& derivations();

}  // namespace attnunet::gradcheck
