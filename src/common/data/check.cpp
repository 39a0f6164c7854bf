#include "common/data/check.h"

#include <algorithm>
#include <set>

#include "common/core/error.h"
#include "common/core/in_parallel.h"
#include "common/data/raw_image.h"
#include "common/data/resize.h"
#include "common/data/sample.h"
#include "common/io/machine.h"

namespace attnunet::data {
namespace {

/// Throws what load_full throws.
CaseFacts facts_of(const Case& one, Grey& thumbnail) {
  CaseFacts facts;
  const RawImage file = read_raw(one.image, one.reading.files);
  const Frame frame = frame_of(file);
  Grey mask = empty_mask(frame);
  facts.width = mask.width;
  facts.height = mask.height;
  facts.coloured = is_coloured(file);
  facts.format = file.format;
  facts.largest = largest_of_unknown_range(file);
  for (const auto& path : one.masks) {
    const RawImage mask_file = read_raw(path, one.reading.files);
    facts.mask_formats.push_back(mask_file.format);
    for (const std::uint8_t value : luma_of(mask_file).pixels) facts.binary_masks &= value == 0 || value == 255;
    facts.mask_readings.push_back(add_mask(mask, frame, one, path, mask_file));
  }
  facts.lesion = static_cast<double>(std::count(mask.pixels.begin(), mask.pixels.end(), 1)) /
                 static_cast<double>(mask.pixels.size());
  thumbnail = resize_bilinear(image_of(file, one.reading), thumbnail_size, thumbnail_size);
  facts.readable = true;
  return facts;
}

/// 1 where both are empty.
double mask_iou(const Grey& a, const Grey& b) {
  std::size_t both = 0, either = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    both += a.pixels[i] & b.pixels[i];
    either += a.pixels[i] | b.pixels[i];
  }
  return either == 0 ? 1 : static_cast<double>(both) / static_cast<double>(either);
}

void find_duplicates(CheckResult& result, std::vector<Grey> thumbnails) {
  std::vector<std::size_t> cases;  // of the thumbnails that are left
  for (std::size_t i = 0; i < thumbnails.size(); ++i) {
    if (!result.facts[i].readable) continue;
    if (cases.size() < i) thumbnails[cases.size()] = std::move(thumbnails[i]);
    cases.push_back(i);
  }
  thumbnails.resize(cases.size());
  for (const SimilarPair& pair : similar_pairs(thumbnails, near_duplicate_threshold))
    result.pairs.push_back({cases[pair.a], cases[pair.b], pair.correlation});
  result.groups = near_duplicate_groups(thumbnails, near_duplicate_threshold);
  for (std::vector<std::size_t>& group : result.groups)
    for (std::size_t& member : group) member = cases[member];
}

void find_conflicts(CheckResult& result) {
  const std::vector<Case>& cases = result.dataset.cases;
  std::map<std::size_t, Grey> masks;
  const auto mask_of = [&](std::size_t i) -> const Grey& {
    Grey& mask = masks[i];
    if (mask.pixels.empty())
      mask = resize_nearest(load_full(cases[i]).mask, mask_comparison_size, mask_comparison_size);
    return mask;
  };
  for (const SimilarPair& pair : result.pairs) {
    const double iou = mask_iou(mask_of(pair.a), mask_of(pair.b));
    if (cases[pair.a].class_name != cases[pair.b].class_name)
      result.conflicts.push_back({pair.a, pair.b, "class", pair.correlation, iou});
    if (iou < mask_agreement) result.conflicts.push_back({pair.a, pair.b, "mask", pair.correlation, iou});
  }
}

}  // namespace

CheckResult check(const std::filesystem::path& root, const std::vector<std::string>& classes, const Reading& reading) {
  CheckResult result;
  result.dataset = scan(root, classes, &result.problems);
  for (Case& one : result.dataset.cases) one.reading = reading;
  const std::vector<Case>& cases = result.dataset.cases;
  result.facts.resize(cases.size());
  std::vector<std::string> unreadable(cases.size());
  std::vector<Grey> thumbnails(cases.size());
  in_parallel(cases.size(), all_cores(), [&](std::size_t i) {
    try {
      result.facts[i] = facts_of(cases[i], thumbnails[i]);
    } catch (const std::exception& failure) {
      unreadable[i] = failure.what();
    }
  });
  for (const std::string& problem : unreadable)
    if (!problem.empty()) result.problems.push_back(problem);
  find_duplicates(result, std::move(thumbnails));
  find_conflicts(result);
  return result;
}

Leakage leakage(const std::vector<SimilarPair>& pairs, const std::vector<std::size_t>& train_cases,
                const std::vector<std::size_t>& val_cases) {
  const std::set<std::size_t> train(train_cases.begin(), train_cases.end()), val(val_cases.begin(), val_cases.end());
  std::set<std::size_t> twins, close;
  for (const SimilarPair& pair : pairs)
    for (const auto& [here, other] : {std::pair{pair.a, pair.b}, std::pair{pair.b, pair.a}}) {
      if (val.count(here) == 0 || train.count(other) == 0) continue;
      twins.insert(here);
      if (pair.correlation > close_twin) close.insert(here);
    }
  return {train.size(), val.size(), twins.size(), close.size()};
}

}  // namespace attnunet::data
