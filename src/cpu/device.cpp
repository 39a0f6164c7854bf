#include "cpu/device.h"

#include <fstream>

namespace attnunet::cpu {

InstructionSet instruction_set() {
#if defined(__AVX512F__)
  return {ATTNUNET_INSTRUCTION_SET, "AVX-512"};
#elif defined(__AVX2__)
  return {ATTNUNET_INSTRUCTION_SET, "AVX2"};
#else
  return {ATTNUNET_INSTRUCTION_SET, "128-bit vectors"};
#endif
}

std::string Device::name() const {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line))
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  return "CPU";
}

}  // namespace attnunet::cpu
