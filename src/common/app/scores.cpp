#include "common/app/scores.h"

#include <algorithm>

#include "common/app/backend.h"
#include "common/app/options.h"
#include "common/core/error.h"
#include "common/io/signals.h"
#include "common/predict/mean_logits.h"
#include "common/train/device_memory.h"
#include "common/train/evaluator.h"
#include "common/train/run_folder.h"

namespace attnunet::app {
namespace {

template <class B>
std::vector<ImageScore> scores_on(typename B::Device& device, const Model& model, const TrainConfig& config,
                                  const data::Dataset& dataset, const std::vector<std::size_t>& cases,
                                  const SeeImage& see) {
  const Index most = static_cast<Index>(cases.size()), batch = std::min(config.batch, most);
  const ImageSize size = config.size;
  require_memory("evaluation",
                 MeanLogits<B>::bytes(device, model.checkpoints, batch, size) +
                     Evaluator<B>::bytes(size, config.loss, batch, most),
                 device.available_bytes(), memory_name<B>, "--batch or --size");
  MeanLogits<B> network(device, model.checkpoints, batch, size, model.tta);
  AttentionUNetTape<B>& tape = network.tape();
  Evaluator<B> evaluator(device, dataset, size, config.loss, batch, most);

  const Index pixels = size.pixels();
  std::vector<float> logits(static_cast<std::size_t>(see ? batch * pixels : 0)), truth(logits.size());
  const auto look = [&](Index done) {
    copy_to_host(device, logits.data(), tape.logits, tape.batch * pixels);
    copy_to_host(device, truth.data(), evaluator.truth(), tape.batch * pixels);
    for (Index i = 0; i < tape.batch; ++i)
      see(static_cast<std::size_t>(done - tape.batch + i), logits.data() + i * pixels, truth.data() + i * pixels);
  };
  return evaluator.run(network, tape, cases, [&](Index done) {
    if (see) look(done);
    return !interrupted();
  });
}

}  // namespace

TrainConfig merged_config(const Checkpoint& checkpoint, const std::string& path, const TrainConfig& asked,
                          const std::set<std::string>& given) {
  TrainConfig config = checkpoint.config;
  const auto is_given = [&](const char* name) { return given.count(name) != 0; };
  const bool lists = is_given("train-list") || is_given("val-list") || is_given("test-list");
  const bool folds = is_given("folds");
  if (is_given("split") || lists || folds) {  // one way of splitting replaces another
    config.train_cases.clear();
    config.val_cases.clear();
    config.test_cases.clear();
    config.folds = config.fold = 0;
    config.test_part = 0;
  }
  if (is_given("split")) config.split = asked.split;
  if (lists) {
    config.train_list = asked.train_list;
    config.val_list = asked.val_list;
    config.test_list = asked.test_list;
  }
  if (is_given("test-part")) config.test_part = asked.test_part;
  if (folds) config.folds = asked.folds;
  if (is_given("fold")) config.fold = asked.fold;
  if (is_given("classes")) config.classes = asked.classes;
  if (is_given("ignore-orientation")) config.reading.files = asked.reading.files;
  if (is_given("mask-rule")) config.reading.mask_rule = asked.reading.mask_rule;
  if (is_given("size")) config.size = asked.size;
  if (is_given("keep-aspect")) config.reading.keep_aspect = true;
  if (is_given("seed")) config.seed = asked.seed;
  if (is_given("loss")) config.loss.kind = asked.loss.kind;
  if (is_given("tversky-fn")) config.loss.tversky.fn = asked.loss.tversky.fn;
  if (is_given("tversky-fp")) config.loss.tversky.fp = asked.loss.tversky.fp;
  if (is_given("tversky-gamma")) config.loss.tversky.gamma = asked.loss.tversky.gamma;
  if (is_given("focal-gamma")) config.loss.focal.gamma = asked.loss.focal.gamma;
  if (is_given("focal-alpha")) config.loss.focal.alpha = asked.loss.focal.alpha;
  require_options_of_loss(given, config.loss.kind);
  config.backend = asked.backend;
  config.precision = asked.precision;
  config.conv = asked.conv;
  config.batch = asked.batch;
  config.threads = asked.threads;
  config.data = asked.data;
  if (!is_given("data")) {
    const std::string recorded = recorded_data_folder(path);
    if (!recorded.empty()) config.data = recorded;
  }
  validate(config);
  return config;
}

std::vector<Checkpoint> load_ensemble(const std::vector<std::string>& paths) {
  std::vector<Checkpoint> members;
  for (const std::string& path : paths) {
    members.push_back(load_checkpoint(path));
    const TrainConfig &first = members[0].config, &other = members.back().config;
    std::string differs;
    if (!(first.size == other.size))
      differs = "size " + described(first.size) + " and " + described(other.size);
    else if (first.reading.keep_aspect != other.reading.keep_aspect)
      differs = "--keep-aspect";
    else if (first.reading.intensity.rule != other.reading.intensity.rule ||
             first.reading.intensity.bits != other.reading.intensity.bits)
      differs = "how intensities become 8 bits";
    else if (first.reading.files.ignore_orientation != other.reading.files.ignore_orientation)
      differs = "--ignore-orientation";
    if (!differs.empty())
      throw Error(paths[0] + " and " + path + " make no ensemble, as they were trained on images of different " +
                  "preparation: " + differs + "; choose checkpoints that agree");
  }
  return members;
}

std::string choose_weights(std::vector<Checkpoint>& checkpoints, std::optional<Weights> asked,
                           const std::vector<std::string>& paths) {
  std::set<std::string> texts;
  for (std::size_t i = 0; i < checkpoints.size(); ++i)
    texts.insert(attnunet::choose_weights(checkpoints[i], asked, paths[i]));
  texts.erase("");
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

std::vector<ImageScore> scores_of(const Model& model, const TrainConfig& config, const data::Dataset& dataset,
                                  const std::vector<std::size_t>& cases, const SeeImage& see) {
  return with_backend<float>(config.backend, config.threads, config.precision, config.conv, [&](auto& device, auto b) {
    return scores_on<decltype(b)>(device, model, config, dataset, cases, see);
  });
}

}  // namespace attnunet::app
