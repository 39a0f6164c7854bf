// The chunks of gradients whose squares clip_norm (src/cpu/clip_norm.h) adds up separately. They depend on n alone, and
// so does the order of the sum.
#pragma once

#include <algorithm>

#include "common/core/geometry.h"

namespace attnunet {

struct ClipNormChunks {
  Index count, size;  ///< the last chunk may have fewer gradients
};

/// At least 8192 gradients per chunk and at most 1024 chunks.
inline ClipNormChunks clip_norm_chunks(Index n) {
  const Index size = std::max<Index>(8192, (n + 1023) / 1024);
  return {(n + size - 1) / size, size};
}

/// The doubles of device memory that clip_norm needs for n gradients: one sum per chunk and the factor.
inline Index clip_norm_scratch(Index n) {
  return clip_norm_chunks(n).count + 1;
}

}  // namespace attnunet
