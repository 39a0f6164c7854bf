#include "common/train/device_memory.h"

#include <cstdio>

#include "common/core/error.h"

namespace attnunet {
namespace {

std::string amount(Index bytes) {
  const double gibibytes = static_cast<double>(bytes) / (1 << 30);
  char text[40];
  std::snprintf(text, sizeof text, gibibytes < 1 ? "%.1f MiB" : "%.1f GiB",
                gibibytes < 1 ? 1024 * gibibytes : gibibytes);
  return text;
}

}  // namespace

void require_memory(const std::string& work, Index need, Index free, const std::string& memory,
                    const std::string& options) {
  if (need > free)
    throw Error(work + " needs " + amount(need) + " of " + memory + ", " + amount(free) + " are free: use a smaller " +
                options);
}

}  // namespace attnunet
