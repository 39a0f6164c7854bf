// How the loops over a [pixels, C] tensor are cut: into chunks that threads share, and into rows that vectorise.
//
// Chunks    consecutive pixels. Their number depends on the shape alone, so that partial sums, one a chunk and added
//           in order, have the same bits for any number of threads.
// Tiles     up to max_lanes channels: what a function keeps of each channel lies in small arrays on the stack.
// Rows      a loop over the channels of one pixel would be too short to vectorise where C is small (1 in the
//           attention gate). There several pixels side by side make one row, and what belongs to a channel is repeated
//           once a pixel: lane l of a row is channel l % C.
#pragma once

#include <algorithm>

#include "common/core/geometry.h"

namespace attnunet::cpu {

constexpr Index max_lanes = 256;

struct Chunks {
  Index count, pixels;  ///< the last chunk may have fewer pixels

  Index begin(Index chunk) const { return chunk * pixels; }
  Index end(Index chunk, Index all_pixels) const { return std::min(all_pixels, (chunk + 1) * pixels); }
};

/// At most 64 chunks, none (but the last) below 4096 elements, starting on cache lines for most C.
inline Chunks chunks_of(Index pixels, Index C) {
  constexpr Index most_chunks = 64, least_elements = 4096, multiple = 16;
  Index size = std::max((pixels + most_chunks - 1) / most_chunks, (least_elements + C - 1) / C);
  size = (size + multiple - 1) / multiple * multiple;
  return {(pixels + size - 1) / size, size};
}

/// Channels first .. first + channels - 1 of every pixel.
struct Tile {
  Index first, channels, C, pixels_per_row;

  Index lanes() const { return channels * pixels_per_row; }
};

inline Index tile_count(Index C) {
  return (C + max_lanes - 1) / max_lanes;
}

inline Tile tile_of(Index tile, Index C) {
  const Index first = tile * max_lanes;
  return {first, std::min(max_lanes, C - first), C, std::max<Index>(1, max_lanes / 2 / C)};
}

/// lanes[l] = values[channel of lane l], converted.
template <class From, class To>
void spread(const Tile& tile, To* lanes, const From* values) {
  for (Index pixel = 0; pixel < tile.pixels_per_row; ++pixel)
    for (Index c = 0; c < tile.channels; ++c)
      lanes[pixel * tile.channels + c] = static_cast<To>(values[tile.first + c]);
}

/// lanes[c] = sum over the pixels of a row of their lane c, by halves, so that it vectorises for C = 1 too.
inline void fold(const Tile& tile, double* lanes) {
  for (Index left = tile.pixels_per_row; left > 1;) {
    const Index half = left / 2, from = (left - half) * tile.channels;
    for (Index l = 0; l < half * tile.channels; ++l) lanes[l] += lanes[from + l];
    left -= half;
  }
}

/// Calls row(offset, lanes) for the rows of pixels begin .. end - 1: `lanes` elements from `offset` on.
template <class Row>
void for_rows(const Tile& tile, Index begin, Index end, const Row& row) {
  Index pixel = begin;
  for (; pixel + tile.pixels_per_row <= end; pixel += tile.pixels_per_row)
    row(pixel * tile.C + tile.first, tile.lanes());
  if (pixel < end) row(pixel * tile.C + tile.first, (end - pixel) * tile.channels);
}

}  // namespace attnunet::cpu
