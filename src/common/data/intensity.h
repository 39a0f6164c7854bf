// How the values of an image file become the 8-bit grey that the network sees.
//
// Files of up to 8 bits need no rule. Deeper ones seldom use all of their range: 12 bits in a 16-bit file would make a
// nearly black image if only the high byte were kept. `auto` therefore scales by the range that is in use: the one that
// the file states, else one number for all files, which training finds and a checkpoint stores. One image never decides
// for itself then, so that a dark image stays dark.
#pragma once

#include "common/core/names.h"
#include "common/data/raw_image.h"

namespace attnunet {
namespace data {

enum class IntensityRule { automatic, full, minmax, percentile };

}  // namespace data

template <>
struct Names<data::IntensityRule> {
  static constexpr const char* option = "intensity";
  static constexpr Name<data::IntensityRule> table[] = {{data::IntensityRule::automatic, "auto"},
                                                        {data::IntensityRule::full, "full"},
                                                        {data::IntensityRule::minmax, "minmax"},
                                                        {data::IntensityRule::percentile, "percentile"}};
};

namespace data {

struct Intensity {
  IntensityRule rule = IntensityRule::automatic;
  int bits = 0;  ///< of `auto`: the range of deeper files that state none; 0: not known, each file's own values decide
};

/// The smallest of 10, 12, 14 and 16 bits that holds the value.
int range_bits(int largest);

/// The largest value of a file whose range `auto` has to find: of 16 bits, without a range that it states. Else 0.
int largest_of_unknown_range(const RawImage& image);

/// 8-bit luma of the image's own values v, where 2^b is the range and anything beyond it is white:
///   auto        up to 8 bits as luma_of has them; deeper ones v >> (b - 8), where b is as stated above
///   full        luma_of: b is that of the file
///   minmax      from the least to the largest luma of the image, stretched to 0..255 and rounded
///   percentile  the same from its 1st to its 99th percentile (nearest rank)
Grey grey_of(const RawImage& image, const Intensity& intensity);

}  // namespace data
}  // namespace attnunet
