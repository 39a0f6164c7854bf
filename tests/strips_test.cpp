#include "cpu/strips.h"

#include <gtest/gtest.h>

#include <vector>

namespace attnunet::cpu {
namespace TEST_FILE {

const std::vector<Index> pixel_counts = {1, 2, 15, 16, 17, 4095, 4097, 100003};
const std::vector<Index> channel_counts = {1, 2, 3, 64, 128, 129, 255, 256, 257, 600};

TEST(Strips, ChunksCoverEveryPixelOnce) {
  for (Index pixels : pixel_counts)
    for (Index C : channel_counts) {
      const Chunks chunks = chunks_of(pixels, C);
      EXPECT_GE(chunks.count, 1);
      EXPECT_LE(chunks.count, 64);
      Index next = 0;
      for (Index chunk = 0; chunk < chunks.count; ++chunk) {
        EXPECT_EQ(chunks.begin(chunk), next);
        EXPECT_GT(chunks.end(chunk, pixels), next) << "an empty chunk: " << pixels << " x " << C;
        next = chunks.end(chunk, pixels);
      }
      EXPECT_EQ(next, pixels) << C;
    }
}

// Every element once, each as an element of its own channel, and no strip beyond the arrays on the stack.
TEST(Strips, CoverEveryElementOnce) {
  for (Index pixels : {1, 2, 17, 131, 300})
    for (Index C : channel_counts) {
      std::vector<Index> channel(static_cast<std::size_t>(C));
      for (Index c = 0; c < C; ++c) channel[static_cast<std::size_t>(c)] = c;
      std::vector<int> visits(static_cast<std::size_t>(pixels * C));
      bool right_channels = true;
      for (Index s = 0; s < slice_count(C); ++s) {
        const ChannelSlice slice = slice_of(s, C);
        ASSERT_LE(slice.strip(), longest_strip);
        Index strip[longest_strip];
        repeat_per_pixel(slice, strip, channel.data());
        for_strips(slice, 0, pixels, [&](Index offset, Index width) {
          ASSERT_LE(width, slice.strip());
          for (Index l = 0; l < width; ++l) {
            ++visits.at(static_cast<std::size_t>(offset + l));
            right_channels = right_channels && strip[l] == (offset + l) % C;
          }
        });
      }
      EXPECT_EQ(visits, std::vector<int>(visits.size(), 1)) << pixels << " x " << C;
      EXPECT_TRUE(right_channels) << pixels << " x " << C;
    }
}

TEST(Strips, AreSummedOverTheirPixels) {
  for (Index C : channel_counts)
    for (Index s = 0; s < slice_count(C); ++s) {
      const ChannelSlice slice = slice_of(s, C);
      double strip[longest_strip];
      std::vector<double> expected(static_cast<std::size_t>(slice.channels));
      for (Index l = 0; l < slice.strip(); ++l) {
        strip[l] = static_cast<double>(l * l);
        expected[static_cast<std::size_t>(l % slice.channels)] += strip[l];
      }
      sum_over_pixels(slice, strip);
      EXPECT_EQ(std::vector<double>(strip, strip + slice.channels), expected) << C;
    }
}

}  // namespace TEST_FILE
}  // namespace attnunet::cpu
