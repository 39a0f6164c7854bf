#include "common/app/inputs_kept.h"

#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"

namespace attnunet::app {
namespace fs = std::filesystem;

void keep_inputs(const std::vector<Output>& outputs, const std::vector<fs::path>& inputs) {
  for (const Output& output : outputs) {
    std::error_code failure;
    if (output.file.empty() || !fs::is_regular_file(output.file, failure)) continue;
    for (const fs::path& input : inputs) {
      if (fs::equivalent(output.file, input, failure))
        throw UsageError(output.option + ": " + quoted(output.file) +
                         " is a file that this command reads; choose another name");
      if (input.extension() != ".safetensors") continue;
      for (const char* name : {"config.json", "metrics.csv", "last.safetensors", "best.safetensors", "report.html"})
        if (fs::equivalent(output.file, input.parent_path() / name, failure))
          throw UsageError(output.option + ": " + quoted(output.file) +
                           " belongs to the run of the checkpoint; choose another name");
    }
  }
}

void keep_dataset(const std::vector<Output>& outputs, const data::Dataset& dataset) {
  std::vector<fs::path> files{dataset.root};
  for (const data::Case& one : dataset.cases) {
    files.push_back(one.image);
    files.insert(files.end(), one.masks.begin(), one.masks.end());
  }
  keep_inputs(outputs, files);
}

}  // namespace attnunet::app
