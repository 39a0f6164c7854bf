#include "common/app/data_synth.h"

#include <cstdio>
#include <memory>

#include "common/app/options.h"
#include "common/data/phantom.h"

namespace attnunet::app {
namespace {

struct DataSynthOptions {
  std::string out;
  int count = 200, size = 256;
  std::uint64_t seed = 0;
};

}  // namespace

void add_data_synth_command(Command& data) {
  const auto options = std::make_shared<DataSynthOptions>();
  Command* command = data.add_subcommand("synth", "Make a dataset of phantoms in BUSI's layout");
  command->add_option("--out", options->out, "new or empty folder")->required();
  command->add_option("--count", options->count, "images")->check(whole_number(1, 1000000));
  command->add_option("--size", options->size, "sides are within about 12 % of this")->check(whole_number(32, 4096));
  command->add_option("--seed", options->seed, "the same seed gives the same files")
      ->check(whole_number(0, largest_seed));
  command->callback([options] {
    data::synthesize(options->out, options->count, options->size, options->seed);
    std::printf("%d phantoms in %s\n", options->count, options->out.c_str());
  });
}

}  // namespace attnunet::app
