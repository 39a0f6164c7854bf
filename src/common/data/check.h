// What is odd in a dataset: everything that `data check` finds. Nothing of it stops the check: a file that cannot be
// read, a missing mask, a mask of another size are findings like the others.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/data/similarity.h"
#include "common/data/split.h"

namespace attnunet::data {

/// Lesions below this share of the image count as tiny.
constexpr double tiny_lesion = 0.01;
/// Near-duplicates whose masks overlap with a smaller IoU contradict each other. Two annotations of one picture agree
/// at 0.77 to 0.79 on BUSI; below 0.5 more pixels are disputed than shared.
constexpr double mask_agreement = 0.5;
/// Masks of near-duplicates are compared at this size, by nearest pixels.
constexpr int mask_comparison_size = 256;

struct CaseFacts {
  bool readable = false;      ///< image and masks could be read and fit together; else all below is empty
  int width = 0, height = 0;  ///< of the picture: the region, if the file names one
  bool coloured = false;
  std::string format;                      ///< of the image, as RawImage has it
  int largest = 0;                         ///< largest_of_unknown_range of the image
  std::vector<std::string> mask_formats;   ///< of every mask
  std::vector<MaskReading> mask_readings;  ///< of every mask
  bool binary_masks = true;                ///< their luma is 0 or 255 everywhere
  double lesion = 0;                       ///< share of the image
};

/// Two near-duplicates that contradict each other. kind: "class", or "mask" for masks that overlap too little; a pair
/// may do both.
struct Conflict {
  std::size_t a, b;  ///< cases, a < b
  std::string kind;
  double correlation, mask_iou;
};

struct CheckResult {
  Dataset dataset;                    ///< cases with an image and a mask, readable or not
  std::vector<CaseFacts> facts;       ///< of each case
  std::vector<std::string> problems;  ///< a line each, naming the file
  std::vector<SimilarPair> pairs;     ///< near-duplicates
  std::vector<std::vector<std::size_t>> groups;
  std::vector<Conflict> conflicts;
};

/// Throws Error if there is no dataset at all, UsageError if a class does not exist.
CheckResult check(const std::filesystem::path& root, const std::vector<std::string>& classes = {},
                  const Reading& reading = {});

/// How many validation cases have a near-duplicate among the training cases. Of test cases likewise, with all others in
/// place of the training cases.
struct Leakage {
  std::size_t train = 0, val = 0;    ///< cases
  std::size_t twins = 0, close = 0;  ///< validation cases with a twin above near_duplicate_threshold, above close_twin
};
constexpr double close_twin = 0.98;

Leakage leakage(const std::vector<SimilarPair>& pairs, const std::vector<std::size_t>& train,
                const std::vector<std::size_t>& val);

}  // namespace attnunet::data
