#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

Array random_array(const std::string& name, Index n, Random& random, double mean, double deviation) {
  Array array{name, std::vector<double>(static_cast<std::size_t>(n))};
  for (double& value : array.values) value = mean + deviation * random.normal();
  return array;
}

std::vector<std::uint8_t> positive(const Array& array) {
  std::vector<std::uint8_t> set;
  for (double value : array.values) set.push_back(value > 0);
  return set;
}

}  // namespace attnunet::gradcheck
