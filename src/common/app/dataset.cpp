#include "common/app/dataset.h"

#include <cstdio>
#include <filesystem>

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

data::Dataset open_dataset(const TrainConfig& config) {
  require_dataset(config);
  data::Dataset dataset = data::scan(config.data, config.classes);
  for (const auto& mask : dataset.orphan_masks)
    std::printf("warning: %s has no image and is left out\n", one_line(mask.string()).c_str());
  const std::string left_out = data::left_out_text(dataset.left_out);
  if (!left_out.empty()) std::printf("%s\n", left_out.c_str());
  return dataset;
}

}  // namespace attnunet::app
