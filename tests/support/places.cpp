#include "support/places.h"

namespace attnunet {

std::string source_folder() {
  return ATTNUNET_SOURCE_DIR;
}

std::string program() {
  return ATTNUNET_PROGRAM;
}

}  // namespace attnunet
