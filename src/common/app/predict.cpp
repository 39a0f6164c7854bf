#include "common/app/predict.h"

#include <algorithm>
#include <cstdio>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <system_error>

#include "common/app/backend.h"
#include "common/app/dataset.h"
#include "common/app/default_model.h"
#include "common/app/inputs_kept.h"
#include "common/app/marking.h"
#include "common/app/options.h"
#include "common/app/scores.h"
#include "common/core/counted.h"
#include "common/core/in_parallel.h"
#include "common/core/quoting.h"
#include "common/data/dicom.h"
#include "common/data/file_tree.h"
#include "common/data/fit.h"
#include "common/data/image_extent.h"
#include "common/data/raw_image.h"
#include "common/io/atomic_file.h"
#include "common/io/counter_bar.h"
#include "common/io/csv.h"
#include "common/io/signals.h"
#include "common/predict/inputs.h"
#include "common/predict/predictor.h"
#include "common/predict/results.h"
#include "common/report/lesion_table.h"

namespace attnunet::app {
namespace {

namespace fs = std::filesystem;

struct PredictOptions {
  std::string checkpoint, out, csv, gradcam_layer = "bottleneck";
  std::vector<std::string> inputs, ensemble;
  ResultOptions results;
  MarkingOptions marking;
  bool tta = false, skip_bad = false, anonymous = false;
  std::optional<ImageSize> size;       // the checkpoint's if absent
  int frame = 0;                       // of DICOM loops; 0: every one
  std::optional<double> mm_per_pixel;  // of files that do not say
  std::optional<Weights> weights;
  TrainConfig config;  // backend, precision, conv, batch and threads of it
};

struct Loaded {
  const Input* input;
  PredictedImage of;
  data::Grey fitted;
  bool own_range = false;     // its intensities were scaled by its own values alone
  bool beyond_range = false;  // values are beyond the checkpoint's range of intensities
  std::string failure;        // why it could not be read
};

/// What came of the images so far.
struct Outcome {
  std::vector<std::string> rows;  // of the table, one for each image; empty where it has no results
  std::size_t skipped = 0, own_range = 0, beyond_range = 0;
};

/// Fills in what is known of the image once it is read.
void load(Loaded& loaded, const PredictOptions& options, const data::Reading& trained) {
  const Input& input = *loaded.input;
  const data::Intensity& intensity = trained.intensity;
  const bool ignore_orientation = options.config.reading.files.ignore_orientation || trained.files.ignore_orientation;
  const data::RawImage raw =
      input.dicom ? data::read_dicom(input.file, input.frame) : data::read_raw(input.file, {ignore_orientation});
  PredictedImage& of = loaded.of;
  of = {csv_text(input.name.string()), data::grey_of(raw, intensity), raw.region, false, {}, {}};
  const int largest = data::largest_of_unknown_range(raw);
  loaded.own_range = intensity.rule == data::IntensityRule::automatic && intensity.bits == 0 && largest > 0;
  loaded.beyond_range = is_beyond_range(largest, intensity);
  of.pixel = {raw.mm_per_column, raw.mm_per_row};
  if (options.mm_per_pixel && of.pixel.mm_per_row == 0) of.pixel = {*options.mm_per_pixel, *options.mm_per_pixel};
  if (input.dicom)
    of.dicom =
        data::DicomMaskSource{input.file,          std::max(input.frame, 1), *input.dicom, of.pixel.mm_per_column,
                              of.pixel.mm_per_row, options.anonymous};
}

std::vector<Loaded> load(const std::vector<Input>& inputs, std::size_t first, std::size_t batch,
                         const TrainConfig& trained, const PredictOptions& options) {
  std::vector<Loaded> loaded(std::min(batch, inputs.size() - first));
  in_parallel(loaded.size(), options.config.threads, [&](std::size_t i) {
    Loaded& one = loaded[i];
    one.input = &inputs[first + i];
    try {
      load(one, options, trained.reading);
      const data::Grey seen = data::crop(one.of.image, one.of.region);
      one.of.keep_aspect = trained.reading.keep_aspect;
      one.fitted = data::fit_image(seen, trained.size, one.of.keep_aspect);
    } catch (const Error& error) {
      one.failure = error.what();
    } catch (const std::bad_alloc&) {
      one.failure = quoted(one.input->file) +
                    " takes more memory to read and scale than there is; scale it down, or free some memory";
    } catch (const fs::filesystem_error& error) {
      one.failure = one_line(error.what());
    }
  });
  return loaded;
}

std::vector<float> network_input(const std::vector<Loaded>& loaded) {
  std::vector<float> images;
  for (const Loaded& one : loaded)
    for (const std::uint8_t pixel : one.fitted.pixels) images.push_back(static_cast<float>(pixel) / 255.0f);
  return images;
}

/// What images need beside the network, as far as the headers of their files tell: three batches in 8-bit grey, the
/// pixels of the files being read, and of the images being written logits, probabilities, masks and pictures.
Index bytes_of_images(const std::vector<Input>& inputs, std::size_t batch, int threads) {
  constexpr Index read = 4, written = 20;  // bytes per pixel
  std::vector<Index> pixels;
  for (const Input& input : inputs) {
    const Index claimed = data::pixels_by_header(input.file);
    if (claimed <= data::largest_image) pixels.push_back(claimed);  // others will be refused
  }
  std::sort(pixels.rbegin(), pixels.rend());
  Index bytes = 0;
  const std::size_t at_work = std::min(batch, static_cast<std::size_t>(threads));
  for (std::size_t i = 0; i < std::min(pixels.size(), 3 * batch); ++i)
    bytes += (i < at_work ? 1 + read + written : 1) * pixels[i];
  return bytes;
}

/// Three batches are under way: one being read, one in the network, one being written.
template <class B>
void predict(typename B::Device& device, const std::vector<Checkpoint>& checkpoints, const PredictOptions& options,
             const std::vector<Input>& inputs, Outcome& outcome) {
  const auto batch = std::min(static_cast<std::size_t>(options.config.batch), inputs.size());
  const int threads = options.config.threads;
  const bool explain = options.results.attention || options.results.gradcam;
  Predictor<B> predictor(device, checkpoints, static_cast<Index>(batch),
                         explain ? std::optional<std::string>(options.gradcam_layer) : std::nullopt, options.tta,
                         bytes_of_images(inputs, batch, threads));
  const auto start_loading = [&](std::size_t first) {
    return std::async(std::launch::async,
                      [&, first] { return load(inputs, first, batch, checkpoints[0].config, options); });
  };
  const auto write = [&](const std::vector<Loaded>& loaded, const std::vector<report::Explanation>& explanations) {
    const int for_each = std::max(1, threads / static_cast<int>(std::max<std::size_t>(1, explanations.size())));
    in_parallel(explanations.size(), threads, [&](std::size_t i) {
      if (interrupted()) return;  // between images, so that each has all its files
      const Input& input = *loaded[i].input;
      outcome.rows[static_cast<std::size_t>(&input - inputs.data())] =
          write_results(options.out / input.name, loaded[i].of, explanations[i], options.results, for_each);
    });
  };

  CounterBar bar("images", inputs.size());
  std::future<std::vector<Loaded>> loading = start_loading(0);
  std::future<void> writing;
  std::size_t written = 0, in_writing = 0;
  const auto finish_writing = [&] {
    if (writing.valid()) writing.get();
    written += std::exchange(in_writing, 0);
    bar.update(written);
  };
  std::string failure;
  for (std::size_t first = 0; first < inputs.size() && failure.empty() && !interrupted(); first += batch) {
    std::vector<Loaded> loaded, read = loading.get();
    if (first + batch < inputs.size()) loading = start_loading(first + batch);
    for (Loaded& one : read) {
      outcome.own_range += one.own_range ? 1 : 0;
      outcome.beyond_range += one.beyond_range ? 1 : 0;
      if (one.failure.empty()) {
        loaded.push_back(std::move(one));
      } else if (options.skip_bad) {
        bar.clear();
        std::printf("skipped: %s\n", one.failure.c_str());
        ++outcome.skipped;
      } else {
        failure = one.failure;
        break;  // what comes before it still gets its results
      }
    }
    std::vector<report::Explanation> explanations;
    if (!loaded.empty()) explanations = predictor.run(network_input(loaded), [] { return !interrupted(); });
    finish_writing();
    in_writing = read.size();
    writing = std::async(std::launch::async, [&write, loaded = std::move(loaded),
                                              explanations = std::move(explanations)] { write(loaded, explanations); });
  }
  finish_writing();
  if (!failure.empty()) throw Error(failure + "; --skip-bad goes on without such images");
}

/// Makes the output folders and finds out whether they can be written to, and whether no name is too long.
void make_folders(const fs::path& out, const std::vector<Input>& inputs, const std::string& ending) {
  std::set<fs::path> folders;
  for (const Input& input : inputs) folders.insert((out / input.name).parent_path());
  for (const fs::path& folder : folders) {
    std::error_code failure;
    fs::create_directories(folder, failure);
    if (failure) throw file_error("cannot make the folder", folder, failure.value());
    AtomicFile(folder / "mask.png");  // leaves nothing
  }
  for (const Input& input : inputs) {
    const fs::path file = out / (input.name.string() + ending);
    std::error_code failure;
    if (!fs::exists(file, failure) && failure == std::errc::filename_too_long)
      throw file_error("cannot write", file, failure.value());
  }
}

/// The model, or those of an ensemble, without what each states of its own marking.
std::vector<Checkpoint> load_checkpoints(const PredictOptions& options) {
  if (!options.checkpoint.empty() && !options.ensemble.empty())
    throw UsageError("predict takes --checkpoint or --ensemble, not both");
  if (!options.checkpoint.empty()) {
    std::vector<Checkpoint> one;
    one.push_back(load_checkpoint(options.checkpoint));
    return one;
  }
  if (options.ensemble.size() == 1)
    throw UsageError("--ensemble is of two or more checkpoints: use --checkpoint for one");
  if (options.results.attention || options.results.gradcam)
    throw UsageError("--attention and --gradcam explain one network: use --checkpoint, not --ensemble");
  std::vector<Checkpoint> members = load_ensemble(options.ensemble);
  for (Checkpoint& member : members) {  // chosen for the member, not for the mean
    member.threshold.reset();
    member.min_area = member.largest = 0;
  }
  return members;
}

std::string one_of_places(const std::vector<std::string>& places) {
  std::string text;
  for (const std::string& place : places) text += (text.empty() ? "" : " or ") + quoted(place);
  return text;
}

/// False where interrupted.
bool run(PredictOptions options, const std::set<std::string>& given) {
  const TrainConfig& config = options.config;
  require_backend(config.backend, config.precision, config.conv);
  if (options.checkpoint.empty() && options.ensemble.empty()) {
    options.checkpoint = default_model();
    if (options.checkpoint.empty())
      throw UsageError("predict needs --checkpoint or --ensemble, as no model lies where one comes with the program: " +
                       one_of_places(default_model_places()));
    std::printf("Model: %s, which comes with the program (--checkpoint names another)\n", options.checkpoint.c_str());
  }
  std::vector<Checkpoint> checkpoints = load_checkpoints(options);
  Checkpoint& checkpoint = checkpoints[0];
  const std::vector<std::string> paths =
      options.ensemble.empty() ? std::vector<std::string>{options.checkpoint} : options.ensemble;
  const std::string weights = choose_weights(checkpoints, options.weights, paths);
  std::string stated;
  options.results.marking = marking_for(checkpoint, options.marking, given, stated);
  if (!stated.empty()) std::printf("From the checkpoint: %s\n", stated.c_str());
  if (options.size) {
    for (const Checkpoint& member : checkpoints) require_size(member.config.network, *options.size);
    checkpoint.config.size = *options.size;
  }
  if (config.reading.keep_aspect) checkpoint.config.reading.keep_aspect = true;
  report::gradcam_block(checkpoint.config.network, options.gradcam_layer);
  if (options.results.attention && !checkpoint.config.network.gated())
    throw UsageError(std::string("--attention shows attention gates, and ") +
                     name_of(checkpoint.config.network.variant) + " has none; --gradcam works with every network");
  const Inputs found = find_inputs(options.inputs, options.out, options.frame);
  if (!found.left_out.empty()) std::printf("%s\n", data::left_out_text(found.left_out).c_str());
  const std::vector<Input>& inputs = found.images;
  std::vector<fs::path> read{options.ensemble.begin(), options.ensemble.end()};
  if (!options.checkpoint.empty()) read.emplace_back(options.checkpoint);
  for (const Input& input : inputs) read.push_back(input.file);
  keep_inputs({{"--csv", options.csv}}, read);
  make_folders(options.out, inputs, longest_ending(options.results));
  std::optional<AtomicFile> csv_file;
  if (!options.csv.empty()) csv_file.emplace(options.csv);
  const std::string assumed = assumptions(checkpoint, checkpoint.config.size);
  if (found.results > 0)
    std::printf("%s of predict and %s left out\n",
                counted(found.results, "file is a result", "files are results").c_str(),
                found.results == 1 ? "was" : "were");
  if (!assumed.empty()) std::printf("%s has %s\n", paths[0].c_str(), assumed.c_str());
  if (!weights.empty()) std::printf("%s: %s\n", paths.size() == 1 ? paths[0].c_str() : "The ensemble", weights.c_str());

  catch_interrupts();
  Outcome outcome;
  outcome.rows.resize(inputs.size());
  // Also of a job that ends early: the rows of what it has written.
  const auto write_table = [&] {
    std::string table = report::lesion_table_head();
    for (const std::string& row : outcome.rows) table += row;
    if (csv_file) csv_file->commit(table);
  };
  try {
    with_backend<float>(config.backend, config.threads, config.precision, config.conv, [&](auto& device, auto b) {
      predict<decltype(b)>(device, checkpoints, options, inputs, outcome);
    });
  } catch (...) {
    write_table();
    throw;
  }
  write_table();

  const auto predicted = static_cast<std::size_t>(
      std::count_if(outcome.rows.begin(), outcome.rows.end(), [](const std::string& row) { return !row.empty(); }));
  std::printf("%zu of %zu images predicted in %s", predicted, inputs.size(), options.out.c_str());
  if (outcome.skipped > 0) std::printf(", %zu skipped", outcome.skipped);
  std::printf("\n");
  if (outcome.own_range > 0)
    std::printf(
        "warning: %s of more than 8 bits without a stated range; the checkpoint, which was trained on 8 bits, has none "
        "either: each was scaled by its own largest value\n",
        counted(outcome.own_range, "image is", "images are").c_str());
  warn_beyond_range(outcome.beyond_range, inputs.size(), checkpoint.config.reading.intensity);
  if (outcome.skipped == inputs.size()) throw Error("none of the images could be read");
  return predicted + outcome.skipped == inputs.size();
}

}  // namespace

void add_predict_command(Command& app, int& exit_code) {
  const auto options = std::make_shared<PredictOptions>();
  TrainConfig& config = options->config;
  ResultOptions& results = options->results;
  Command* command = app.add_subcommand(
      "predict",
      "Masks of images (PNG, JPEG, BMP, TIFF, DICOM), which are prepared as the checkpoint's training data were");
  command->add_option("inputs", options->inputs, "images, and folders that are searched for them")
      ->required()
      ->default_str("");
  command->add_option("--checkpoint", options->checkpoint,
                      "the model; if not given, that which comes with the program");
  command->add_option("--ensemble", options->ensemble, ensemble_help)->default_str("");
  command->add_option("--out", options->out, "folder for a_mask.png of each a.png; sub-folders are kept")->required();
  add_other_size_option(*command, options->size, "the checkpoint's");
  add_keep_aspect_option(*command, config.reading.keep_aspect, keep_aspect_of_checkpoint);
  add_weights_option(*command, options->weights);
  add_marking_options(*command, options->marking);
  command->add_flag("--overlay", results.overlay, "also a_overlay.png: outline and tint of the mask on the image");
  command->add_flag("--probability", results.probability, "also a_probability.png: 0 to 255");
  command->add_flag("--attention", results.attention,
                    "also a_attention_L.png: what the gate of each level let through (Attention U-Nets)");
  command->add_flag("--gradcam", results.gradcam, "also a_gradcam.png: what counted for the mask (Grad-CAM)");
  command->add_option("--gradcam-layer", options->gradcam_layer, "its layer; naming one asks for --gradcam");
  command->add_flag("--tta", options->tta, tta_help);
  command->add_option("--csv", options->csv,
                      "file for area, box, centroid and probability of the lesion of every image, in pixels; the area "
                      "in mm^2, too, if the size of a pixel is known");
  command
      ->add_option("--mm-per-pixel", options->mm_per_pixel, "size of a pixel of the images whose files do not say it")
      ->check(number([](double value) { return value > 0 && value <= 100; }, "above 0 and up to 100"))
      ->default_str("");
  command->add_option("--frame", options->frame, "of DICOM loops this frame only, from 1; all of them if not given")
      ->check(whole_number(1, 1000000))
      ->default_str("");
  command->add_flag("--anonymous", options->anonymous,
                    "leave patient and study out of the DICOM masks, with all that refers to the images");
  command->add_flag("--skip-bad", options->skip_bad, "report images that cannot be read and go on");
  add_orientation_option(*command, config.reading.files);
  add_backend_option(*command, config.backend);
  add_precision_option(*command, config.precision);
  add_conv_option(*command, config.conv);
  command->add_option("--batch", config.batch, "images at a time; three times as many are in memory")
      ->check(whole_number(1, largest_batch));
  add_threads_option(*command, config.threads);
  command->callback([options, command, &exit_code] {
    if (command->count("--gradcam-layer") > 0) options->results.gradcam = true;
    if (!run(*options, command->given())) exit_code = 130;
  });
}

}  // namespace attnunet::app
