#include "common/app/data_convert.h"

#include <cstdio>
#include <memory>

#include "common/app/dataset.h"
#include "common/app/options.h"
#include "common/core/quoting.h"
#include "common/data/convert.h"
#include "common/io/signals.h"

namespace attnunet::app {
namespace {

struct DataConvertOptions {
  TrainConfig config;  // data, classes, mask rule, whether orientations count
  data::TargetLayout to = data::TargetLayout::busi;
  std::string out;
};

/// False where interrupted.
bool run(const DataConvertOptions& options) {
  const data::Dataset dataset = open_dataset(options.config);
  catch_interrupts();
  const std::optional<data::Conversion> done = data::convert(dataset, options.to, options.out);
  if (!done) return false;
  std::printf("%s\n%zu cases in %s: %zu files copied, %zu written as PNG\n", data::layout_line(dataset).c_str(),
              dataset.cases.size(), one_line(options.out).c_str(), done->copied, done->written);
  if (done->largest > 0)
    std::printf(
        "intensity: the largest value of images of more than 8 bits is %d; in those that were written 0 to %d "
        "became 0 to 255\n",
        done->largest, (1 << done->intensity.bits) - 1);
  for (const std::string& lost : done->lost)
    std::printf("not kept, because the layout has no place for it: %s\n", lost.c_str());
  return true;
}

}  // namespace

void add_data_convert_command(Command& data, int& exit_code) {
  const auto options = std::make_shared<DataConvertOptions>();
  Command* command = data.add_subcommand("convert", "Write a dataset again in another layout");
  command->add_option("--data", options->config.data, "dataset folder, or CSV file with the columns image and mask");
  add_mask_rule_option(*command, options->config.reading.mask_rule);
  add_orientation_option(*command, options->config.reading.files);
  command->add_option("--classes", options->config.classes, "classes to take, separated by commas; all if not given")
      ->delimiter(',');
  add_named_option(*command, options->to, "the new layout: BUSI's, folders images and masks, or nnU-Net's")
      ->required()
      ->default_str("");
  command->add_option("--out", options->out, "new or empty folder")->required();
  command->callback([options, &exit_code] {
    if (!run(*options)) exit_code = 130;
  });
}

}  // namespace attnunet::app
