#include "common/data/survey.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <system_error>

#include "common/core/in_parallel.h"
#include "common/data/file_tree.h"
#include "common/data/sample.h"
#include "common/io/machine.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

// Measured on PNG files of ultrasound and their masks, per core.
constexpr double bytes_per_second = 3e7, files_per_second = 2e3;
// Of a class whose first masks are all empty.
constexpr std::size_t most_empty_masks = 200;

/// What was found of one case.
struct Findings {
  std::vector<std::string> problems;
  std::vector<MaskReading> readings;  ///< of its masks; empty where they were not read
  int largest = 0;
  Extent extent;

  bool has_lesion() const {
    return std::any_of(readings.begin(), readings.end(),
                       [](MaskReading reading) { return reading != MaskReading::empty; });
  }
};

/// Calls read; whatever it throws is a problem.
template <class Read>
void note(Findings& findings, const Read& read) {
  try {
    read();
  } catch (const std::exception& failure) {
    findings.problems.push_back(failure.what());
  }
}

/// Decodes all files of a case.
Findings read_case(const Dataset& dataset, std::size_t i, Fingerprints* prints) {
  const Case& one = dataset.cases[i];
  Findings findings;
  std::optional<Frame> frame;
  Grey mask;
  note(findings, [&] {
    const RawImage file = read_raw(one.image, one.reading.files);
    findings.largest = largest_of_unknown_range(file);
    if (prints != nullptr) prints->take(i, file);
    frame = frame_of(file);
    mask = empty_mask(*frame);
    findings.extent = {mask.width, mask.height, one.mm_per_pixel, one.mm_per_pixel};
    if (file.mm_per_column > 0 && file.mm_per_row > 0) {
      findings.extent.mm_per_column = file.mm_per_column;
      findings.extent.mm_per_row = file.mm_per_row;
    }
  });
  for (const fs::path& path : one.masks) {
    note(findings, [&] {
      const RawImage file = read_raw(path, one.reading.files);
      findings.readings.push_back(frame ? add_mask(mask, *frame, one, path, file)
                                        : read_lesion(file, one.reading.mask_rule, path).reading);
    });
  }
  return findings;
}

struct PngSize {
  std::uint32_t width, height;
  int bits;
};

/// Of a PNG file whose last chunk is where it should be and that no EXIF turns; none of any other file.
std::optional<PngSize> header_of(const fs::path& path) {
  constexpr unsigned char last_chunk[12] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
  constexpr std::size_t looked_at = 4096;  // of its beginning and of its end, where EXIF is
  unsigned char first[29] = {}, last[12] = {};
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;  // to open a named pipe would wait for its writer
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(first), sizeof first);
  file.seekg(-static_cast<std::streamoff>(sizeof last), std::ios::end);
  file.read(reinterpret_cast<char*>(last), sizeof last);
  const std::string begin(reinterpret_cast<char*>(first), 16);
  if (!file || begin != std::string("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16)) return std::nullopt;
  if (!std::equal(last, last + sizeof last, last_chunk)) return std::nullopt;
  for (const std::streamoff from :
       {std::streamoff{0}, std::max<std::streamoff>(0, file.tellg() - std::streamoff{looked_at})}) {
    std::string part(looked_at, '\0');
    file.clear();
    file.seekg(from);
    file.read(part.data(), static_cast<std::streamsize>(part.size()));
    if (part.find("eXIf") != std::string::npos) return std::nullopt;
  }
  const auto number = [&](int at) {
    return std::uint32_t{first[at]} << 24 | std::uint32_t{first[at + 1]} << 16 | std::uint32_t{first[at + 2]} << 8 |
           first[at + 3];
  };
  return PngSize{number(16), number(20), first[24]};
}

/// What the headers of a case tell, if that is all that has to be known: the files are whole, of one size and of up to
/// 8 bits.
std::optional<Findings> read_headers(const Case& one) {
  const std::optional<PngSize> image = header_of(one.image);
  if (!image || image->bits > 8) return std::nullopt;
  for (const fs::path& path : one.masks) {
    const std::optional<PngSize> mask = header_of(path);
    if (!mask || mask->width != image->width || mask->height != image->height) return std::nullopt;
  }
  Findings findings;
  findings.extent = {static_cast<int>(image->width), static_cast<int>(image->height), one.mm_per_pixel,
                     one.mm_per_pixel};
  return findings;
}

/// Of each class that should have lesions, reads cases until one has one.
void look_for_lesions(const Dataset& dataset, const std::vector<std::size_t>& cases, std::vector<Findings>& found) {
  std::map<std::string, std::size_t> looked_at;
  std::map<std::string, bool> has_lesion;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& one = dataset.cases[cases[i]];
    if (has_lesion[one.class_name] || looked_at[one.class_name] == most_empty_masks) continue;
    ++looked_at[one.class_name];
    if (found[i].readings.empty() && found[i].problems.empty()) found[i] = read_case(dataset, cases[i], nullptr);
    has_lesion[one.class_name] = found[i].has_lesion();
  }
}

}  // namespace

Survey survey(const Dataset& dataset, const std::vector<std::size_t>& cases, int threads,
              std::optional<CheckDepth> depth, Fingerprints* prints) {
  Survey survey;
  survey.largest.resize(dataset.cases.size());
  survey.extents.resize(dataset.cases.size());
  for (const std::size_t i : cases) {
    const Case& one = dataset.cases[i];
    const auto count = [&](const fs::path& path) {
      std::error_code missing;  // reading it says so
      const std::uintmax_t bytes = fs::file_size(path, missing);
      survey.bytes += missing ? 0 : bytes;
      ++survey.files;
    };
    count(one.image);
    for (const fs::path& path : one.masks) count(path);
  }
  const double seconds =
      (static_cast<double>(survey.bytes) / bytes_per_second + static_cast<double>(survey.files) / files_per_second) /
      std::max(1, std::min(threads, all_cores()));
  survey.depth = depth.value_or(seconds <= seconds_for_full ? CheckDepth::full : CheckDepth::headers);

  std::vector<Findings> found(cases.size());
  in_parallel(cases.size(), threads, [&](std::size_t i) {
    std::optional<Findings> of_headers;
    if (survey.depth == CheckDepth::headers) of_headers = read_headers(dataset.cases[cases[i]]);
    found[i] = of_headers ? *of_headers : read_case(dataset, cases[i], prints);
  });
  if (survey.depth == CheckDepth::headers) look_for_lesions(dataset, cases, found);

  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Findings& one = found[i];
    survey.problems.insert(survey.problems.end(), one.problems.begin(), one.problems.end());
    survey.largest[cases[i]] = one.largest;
    survey.extents[cases[i]] = one.extent;
    survey.masks += one.readings.size();
    for (const MaskReading reading : one.readings) ++survey.read[reading];
    if (one.readings.empty()) continue;
    ClassLesions& lesions = survey.classes[dataset.cases[cases[i]].class_name];
    ++lesions.cases;
    lesions.lesions += one.has_lesion() ? 1 : 0;
  }
  return survey;
}

bool is_named_without_lesion(const std::string& class_name) {
  static const std::set<std::string> names{"normal",   "healthy",    "negative",       "no lesion", "no lesions",
                                           "nolesion", "background", "without lesion", "control",   "controls"};
  std::string name = lower_case(fs::path(class_name).filename().string());
  for (char& letter : name)
    if (letter == '_' || letter == '-') letter = ' ';
  return names.count(name) != 0;
}

std::vector<std::string> classes_without_lesion(const std::map<std::string, ClassLesions>& classes) {
  std::vector<std::string> names;
  for (const auto& [name, lesions] : classes)
    if (!is_named_without_lesion(name) && lesions.lesions == 0) names.push_back(name);
  return names;
}

std::string mask_readings_text(const std::map<MaskReading, std::size_t>& read) {
  std::string text;
  bool only_luma = true;
  for (const auto& [reading, count] : read) {
    only_luma = only_luma && (reading == MaskReading::luma || reading == MaskReading::empty);
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + text_of(reading);
  }
  return only_luma ? "" : text;
}

}  // namespace attnunet::data
