#include "common/app/dataset.h"

#include <cstdio>
#include <filesystem>

#include "common/core/error.h"

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
  for (const auto& mask : dataset.orphan_masks) std::printf("warning: %s has no image and is left out\n", mask.c_str());
  return dataset;
}

}  // namespace attnunet::app
