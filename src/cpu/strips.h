// How the loops over a [pixels, C] tensor are cut: into chunks that threads share, and into strips that vectorise.
//
// Chunks    Consecutive pixels. Their number depends on the shape alone. Partial sums, one per chunk, are added in
//           order, so they have the same bits for any number of threads.
// Slices    Up to longest_strip channels. What a function keeps per channel is in small arrays on the stack.
// Strips    A loop over the channels of one pixel would be too short to vectorise if C is small (1 in the attention
//           gate). Then several neighbouring pixels form one strip, and what belongs to a channel is repeated once per
//           pixel: element l of a strip is channel l % C.
#pragma once

#include <algorithm>

#include "common/core/geometry.h"

namespace attnunet::cpu {

constexpr Index longest_strip = 256;  ///< elements

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
struct ChannelSlice {
  Index first, channels, C, pixels_per_strip;

  /// Elements in a strip.
  Index strip() const { return channels * pixels_per_strip; }
};

inline Index slice_count(Index C) {
  return (C + longest_strip - 1) / longest_strip;
}

inline ChannelSlice slice_of(Index index, Index C) {
  const Index first = index * longest_strip;
  return {first, std::min(longest_strip, C - first), C, std::max<Index>(1, longest_strip / 2 / C)};
}

/// strip[l] = values[channel of element l], converted.
template <class From, class To>
void repeat_per_pixel(const ChannelSlice& slice, To* strip, const From* values) {
  for (Index pixel = 0; pixel < slice.pixels_per_strip; ++pixel)
    for (Index c = 0; c < slice.channels; ++c)
      strip[pixel * slice.channels + c] = static_cast<To>(values[slice.first + c]);
}

/// strip[c] = sum over the pixels of a strip of their element c, by halves, so that it vectorises for C = 1 too.
inline void sum_over_pixels(const ChannelSlice& slice, double* strip) {
  for (Index left = slice.pixels_per_strip; left > 1;) {
    const Index half = left / 2, from = (left - half) * slice.channels;
    for (Index l = 0; l < half * slice.channels; ++l) strip[l] += strip[from + l];
    left -= half;
  }
}

/// Calls work(offset, elements) for the strips of pixels begin .. end - 1: `elements` elements from `offset` on.
template <class Work>
void for_strips(const ChannelSlice& slice, Index begin, Index end, const Work& work) {
  Index pixel = begin;
  for (; pixel + slice.pixels_per_strip <= end; pixel += slice.pixels_per_strip)
    work(pixel * slice.C + slice.first, slice.strip());
  if (pixel < end) work(pixel * slice.C + slice.first, (end - pixel) * slice.channels);
}

}  // namespace attnunet::cpu
