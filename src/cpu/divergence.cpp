#include "cpu/divergence.h"

#include <cmath>

namespace attnunet::cpu {

void record_divergence(Device&, Index* first, const double* losses, Index N, Index step) {
  for (Index n = 0; n < N; ++n)
    if (*first == 0 && !std::isfinite(losses[n])) *first = step;
}

}  // namespace attnunet::cpu
