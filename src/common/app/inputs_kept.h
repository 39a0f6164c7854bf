// No command replaces a file that it reads.
// Proof: tests/inputs_kept_test.cpp
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/data/dataset.h"

namespace attnunet::app {

/// An option that names a file to write, "" if it was not given: {"--csv", options.csv}.
struct Output {
  std::string option, file;
};

/// Throws UsageError if one of the outputs is one of the files that the command reads, by whatever path, or another
/// file of the run that a checkpoint among them belongs to.
void keep_inputs(const std::vector<Output>& outputs, const std::vector<std::filesystem::path>& inputs);

/// The same for the files of a dataset: the table that names its cases, their images and masks.
void keep_dataset(const std::vector<Output>& outputs, const data::Dataset& dataset);

}  // namespace attnunet::app
