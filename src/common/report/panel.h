// Panels: what the network made of one image, side by side as in the paper's figures 7 and 8, and what every attention
// gate let through.
// Proof: tests/panel_test.cpp
#pragma once

#include <string>
#include <vector>

#include "common/data/sample.h"
#include "common/report/gradcam.h"
#include "common/report/picture.h"

namespace attnunet::report {

/// One strip of labelled pictures below a line of text: image; actual mask; predicted mask (logit > 0); Grad-CAM over
/// the image; the attention map of each gate over the image, the coarsest first. Their longer side has from 128 to 256
/// pixels. The sample has the size of the explanation.
data::Rgb panel(const data::Sample& sample, const Explanation& explanation, const std::string& text);

/// The image with the outlines of the actual lesion, a line, and of the predicted one, dashes; the longer side has from
/// 128 to 256 pixels.
data::Rgb outlined(const data::Sample& sample, const std::vector<float>& logits);

/// Half as wide and high (means of four pixels; an odd last row or column is left out).
data::Rgb halved(const data::Rgb& image);

/// The cases that panels show, at most `count`: of the validation cases those with a lesion first, in an order drawn by
/// the seed; the same in every epoch, and of N + 1 the first N are those of N. Reads masks, at `size`, as far as
/// needed.
std::vector<std::size_t> panel_cases(const data::Dataset& dataset, const std::vector<std::size_t>& validation,
                                     const ImageSize& size, std::uint64_t seed, std::size_t count);

/// Names for files, one a case and each another: letters, digits, '.' and '-' of the case's name stay, what lies
/// between becomes one '_': "benign (4)" -> "benign_4".
std::vector<std::string> file_names(const std::vector<std::string>& cases);

}  // namespace attnunet::report
