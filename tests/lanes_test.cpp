#include "cpu/lanes.h"

#include <gtest/gtest.h>

#include <vector>

namespace attnunet::cpu {
namespace {

const std::vector<Index> pixel_counts = {1, 2, 15, 16, 17, 4095, 4097, 100003};
const std::vector<Index> channel_counts = {1, 2, 3, 64, 128, 129, 255, 256, 257, 600};

TEST(Lanes, ChunksCoverEveryPixelOnce) {
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

// Every element once, each in a lane of its own channel, and no row beyond the arrays on the stack.
TEST(Lanes, RowsCoverEveryElementOnce) {
  for (Index pixels : {1, 2, 17, 131, 300})
    for (Index C : channel_counts) {
      std::vector<Index> channel(static_cast<std::size_t>(C));
      for (Index c = 0; c < C; ++c) channel[static_cast<std::size_t>(c)] = c;
      std::vector<int> visits(static_cast<std::size_t>(pixels * C));
      bool right_channels = true;
      for (Index t = 0; t < tile_count(C); ++t) {
        const Tile tile = tile_of(t, C);
        ASSERT_LE(tile.lanes(), max_lanes);
        Index lanes[max_lanes];
        spread(tile, lanes, channel.data());
        for_rows(tile, 0, pixels, [&](Index offset, Index width) {
          ASSERT_LE(width, tile.lanes());
          for (Index l = 0; l < width; ++l) {
            ++visits.at(static_cast<std::size_t>(offset + l));
            right_channels = right_channels && lanes[l] == (offset + l) % C;
          }
        });
      }
      EXPECT_EQ(visits, std::vector<int>(visits.size(), 1)) << pixels << " x " << C;
      EXPECT_TRUE(right_channels) << pixels << " x " << C;
    }
}

TEST(Lanes, FoldAddsThePixelsOfARow) {
  for (Index C : channel_counts)
    for (Index t = 0; t < tile_count(C); ++t) {
      const Tile tile = tile_of(t, C);
      double lanes[max_lanes];
      std::vector<double> expected(static_cast<std::size_t>(tile.channels));
      for (Index l = 0; l < tile.lanes(); ++l) {
        lanes[l] = static_cast<double>(l * l);
        expected[static_cast<std::size_t>(l % tile.channels)] += lanes[l];
      }
      fold(tile, lanes);
      EXPECT_EQ(std::vector<double>(lanes, lanes + tile.channels), expected) << C;
    }
}

}  // namespace
}  // namespace attnunet::cpu
