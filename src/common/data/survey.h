// Reads the files of a dataset once before the work that needs them, so that all bad ones are known at the start: a
// damaged mask of a validation case would otherwise end a training after its first epoch, one file per run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/core/names.h"
#include "common/data/dataset.h"
#include "common/data/fingerprint.h"

namespace attnunet {
namespace data {

enum class CheckDepth { full, headers };

}  // namespace data

template <>
struct Names<data::CheckDepth> {
  static constexpr const char* option = "check";
  static constexpr Name<data::CheckDepth> table[] = {{data::CheckDepth::full, "full"},
                                                     {data::CheckDepth::headers, "headers"}};
};

namespace data {

/// The lesions of one class.
struct ClassLesions {
  std::size_t cases = 0, lesions = 0;  ///< whose masks were read, of which so many mark a lesion
};

/// How large the picture of a case is.
struct Extent {
  int width = 0, height = 0;                 ///< pixels
  double mm_per_column = 0, mm_per_row = 0;  ///< as the file states them, else the dataset; 0: unknown

  /// 0: unknown.
  double mm2() const { return width * mm_per_column * height * mm_per_row; }
};

struct Survey {
  CheckDepth depth = CheckDepth::full;
  std::size_t files = 0;
  std::uint64_t bytes = 0;                  ///< of all files
  std::vector<std::string> problems;        ///< a line for every bad file, in case order
  std::size_t masks = 0;                    ///< that were read
  std::map<MaskReading, std::size_t> read;  ///< how many of them in which way
  std::map<std::string, ClassLesions> classes;
  /// Per case of the dataset: largest_of_unknown_range of its image; 0 also if it was not looked at.
  std::vector<int> largest;
  std::vector<Extent> extents;  ///< per case of the dataset; empty if it could not be read or was not asked for
};

/// Looks at these cases (indices into the dataset) with so many threads. full: decodes every file. headers: of a PNG
/// file whose last chunk is whole the header alone, and every file of other kinds or of 16 bits; of each class masks
/// until one marks a lesion. Without a depth: full if that takes about seconds_for_full or less. Hands the images that
/// it decodes to `prints`, of this dataset, if there are some.
Survey survey(const Dataset& dataset, const std::vector<std::size_t>& cases, int threads,
              std::optional<CheckDepth> depth = std::nullopt, Fingerprints* prints = nullptr);
constexpr double seconds_for_full = 5;

/// Whether a class is called normal, healthy, negative, no lesion, background or the like, in any case.
bool is_named_without_lesion(const std::string& class_name);

/// The classes of other names whose masks were read and are all empty.
std::vector<std::string> classes_without_lesion(const std::map<std::string, ClassLesions>& classes);

/// "647 by luma, 3 by nonzero label" of the automatic rule; "" if it found nothing but luma.
std::string mask_readings_text(const std::map<MaskReading, std::size_t>& read);

}  // namespace data
}  // namespace attnunet
