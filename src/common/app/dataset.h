// What train and evaluate do alike before the work: find the dataset and say what is in it.
#pragma once

#include <optional>

#include "common/data/survey.h"
#include "common/train/train_config.h"

namespace attnunet::app {

/// Throws Error if nothing is at the default place, saying how to get a dataset.
void require_dataset(const TrainConfig& config);

/// The dataset of config.data and config.classes. Throws Error if there is none, saying at the default place how to
/// get one.
data::Dataset find_dataset(const TrainConfig& config);
/// Prints what of it was left out.
void tell_left_out(const data::Dataset& dataset);
/// Both.
data::Dataset open_dataset(const TrainConfig& config);

/// Looks at all files of these cases before they are used (data::survey) and prints what there is to know: classes
/// whose masks are all empty, every bad file, and how masks were read if not by luma. Throws Error naming the first bad
/// file and the number of the others.
data::Survey check_files(const data::Dataset& dataset, const std::vector<std::size_t>& cases, const TrainConfig& config,
                         std::optional<data::CheckDepth> depth = std::nullopt, data::Fingerprints* prints = nullptr);

/// Prints the warning about classes that should have lesions but whose masks are all empty.
void warn_of_empty_classes(const std::map<std::string, data::ClassLesions>& classes);

/// Where --intensity is auto and no range is known: takes that of the largest value among these cases, says so unless
/// config.quiet, and hands it to the dataset.
void find_intensity_range(data::Dataset& dataset, TrainConfig& config, const data::Survey& survey,
                          const std::vector<std::size_t>& cases);

/// Whether the range of intensities is known and does not hold this largest_of_unknown_range of an image.
bool is_beyond_range(int largest, const data::Intensity& intensity);
/// Prints a warning if the values of so many images are beyond the range; `others`: of how many.
void warn_beyond_range(std::size_t images, std::size_t others, const data::Intensity& intensity);
/// The same of these cases.
void warn_beyond_range(const TrainConfig& config, const data::Survey& survey, const std::vector<std::size_t>& cases);

/// Indices of all cases.
std::vector<std::size_t> every_case(const data::Dataset& dataset);

}  // namespace attnunet::app
