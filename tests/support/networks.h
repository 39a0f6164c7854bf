// What several tests run whole networks with, compiled once (instances_BACKEND.cpp): in float32 the program's own
// (common/app/backend.h), and the same in float64.
#pragma once

#include "common/app/backend.h"
#include "support/vectors.h"

namespace attnunet {

#define ATTNUNET_DOUBLE_NETWORK(prefix, B)            \
  prefix template class AttentionUNetTape<B<double>>; \
  prefix template class AttentionUNet<B<double>>;     \
  prefix template class report::Explainer<B<double>>;

ATTNUNET_DOUBLE_NETWORK(extern, Cpu)
ATTNUNET_DOUBLE_NETWORK(extern, CudaSim)
#ifdef ATTNUNET_TEST_CUDA
ATTNUNET_DOUBLE_NETWORK(extern, Cuda)
#endif

}  // namespace attnunet
