// How the pixels of a [pixels, C] tensor are cut into chunks, for kernels that give a block to each. Depends on the
// shape alone, and so does the order of sums.
#pragma once

#include "common/core/geometry.h"

namespace attnunet::cuda {

struct Chunks {
  Index count, pixels;  ///< the last chunk may have fewer pixels
};

/// For sums: a block a chunk takes at least 8192 elements, and there are no more than 1024 partial sums a channel.
inline Chunks chunks_of(Index pixels, Index C) {
  constexpr Index most_chunks = 1024, least_elements = 8192;
  const Index least = (least_elements + C - 1) / C, share = (pixels + most_chunks - 1) / most_chunks;
  const Index size = share > least ? share : least;
  return {(pixels + size - 1) / size, size};
}

/// For operations element by element: about 4096 elements a chunk, however many there are.
inline Chunks small_chunks_of(Index pixels, Index C) {
  const Index size = (4096 + C - 1) / C;
  return {(pixels + size - 1) / size, size};
}

}  // namespace attnunet::cuda
