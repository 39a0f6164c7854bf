// A dataset written again in another layout.
//   busi    CLASS/NAME.png, CLASS/NAME_mask.png, ...         pairs   images/CLASS/NAME.png, masks/CLASS/NAME.png
//   nnunet  imagesTr/NAME_0000.png, labelsTr/NAME.png (0, 1), dataset.json
// The parts of the dataset's own split become folders train, val and test; nnU-Net has imagesTs and labelsTs for test
// cases. Files are copied as they are if the layout allows it. Otherwise they become 8-bit PNG files: images whose name
// does not end as an image's, masks that must be one file, and for nnU-Net all masks, and images that are not upright
// grey PNG files of 8 or 16 bits. With a mask rule other than auto all masks are written anew, so that no rule is
// needed to read them; files with an EXIF orientation are if it is to be ignored.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/core/names.h"
#include "common/data/dataset.h"

namespace attnunet {
namespace data {

enum class TargetLayout { busi, pairs, nnunet };

}  // namespace data

template <>
struct Names<data::TargetLayout> {
  static constexpr const char* option = "to";
  static constexpr Name<data::TargetLayout> table[] = {
      {data::TargetLayout::busi, "busi"}, {data::TargetLayout::pairs, "pairs"}, {data::TargetLayout::nnunet, "nnunet"}};
};

namespace data {

struct Conversion {
  std::size_t copied = 0, written = 0;  ///< files that were copied, that were written as PNG
  std::vector<std::string> lost;        ///< what the layout has no place for: "the classes", "the groups", ...
  int largest = 0;                      ///< of written images: the largest value of those of unknown range, ...
  Intensity intensity;                  ///< ... and how they became 8 bits
};

/// Writes to the folder `out`, which is new or empty: all of it, or nothing if that fails or is interrupted
/// (signals.h; then there is no result). Throws Error naming the file if one cannot be read or written, `out` holds
/// something, two cases would have one file, or a case would be read back as something else because of its name or that
/// of its class.
std::optional<Conversion> convert(const Dataset& dataset, TargetLayout layout, const std::filesystem::path& out);

}  // namespace data
}  // namespace attnunet
