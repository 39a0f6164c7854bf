#include "common/app/train.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "common/app/backend.h"
#include "common/app/dataset.h"
#include "common/app/options.h"
#include "common/app/progress.h"
#include "common/app/seen.h"
#include "common/core/counted.h"
#include "common/core/quoting.h"
#include "common/data/watch.h"
#include "common/io/atomic_file.h"
#include "common/io/signals.h"
#include "common/report/epoch_files.h"
#include "common/report/gradcam.h"
#include "common/train/cases.h"
#include "common/train/protocol.h"
#include "common/train/trainer.h"

namespace attnunet::app {
namespace {

/// Makes runs/VARIANT-DATE-TIME, or if another run has that, VARIANT-DATE-TIME-2 and so on. Making a folder is the
/// check whether it is there: of two runs that start in one second, one makes it.
std::string make_default_folder(const TrainConfig& config) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &local);
  const std::string name = std::string("runs/") + name_of(config.network.variant) + "-" + text;
  std::string folder = name;
  std::error_code code;
  std::filesystem::create_directories("runs", code);
  for (int i = 2; !std::filesystem::create_directory(folder, code); ++i) {
    if (code) throw file_error("cannot make the run folder", folder, code.value());
    folder = name + "-" + std::to_string(i);
  }
  return folder;
}

/// "3", or "3 and 2 batches"
std::string epochs_and_batches(const Checkpoint& checkpoint) {
  const std::string batches = std::to_string(checkpoint.batch) + (checkpoint.batch == 1 ? " batch" : " batches");
  return std::to_string(checkpoint.epoch) + (checkpoint.batch == 0 ? "" : " and " + batches);
}

/// A run goes on in its own folder from its last state, or elsewhere: what came after another checkpoint would be lost.
/// A last.safetensors that cannot be read has nothing to lose.
void refuse_to_drop_steps(const Checkpoint& checkpoint) {
  namespace fs = std::filesystem;
  const TrainConfig& config = checkpoint.config;
  const fs::path given(config.resume), last = fs::path(config.out) / "last.safetensors";
  std::error_code none;
  const fs::path own = given.has_parent_path() ? given.parent_path() : fs::path(".");
  if (!fs::equivalent(own, config.out, none) || !fs::exists(last) || fs::equivalent(given, last, none)) return;
  Checkpoint done;
  try {
    done = load_checkpoint(last);
  } catch (const Error&) {
    return;
  }
  if (std::pair(done.epoch, done.batch) <= std::pair(checkpoint.epoch, checkpoint.batch)) return;
  throw Error(given.string() + " is the state after epoch " + epochs_and_batches(checkpoint) + " of a run that has " +
              epochs_and_batches(done) +
              ": to go on from there, name another folder with --out; to continue the run, --resume " +
              shell_word(last));
}

/// epochs_since_best of a run that did not count them until now: by the metrics.csv beside it; 0 if that does not tell.
int count_epochs_since_best(const Checkpoint& checkpoint) {
  const std::filesystem::path csv = std::filesystem::path(checkpoint.config.resume).parent_path() / "metrics.csv";
  if (!std::filesystem::exists(csv)) return 0;
  for (const EpochRow& row : read_metrics(csv))
    if (row.epoch <= checkpoint.epoch && row.val.iou == checkpoint.best_val_iou) return checkpoint.epoch - row.epoch;
  return 0;
}

/// The checkpoint to continue from, with the configuration to continue by.
Checkpoint resumed(TrainConfig given, const std::set<std::string>& options) {
  Checkpoint checkpoint = load_checkpoint(given.resume);
  const std::string lacks = lacking(checkpoint);
  if (!lacks.empty()) {
    const std::filesystem::path last = std::filesystem::path(given.resume).parent_path() / "last.safetensors";
    std::error_code ignored;
    const bool other =
        std::filesystem::is_regular_file(last, ignored) && !std::filesystem::equivalent(last, given.resume, ignored);
    throw Error("cannot resume " + given.resume + ": it lacks " + lacks +
                (other ? "; resume " + shell_word(last) + ", or" : ";") +
                " start a new run from its weights with --init " + shell_word(given.resume));
  }
  if (options.count("data") == 0) {
    const std::string recorded = recorded_data_folder(given.resume);
    if (!recorded.empty()) given.data = recorded;
  }
  if (options.count("panels") == 0) given.panels = recorded_panels(given.resume, given.panels);
  if (!given.train_list.empty() && !given.val_list.empty()) {  // only names compare
    TrainConfig listed = given;
    listed.classes = checkpoint.config.classes;
    split_of(find_dataset(listed), listed);
    given.train_cases = listed.train_cases;
    given.val_cases = listed.val_cases;
    given.test_cases = listed.test_cases;
  }
  const bool counted = checkpoint.config.patience > 0;
  checkpoint.config = resumed_config(checkpoint.config, given, options);
  if (checkpoint.config.patience > 0 && !counted) checkpoint.epochs_since_best = count_epochs_since_best(checkpoint);
  refuse_to_drop_steps(checkpoint);
  checkpoint.threshold.reset();  // it and what came with it were chosen for these weights
  checkpoint.min_area = checkpoint.largest = 0;
  return checkpoint;
}

/// The names of the cases are the checkpoint's, or the trainer refuses; a picture may still be another.
void warn_of_other_files(const TrainConfig& config) {
  const std::string recorded = recorded_files(config.resume);
  if (!recorded.empty() && recorded != config.files)
    std::printf(
        "warning: files of %s have other sizes than when this run was last begun: what follows is not what the "
        "undisturbed run would have given\n",
        config.data.c_str());
}

void print_start(const TrainConfig& config, const data::Dataset& dataset, const data::Split& split,
                 const RunFolder& folder) {
  std::printf("%s, base %d, %s, batch %lld, %d threads, backend %s, %s, conv %s\n", name_of(config.network.variant),
              config.network.base, images_text(config).c_str(), static_cast<long long>(config.batch), config.threads,
              name_of(config.backend), name_of(config.precision), name_of(config.conv));
  std::printf("%s\n", data::layout_line(dataset).c_str());
  const std::string test = split.test.empty() ? "" : ", " + std::to_string(split.test.size()) + " for testing";
  std::printf("%s: %zu cases, %zu for training, %zu for validation%s; run folder %s\n", dataset.root.c_str(),
              dataset.cases.size(), split.train.size(), split.val.size(), test.c_str(), folder.path().c_str());
}

void warn_of_classes_without_validation(const data::Dataset& dataset, const data::Split& split) {
  std::map<std::string, std::size_t> only_trained;
  for (const std::size_t one : split.train) ++only_trained[dataset.cases[one].class_name];
  for (const std::size_t one : split.val) only_trained.erase(dataset.cases[one].class_name);
  for (const auto& [name, count] : only_trained)
    std::printf(
        "warning: no validation case is of class %s, which has %s; another --seed, --split or --folds may "
        "choose some\n",
        quoted(name).c_str(), counted(count, "training case", "training cases").c_str());
}

/// The split of a dataset whose files have all been looked at, and which now knows its range of intensities.
/// `recorded`: for require_cases.
data::Split checked_split(data::Dataset& dataset, TrainConfig& config, std::optional<data::CheckDepth> depth,
                          data::Fingerprints& prints, const std::string& recorded) {
  // A split by near-duplicates reads every image, so bad files must be known before. Lists may leave files out.
  std::optional<data::Split> split;
  if (!config.train_list.empty() || !config.train_cases.empty()) split = split_of(dataset, config, prints);
  std::vector<std::size_t> cases = every_case(dataset);
  if (split) {
    cases = data::all_cases(*split);
    cases.insert(cases.end(), split->test.begin(), split->test.end());
  }
  const data::Survey survey = check_files(dataset, cases, config, depth, &prints);
  if (!config.quiet && survey.depth == data::CheckDepth::full)
    std::printf("checked all %zu files (%.1f MB)\n", survey.files, static_cast<double>(survey.bytes) / 1e6);
  else if (!config.quiet)
    std::printf("checked the headers of %zu files (%.1f MB); --check full reads all of them\n", survey.files,
                static_cast<double>(survey.bytes) / 1e6);
  if (!split) split = split_of(dataset, config, prints);
  require_cases(recorded, dataset, *split);  // else the warnings would be about another dataset
  find_intensity_range(dataset, config, survey, split->train);
  warn_beyond_range(config, survey, data::all_cases(*split));
  warn_of_classes_without_validation(dataset, *split);
  return *split;
}

/// The case list of what is trained now. Warns if a validation or test image was trained on.
void record_cases(Checkpoint& start, const data::Dataset& dataset, const data::Split& split,
                  data::Fingerprints& prints) {
  CaseList before;
  before.complete = false;  // an older checkpoint says nothing of what it started from
  if (start.case_list) before = *start.case_list;
  start.case_list = list_cases(before, dataset, split, prints);
  warn_of_seen(count_seen(recorded_seen(start.case_list->val)), "validation");
  warn_of_seen(count_seen(recorded_seen(start.case_list->test)), "test");
}

/// False where interrupted.
bool run(const TrainConfig& given, std::optional<data::CheckDepth> depth, const std::set<std::string>& options) {
  Checkpoint start;
  if (given.resume.empty()) {
    validate(given);
    start.config = given;
  } else {
    start = resumed(given, options);
    validate(start.config);
  }
  TrainConfig& config = start.config;
  require_options_of_loss(options, config.loss.kind);
  require_backend(config.backend, config.precision, config.conv);
  data::Dataset dataset = open_dataset(config);
  if (config.resume.empty()) take_own_split(dataset, options, config);
  data::Fingerprints prints(dataset);
  const data::Split split = checked_split(dataset, config, depth, prints, start.cases);
  config.files = data::hash_of_file_sizes(dataset, data::all_cases(split));
  config.protocol = protocol_text(split);
  if (!config.resume.empty()) warn_of_other_files(config);

  catch_interrupts();
  ProgressDisplay display(static_cast<Index>(split.train.size()), static_cast<Index>(split.val.size()), config.quiet);
  EpochRow best_row, last_row;
  best_row.val.iou = start.best_val_iou;
  TrainCallbacks callbacks;
  callbacks.interrupted = interrupted;
  callbacks.progress = [&](const TrainProgress& progress) { display.update(progress); };
  callbacks.epoch = [&](const EpochRow& row, bool best) {
    last_row = row;
    if (best) best_row = row;
    display.finish_epoch(row, config.epochs, best);
  };
  std::optional<RunFolder> folder;
  std::string early_end;
  const bool finished =
      with_backend<float>(config.backend, config.threads, config.precision, config.conv, [&](auto& device, auto b) {
        using B = decltype(b);
        const Architecture architecture = make_architecture(config.network);
        const auto explainer_bytes =
            report::Explainer<B>::bytes(device, architecture, 1, config.size.height, config.size.width);
        // What does not fit is refused before weights are drawn and before there is a folder.
        plan_training_memory<B>(device, config, split, explainer_bytes);
        if (config.resume.empty()) start = new_run(config);
        record_cases(start, dataset, split, prints);
        if (config.out.empty()) config.out = make_default_folder(config);
        folder = config.resume.empty() ? RunFolder::create(config) : RunFolder::resume(start);
        if (!config.quiet) print_start(config, dataset, split, *folder);
        report::Explainer<B> explainer(device, architecture, 1, config.size.height, config.size.width);
        report::EpochFiles files(start, *folder, dataset, split);
        Trainer<B> trainer(device, dataset, split, start, *folder);
        callbacks.files_missing = [&](int epoch) { return files.missing(epoch); };
        callbacks.files = [&](int epoch, const std::vector<ImageScore>& validation) {
          files.write(epoch, validation, [&](const std::vector<float>& image) {
            return explainer.explain(trainer.network(), image).front();
          });
        };
        const bool done = trainer.run(callbacks);
        early_end = trainer.early_end();
        return done;
      });
  display.clear();
  if (!finished) {
    std::printf("interrupted; continue with: attnunet train --resume %s\n", shell_word(folder->last()).c_str());
    return false;
  }
  if (last_row.epoch > 0) {
    std::printf("validation IoU %.4f after the last epoch; best %.4f", last_row.val.iou, best_row.val.iou);
    if (best_row.epoch > 0)
      std::printf(" in epoch %d\n", best_row.epoch);
    else
      std::printf(" before this run was resumed\n");
  }
  if (!early_end.empty())
    std::printf("%s%s\n", early_end.c_str(),
                last_row.epoch > 0 ? "" : "; to go on, --resume with a larger --patience, or with 0 for all epochs");
  std::printf("run folder %s; see its report.html\n", folder->path().c_str());
  return true;
}

}  // namespace

void add_train_command(Command& app, int& exit_code) {
  const auto config = std::make_shared<TrainConfig>();
  const auto depth = std::make_shared<std::optional<data::CheckDepth>>();
  Command* command = app.add_subcommand("train", "Train a network; writes a run folder");
  add_backend_option(*command, config->backend);
  add_precision_option(*command, config->precision);
  add_conv_option(*command, config->conv);
  add_network_options(*command, config->network);
  add_size_option(*command, config->size);
  add_keep_aspect_option(*command, config->reading.keep_aspect);
  add_data_options(*command, *config);
  add_named_option(*command, config->reading.intensity.rule,
                   "how image values become 8 bits; auto: deeper files by the range that they state or use; minmax, "
                   "percentile (1 to 99): by each image");
  command
      ->add_option_function(
          "--check", [depth](const std::string& text) { *depth = parse<data::CheckDepth>(text); },
          "what is read of every file before training starts; if not given: full if that takes only a few seconds, "
          "else headers")
      ->check(one_of(names_of<data::CheckDepth>()));
  command->add_option("--batch", config->batch, "images a step")->check(whole_number(1, largest_batch));
  command->add_option("--epochs", config->epochs, "0 writes the initial checkpoint and stops")
      ->check(whole_number(0, 100000));
  command->add_option("--lr", config->lr, "learning rate of Adam")
      ->check(number([](double value) { return value > 0 && value <= 100; }, "above 0, at most 100"));
  add_named_option(*command, config->lr_schedule, "how it falls from epoch to epoch");
  command
      ->add_option("--warmup", config->warmup,
                   "epochs, whole or not, over whose steps the learning rate rises linearly from 0 to its schedule")
      ->check(number([](double value) { return value >= 0 && value <= 100000; }, "0 to 100000"));
  command
      ->add_option("--clip-norm", config->clip_norm,
                   "largest global norm of the gradients; longer ones are scaled down to it; 0: no limit")
      ->check(number([](double value) { return value >= 0 && value <= 1e9; }, "0 to 1e9"));
  command
      ->add_option("--patience", config->patience,
                   "end the training if the validation IoU has not improved for this many epochs; 0: never")
      ->check(whole_number(0, 100000));
  command
      ->add_option("--ema", config->ema,
                   "decay of a moving average of the weights, e.g. 0.999, which is validated and saved as "
                   "best.safetensors; 0: none")
      ->check(number([](double value) { return value >= 0 && value < 1; }, "at least 0 and below 1"));
  command->add_option("--weight-decay", config->weight_decay, "decoupled, as in AdamW")
      ->check(number([](double value) { return value >= 0 && value <= 100; }, "from 0 to 100"));
  add_loss_options(*command, config->loss,
                   "bce, focal: mean over pixels; dice (soft Dice), tversky (overlap, with misses and false alarms "
                   "weighted): mean over images");
  command->add_option("--dropout", config->network.dropout, "one rate for all levels, instead of 0.1 to 0.3 by level")
      ->check(number([](double value) { return value >= 0 && value < 1; }, "at least 0 and below 1"))
      ->default_str("");
  add_named_option(*command, config->augment,
                   "light: flips, and quarter turns of squares; strong: also small distortions");
  add_named_option(*command, config->balance,
                   "draw training cases so that classes are seen equally often, or cases without a lesion and with a "
                   "small, a medium and a large one; an epoch has as many images as before");
  command->add_option("--seed", config->seed, "of everything random")->check(whole_number(0, largest_seed));
  command->add_flag("--no-shuffle", config->no_shuffle, "take the training cases in case order");
  add_threads_option(*command, config->threads);
  command->add_option("--out", config->out, "run folder; runs/VARIANT-DATE-TIME if not given")->default_str("");
  command->add_option("--init", config->init, "start from the weights of this checkpoint");
  command->add_option("--resume", config->resume,
                      "continue the run of this checkpoint; only --epochs, --patience, --threads, --out, --data, "
                      "--panels and --quiet may differ from it");
  command
      ->add_option(
          "--panels", config->panels,
          "pictures after every epoch, of so many validation cases drawn by the seed, the same in every epoch; "
          "those with a lesion first")
      ->check(whole_number(0, 100));
  command->add_flag("--quiet", config->quiet, "no progress, only the result");
  command->callback([config, depth, command, &exit_code] {
    if (!run(*config, *depth, command->given())) exit_code = 130;
  });
}

}  // namespace attnunet::app
