#include "common/app/parser.h"

#include "common/app/audit.h"
#include "common/app/bench.h"
#include "common/app/compare.h"
#include "common/app/data.h"
#include "common/app/evaluate.h"
#include "common/app/export.h"
#include "common/app/gradcheck.h"
#include "common/app/info.h"
#include "common/app/options.h"
#include "common/app/predict.h"
#include "common/app/train.h"
#include "common/core/build.h"
#include "common/data/dicom.h"
#include "common/data/tiff.h"

namespace attnunet::app {

std::unique_ptr<CommandLine> make_command_line(int& exit_code) {
  auto line =
      std::make_unique<CommandLine>("attnunet", "Attention U-Nets for breast ultrasound, from scratch",
                                    std::string("attnunet ") + version + ", backends: " + built_backends() +
                                        "\nTIFF: " + data::tiff_support() + "\nDICOM: " + data::dicom_support());
  Command& program = line->program();
  program.require_subcommand();
  add_train_command(program, exit_code);
  add_evaluate_command(program, exit_code);
  add_audit_command(program, exit_code);
  add_predict_command(program, exit_code);
  add_compare_command(program);
  add_export_command(program);
  add_data_command(program, exit_code);
  add_gradcheck_command(program);
  add_info_command(program);
  add_bench_command(program);
  return line;
}

}  // namespace attnunet::app
