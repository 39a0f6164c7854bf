// Test files are compiled without optimisation. The vectors that they fill, copy and compare are compiled once, with
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#define ATTNUNET_VECTORS(prefix)                   \
  prefix template class std::vector<double>;       \
  prefix template class std::vector<float>;        \
  prefix template class std::vector<std::uint8_t>; \
  prefix template class std::vector<std::string>;

ATTNUNET_VECTORS(extern)
