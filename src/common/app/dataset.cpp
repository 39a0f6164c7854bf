#include "common/app/dataset.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <numeric>

#include "common/core/counted.h"
#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/file_tree.h"

namespace attnunet::app {

void require_dataset(const TrainConfig& config) {
  if (config.data == TrainConfig().data && !std::filesystem::exists(config.data))
    throw Error("no dataset at " + config.data +
                ": get BUSI with tools/get_busi.sh, make phantoms with `attnunet data synth --out DIR`, or name a "
                "folder with --data");
}

data::Dataset find_dataset(const TrainConfig& config) {
  require_dataset(config);
  data::Dataset dataset = data::scan(config.data, config.classes);
  for (data::Case& one : dataset.cases) one.reading = config.reading;
  return dataset;
}

void tell_left_out(const data::Dataset& dataset) {
  for (const auto& mask : dataset.orphan_masks)
    std::printf("warning: %s has no image and is left out\n", one_line(mask.string()).c_str());
  const std::string left_out = data::left_out_text(dataset.left_out);
  if (!left_out.empty()) std::printf("%s\n", left_out.c_str());
}

data::Dataset open_dataset(const TrainConfig& config) {
  data::Dataset dataset = find_dataset(config);
  tell_left_out(dataset);
  return dataset;
}

void warn_of_empty_classes(const std::map<std::string, data::ClassLesions>& classes) {
  for (const std::string& name : data::classes_without_lesion(classes))
    std::printf(
        "warning: NO LESION in any of the %s%s whose masks were read: all their masks are empty. If they are "
        "not, say with --mask-rule what is lesion\n",
        counted(classes.at(name).cases, "case", "cases").c_str(),
        name.empty() ? "" : (" of class " + quoted(name)).c_str());
}

data::Survey check_files(const data::Dataset& dataset, const std::vector<std::size_t>& cases, const TrainConfig& config,
                         std::optional<data::CheckDepth> depth, data::Fingerprints* prints) {
  data::Survey survey = data::survey(dataset, cases, config.threads, depth, prints);
  warn_of_empty_classes(survey.classes);
  for (const std::string& problem : survey.problems) std::printf("%s\n", problem.c_str());
  const std::string readings = data::mask_readings_text(survey.read);
  if (config.reading.mask_rule == data::MaskRule() && !readings.empty()) {
    const std::size_t all = survey.files - cases.size();
    std::printf("masks: %s%s\n", readings.c_str(),
                survey.masks < all ? (" (of " + std::to_string(all) + ", the others were not read yet)").c_str() : "");
  }
  if (!survey.problems.empty()) {
    const std::size_t others = survey.problems.size() - 1;
    throw Error(
        survey.problems[0] +
        (others == 0 ? "" : " (" + counted(others, "more bad file", "more bad files") + ": all are listed on stdout)"));
  }
  std::fflush(stdout);
  return survey;
}

void find_intensity_range(data::Dataset& dataset, TrainConfig& config, const data::Survey& survey,
                          const std::vector<std::size_t>& cases) {
  data::Intensity& intensity = config.reading.intensity;
  int largest = 0;
  for (const std::size_t one : cases) largest = std::max(largest, survey.largest[one]);
  if (intensity.rule != data::IntensityRule::automatic || intensity.bits != 0 || largest == 0) return;
  intensity.bits = data::range_bits(largest);
  for (data::Case& one : dataset.cases) one.reading = config.reading;
  if (!config.quiet)
    std::printf("intensity: the largest value of images of more than 8 bits is %d: %d bits, 0 to %d, become 0 to 255\n",
                largest, intensity.bits, (1 << intensity.bits) - 1);
}

bool is_beyond_range(int largest, const data::Intensity& intensity) {
  return intensity.rule == data::IntensityRule::automatic && intensity.bits != 0 && largest >> intensity.bits != 0;
}

void warn_beyond_range(std::size_t images, std::size_t others, const data::Intensity& intensity) {
  if (images == 0) return;
  std::printf(
      "warning: %zu of %s %s values beyond the range of intensities that was found in training, 0 to %d: they "
      "become white\n",
      images, counted(others, "image", "images").c_str(), images == 1 ? "has" : "have", (1 << intensity.bits) - 1);
}

void warn_beyond_range(const TrainConfig& config, const data::Survey& survey, const std::vector<std::size_t>& cases) {
  const auto beyond = std::count_if(cases.begin(), cases.end(), [&](std::size_t one) {
    return is_beyond_range(survey.largest[one], config.reading.intensity);
  });
  warn_beyond_range(static_cast<std::size_t>(beyond), cases.size(), config.reading.intensity);
}

std::vector<std::size_t> every_case(const data::Dataset& dataset) {
  std::vector<std::size_t> cases(dataset.cases.size());
  std::iota(cases.begin(), cases.end(), std::size_t{0});
  return cases;
}

}  // namespace attnunet::app
