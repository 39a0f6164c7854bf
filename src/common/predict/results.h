// What is written of one predicted image: pictures of its own size, and a row of the table.
//
// The network sees the image at its own size and answers there with logits. Those of padding (data/fit.h) are cut off;
// the others, not probabilities, are resized to the image (bilinear), as nnU-Net does: a logit above ln(t / (1 - t)) is
// a probability above t, so at the default of 0.5 the mask is where the resized logit is above 0, the very rule of
// training and evaluation, equal to the bit where nothing is resized; and far from a lesion a saturated probability of
// 0 would say less about where between two pixels the border runs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/core/geometry.h"
#include "common/data/dicom_mask.h"
#include "common/data/raw_image.h"
#include "common/report/gradcam.h"
#include "common/report/lesion_table.h"

namespace attnunet {

struct ResultOptions {
  report::Marking marking;  ///< its threshold above 0 and below 1
  bool overlay = false, probability = false, attention = false, gradcam = false;
};

/// An image as its results need it.
struct PredictedImage {
  std::string name;                            ///< its cell of the table
  data::Grey image;                            ///< all of it
  data::Region region;                         ///< what the network saw of it; empty: all
  bool keep_aspect = false;                    ///< how that came to the network's size (data/fit.h)
  report::PixelSize pixel;                     ///< as far as it is known
  std::optional<data::DicomMaskSource> dicom;  ///< if the mask is to be a DICOM object, too
};

/// The longest of the endings that write_results puts behind PATH.
std::string longest_ending(const ResultOptions& options);

/// Writes PATH_mask.png (0 or 255), of DICOM images PATH_mask.dcm, and as asked _overlay.png (the image with the mask's
/// outline and tint), _probability.png (0 to 255), _attention_L.png of each level and _gradcam.png (both as heat, half
/// over the image). Pictures and numbers are of the whole image; outside of the region the probability is 0. Each PNG
/// says in a text chunk that it is a result (data::is_result). `threads`: pictures that are made at a time. Returns the
/// image's row of report::lesion_table. Throws Error naming the file that cannot be written.
std::string write_results(const std::filesystem::path& path, const PredictedImage& of,
                          const report::Explanation& explanation, const ResultOptions& options, int threads);

}  // namespace attnunet
