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

namespace attnunet::app {

std::unique_ptr<CLI::App> make_parser(int& exit_code) {
  auto parser = std::make_unique<CLI::App>("Attention U-Nets for breast ultrasound, from scratch", "attnunet");
  parser->set_version_flag("--version", "attnunet " ATTNUNET_VERSION ", backends: " + built_backends());
  parser->require_subcommand(1);
  parser->option_defaults()->always_capture_default();
  add_train_command(*parser, exit_code);
  add_evaluate_command(*parser, exit_code);
  add_audit_command(*parser, exit_code);
  add_predict_command(*parser, exit_code);
  add_compare_command(*parser);
  add_export_command(*parser);
  add_data_command(*parser, exit_code);
  add_gradcheck_command(*parser);
  add_info_command(*parser);
  add_bench_command(*parser);
  return parser;
}

}  // namespace attnunet::app
