#include "cuda/sim/order.h"

#include <cstdlib>
#include <string>

#include "common/core/error.h"
#include "common/core/quoting.h"

namespace attnunet::cuda::sim {

Order order_of_environment() {
  const char* value = std::getenv("ATTNUNET_SIM_ORDER");
  const std::string name = value == nullptr ? "" : value;
  Order order;
  if (name.empty() || name == "ascending") return order;
  if (name == "descending") {
    order.kind = Order::descending;
    return order;
  }
  const std::string digits = name == "random" ? "0" : name.rfind("random:", 0) == 0 ? name.substr(7) : "";
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos)
    throw Error("ATTNUNET_SIM_ORDER is " + quoted(name) + ": use ascending, descending, random or random:SEED");
  order.kind = Order::random;
  order.seed = std::stoull(digits);
  return order;
}

}  // namespace attnunet::cuda::sim
