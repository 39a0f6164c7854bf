#include "cpu/device.h"

#include <fstream>

namespace attnunet::cpu {

std::string Device::name() const {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line))
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  return "CPU";
}

}  // namespace attnunet::cpu
