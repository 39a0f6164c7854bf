#include "common/app/marking.h"

#include "common/app/options.h"

namespace attnunet::app {

void add_marking_options(Command& command, MarkingOptions& options) {
  report::Marking& marking = options.marking;
  command
      .add_option("--threshold", marking.threshold,
                  "lesion is where the probability is above; if not given, the checkpoint's (evaluate "
                  "--choose-threshold), else 0.5")
      ->check(number([](double value) { return value > 0 && value < 1; }, "above 0 and below 1"))
      ->default_str("");
  add_component_options(command, marking.min_area, marking.largest, "; if not given, the checkpoint's");
  command.add_flag("--raw", options.raw, "ignore what the checkpoint states of --threshold, --min-area and --largest");
}

report::Marking marking_for(const Checkpoint& checkpoint, const MarkingOptions& options,
                            const std::set<std::string>& given, std::string& stated) {
  report::Marking marking = options.marking;
  Checkpoint used;  // what it states and no option does
  if (!options.raw) {
    if (given.count("threshold") == 0) used.threshold = checkpoint.threshold;
    if (given.count("min-area") == 0) used.min_area = checkpoint.min_area;
    if (given.count("largest") == 0) used.largest = checkpoint.largest;
  }
  stated = marking_text(used);
  marking.threshold = used.threshold.value_or(marking.threshold);
  if (used.largest > 0) marking.largest = used.largest;
  if (used.min_area > 0) {
    marking.min_area = used.min_area;
    marking.area_of = checkpoint.config.size;
  }
  return marking;
}

}  // namespace attnunet::app
