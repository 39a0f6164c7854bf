// Which pixels of a mask file are lesion.
//
// Masks of BUSI are black and white: lesion is where the luma is above 127. Other tools write the same mask with label
// numbers (0 and 1; 0, 1, 2), in colours, with a palette, in the alpha channel or with 8-bit values in 16 bits. The
// automatic rule tells these apart by the contents of the file alone, so that a mask is read the same in any dataset.
// A file that two rules read differently is refused; the options above:T, nonzero and labels:A,B then decide.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/data/png.h"
#include "common/data/raw_image.h"

namespace attnunet::data {

struct MaskRule {
  enum class Kind { automatic, above, nonzero, labels };
  Kind kind = Kind::automatic;
  int threshold = 127;      ///< of `above`
  std::vector<int> labels;  ///< of `labels`: ascending, without repetition

  bool operator==(const MaskRule& other) const {
    return kind == other.kind && threshold == other.threshold && labels == other.labels;
  }
};

/// "auto", "above:T" (T from 0 to 65534), "nonzero" or "labels:A,B,..." (each from 0 to 65535). Throws UsageError.
MaskRule parse_mask_rule(const std::string& text);
/// What parse_mask_rule reads as the rule.
std::string text_of(const MaskRule& rule);

/// How the lesion of a mask was found.
enum class MaskReading {
  luma,      ///< luma above 127, or another `above`
  labels,    ///< grey values: any but 0, or the chosen ones
  low_byte,  ///< 16-bit values that 8 bits would hold, above 127
  palette,   ///< palette indices: any but the background, or the chosen ones
  colour,    ///< any colour but black
  alpha,     ///< the alpha channel, since all pixels have one colour
  empty      ///< there is no lesion
};
/// For people: "by luma", "by palette index", ...
const char* text_of(MaskReading reading);

struct LesionMask {
  Grey mask;  ///< 0 or 1
  MaskReading reading = MaskReading::empty;
};

/// The lesion in a mask file. By the rule
///   above:T   luma is above T. Files of up to 8 bits are stretched to 0..255 first, deeper ones keep their values.
///   nonzero   the palette index, or any channel, is not 0
///   labels    the palette index, or the grey value, is one of the labels
///   auto      a grey file with values above half of its range (127 of 8 bits) is read by luma above that, as BUSI is,
///             unless it has few values and darker ones among them fill areas, as labels do. Of the readings above it
///             names the one that fits, and luma if the pixels are the same.
/// If all pixels have one colour and their alpha differs, alpha takes the place of the grey values.
/// Throws Error naming the file and the option that decides if the rule cannot be applied or auto finds no sure answer.
LesionMask read_lesion(const RawImage& image, const MaskRule& rule, const std::filesystem::path& path);

}  // namespace attnunet::data
