// How files are read, through the program: mask rules, intensities, bad files found before the work.
#include <lodepng.h>

#include <algorithm>
#include <sstream>

#include "common/data/sample.h"
#include "common/train/checkpoint.h"
#include "support/command_line.h"
#include "support/json.h"
#include "support/png_kinds.h"
#include "support/png_reader.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

/// The phantoms with all masks as label maps of 0 and 1.
void write_label_masks(const std::string& root) {
  for (const data::Case& one : data::scan(root).cases)
    for (const fs::path& path : one.masks) {
      data::Grey mask = data::read_luma(path);
      for (std::uint8_t& pixel : mask.pixels) pixel = pixel > 127 ? 1 : 0;
      data::write_png(path, mask);
    }
}

/// The phantoms' images with 12 bits in 16: an 8-bit value v as 16 v + 5.
void write_twelve_bits(const std::string& root) {
  for (const data::Case& one : data::scan(root).cases) {
    const data::Grey image = data::read_luma(one.image);
    std::vector<int> values;
    for (const std::uint8_t pixel : image.pixels) values.push_back(16 * pixel + 5);
    write_png_kind(one.image, big_endian(values), static_cast<unsigned>(image.width),
                   static_cast<unsigned>(image.height), LCT_GREY, 16);
  }
}

/// The first three lines: evaluate first says what was trained on and what it scores.
std::string first_lines(const std::string& text) {
  std::size_t end = 0;
  for (int line = 0; line < 3 && end != std::string::npos; ++line) end = text.find('\n', end + 1);
  return text.substr(0, end);
}

std::vector<std::string> one_epoch(const PhantomFolder& phantoms, const std::string& out,
                                   std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = phantoms.train(phantoms / out, more);
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "1";
  return arguments;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string metrics_of(const PhantomFolder& phantoms, const std::string& run) {
  const auto json = read_json(phantoms / run);
  return json["overall"].dump();
}

TEST(ReadingCommand, LabelMasksTrainAsBlackAndWhiteOnesDo) {
  const PhantomFolder phantoms;
  const Finished classic = attnunet_run(one_epoch(phantoms, "classic"));
  expect_success(classic);
  EXPECT_FALSE(has(classic.out, "masks:")) << classic.out;
  EXPECT_TRUE(has(classic.out, "checked all ")) << classic.out;
  write_label_masks(phantoms.data);
  const Finished labels = attnunet_run(one_epoch(phantoms, "labels"));
  expect_success(labels);
  EXPECT_TRUE(has(labels.out, "by nonzero label")) << labels.out;
  EXPECT_EQ(read_text(phantoms / "labels/last.safetensors"), read_text(phantoms / "classic/last.safetensors"));

  const std::string last = phantoms / "labels/last.safetensors";
  expect_success(attnunet_run({"evaluate", "--checkpoint", last, "--json", phantoms / "auto.json"}));
  expect_success(
      attnunet_run({"evaluate", "--checkpoint", last, "--json", phantoms / "nonzero.json", "--mask-rule", "nonzero"}));
  EXPECT_EQ(metrics_of(phantoms, "nonzero.json"), metrics_of(phantoms, "auto.json"));

  const Finished check = attnunet_run({"data", "check", "--data", phantoms.data});
  expect_success(check);
  EXPECT_TRUE(has(check.out, "by nonzero label")) << check.out;
}

TEST(ReadingCommand, TheRuleIsInTheCheckpoint) {
  const PhantomFolder phantoms;
  write_label_masks(phantoms.data);
  expect_success(attnunet_run(one_epoch(phantoms, "run", {"--mask-rule", "labels:1"})));
  const std::string last = phantoms / "run/last.safetensors";
  EXPECT_EQ(text_of(load_checkpoint(last).config.reading.mask_rule), "labels:1");
  EXPECT_EQ(read_json(phantoms / "run/config.json")["mask-rule"], "labels:1");
  expect_success(attnunet_run({"evaluate", "--checkpoint", last, "--json", phantoms / "stored.json"}));
  const Finished other =
      attnunet_run({"evaluate", "--checkpoint", last, "--json", phantoms / "other.json", "--mask-rule", "labels:2"});
  expect_success(other);
  EXPECT_TRUE(has(first_lines(other.out), "warning: NO LESION")) << other.out;
  EXPECT_NE(metrics_of(phantoms, "other.json"), metrics_of(phantoms, "stored.json"));
  expect_failure(attnunet_run({"train", "--resume", last, "--mask-rule", "nonzero"}), 2, {"--mask-rule", "labels:1"});
  expect_failure(attnunet_run(one_epoch(phantoms, "bad", {"--mask-rule", "over:3"})), 2, {"--mask-rule", "over:3"});
}

TEST(ReadingCommand, ClassesWithoutLesionAreSaidFirst) {
  const PhantomFolder phantoms;
  for (const data::Case& one : data::scan(phantoms.data, {"malignant"}).cases)
    for (const fs::path& path : one.masks) {
      data::Grey mask = data::read_luma(path);
      std::fill(mask.pixels.begin(), mask.pixels.end(), std::uint8_t{0});
      data::write_png(path, mask);
    }
  for (const auto& arguments :
       {one_epoch(phantoms, "run", {"--quiet"}), std::vector<std::string>{"data", "check", "--data", phantoms.data},
        std::vector<std::string>{"evaluate", "--checkpoint", phantoms / "run/last.safetensors", "--subset", "all"}}) {
    const Finished finished = attnunet_run(arguments);
    expect_success(finished);
    EXPECT_TRUE(has(first_lines(finished.out), "warning: NO LESION")) << finished.out;
    EXPECT_TRUE(has(first_lines(finished.out), "'malignant'")) << finished.out;
  }
}

TEST(ReadingCommand, AmbiguousMasksAreRefused) {
  const PhantomFolder phantoms;
  const data::Case one = data::scan(phantoms.data).cases[0];
  data::Grey mask = data::read_luma(one.masks[0]);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] = static_cast<std::uint8_t>(i % 90);
  data::write_png(one.masks[0], mask);
  expect_failure(attnunet_run(one_epoch(phantoms, "run")), 1,
                 {one.masks[0].filename().string(), "too many for labels", "--mask-rule"});
  expect_success(attnunet_run(one_epoch(phantoms, "run", {"--mask-rule", "above:70"})));
}

// The masks of validation cases too, before there is a run folder.
TEST(ReadingCommand, AllBadFilesAreListedBeforeTraining) {
  const PhantomFolder phantoms;
  const std::vector<data::Case> cases = data::scan(phantoms.data).cases;
  std::vector<fs::path> bad{cases[1].masks[0], cases[7].image, cases[12].masks[0]};
  for (const fs::path& path : bad) {
    const std::string bytes = read_text(path);
    write_text(path, bytes.substr(0, bytes.size() - 30));
  }
  for (const std::string depth : {"full", "headers"}) {
    const Finished finished = attnunet_run(one_epoch(phantoms, "run", {"--check", depth}));
    expect_failure(finished, 1, {bad[0].filename().string(), "damaged", "2 more bad files"});
    for (const fs::path& path : bad) EXPECT_TRUE(has(finished.out, path.filename().string())) << finished.out;
    EXPECT_EQ(std::count(finished.out.begin(), finished.out.end(), '\n'), 3) << finished.out;
    EXPECT_FALSE(fs::exists(phantoms / "run"));
  }
  expect_failure(attnunet_run(one_epoch(phantoms, "run", {"--check", "some"})), 2, {"--check", "some"});
}

TEST(ReadingCommand, TwelveBitsInSixteenTrainAsEightBitsDo) {
  const PhantomFolder phantoms;
  expect_success(attnunet_run(one_epoch(phantoms, "eight")));
  const std::string images = phantoms / "images", last = phantoms / "twelve/last.safetensors";
  fs::copy(phantoms.data, images, fs::copy_options::recursive);
  write_twelve_bits(phantoms.data);
  const Finished twelve = attnunet_run(one_epoch(phantoms, "twelve"));
  expect_success(twelve);
  EXPECT_TRUE(has(twelve.out, "12 bits, 0 to 4095")) << twelve.out;
  const Checkpoint eight = load_checkpoint(phantoms / "eight/last.safetensors"), checkpoint = load_checkpoint(last);
  EXPECT_EQ(checkpoint.parameters, eight.parameters);
  EXPECT_EQ(checkpoint.config.reading.intensity.bits, 12);
  EXPECT_EQ(eight.config.reading.intensity.bits, 0);

  // Predict takes the number, also where the image alone would fit fewer bits.
  const data::Grey image = data::read_luma(data::scan(images).cases[0].image);
  std::vector<int> dark;
  data::Grey dark_eight = image;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    dark_eight.pixels[i] /= 8;
    dark.push_back(16 * dark_eight.pixels[i] + 3);
  }
  fs::create_directory(phantoms / "dark");
  write_png_kind(phantoms / "dark/deep.png", big_endian(dark), static_cast<unsigned>(image.width),
                 static_cast<unsigned>(image.height), LCT_GREY, 16);
  data::write_png(phantoms / "dark/flat.png", dark_eight);
  const auto predict = [&](const std::string& checkpoint_file) {
    const Finished finished = attnunet_run(
        {"predict", "--checkpoint", checkpoint_file, "--out", phantoms / "out", "--probability", phantoms / "dark"});
    expect_success(finished);
    return finished.out;
  };
  EXPECT_FALSE(has(predict(last), "warning"));
  EXPECT_EQ(data::read_luma(phantoms / "out/deep_probability.png").pixels,
            data::read_luma(phantoms / "out/flat_probability.png").pixels);
  EXPECT_TRUE(has(predict(phantoms / "eight/last.safetensors"), "warning: 1 image is of more than 8 bits"));

  expect_success(attnunet_run({"train", "--resume", last, "--epochs", "2"}));
  EXPECT_EQ(load_checkpoint(last).config.reading.intensity.bits, 12);
  EXPECT_TRUE(has(attnunet_run({"data", "check", "--data", phantoms.data}).out, "12 bits"));
}

/// The image of a case again, brighter: its values are multiplied.
void brighten(const data::Case& one, int factor) {
  const data::RawImage image = data::read_png(one.image);
  std::vector<int> values;
  for (const std::uint16_t value : image.samples) values.push_back(value * factor);
  write_png_kind(one.image, big_endian(values), static_cast<unsigned>(image.width), static_cast<unsigned>(image.height),
                 LCT_GREY, 16);
}

TEST(ReadingCommand, ValuesBeyondTheRangeOfTrainingAreSaid) {
  const PhantomFolder phantoms;
  write_twelve_bits(phantoms.data);
  const std::vector<data::Case> cases = data::scan(phantoms.data).cases;
  std::string lists[2];
  for (std::size_t i = 0; i < cases.size(); ++i) lists[i < 12 ? 0 : 1] += cases[i].name + "\n";
  write_text(phantoms / "train.txt", lists[0]);
  write_text(phantoms / "val.txt", lists[1]);
  const std::vector<std::string> with_lists{"--train-list", phantoms / "train.txt", "--val-list", phantoms / "val.txt"};
  EXPECT_FALSE(has(attnunet_run(one_epoch(phantoms, "within", with_lists)).out, "beyond the range"));
  brighten(cases[15], 8);
  const Finished finished = attnunet_run(one_epoch(phantoms, "run", with_lists));
  expect_success(finished);
  EXPECT_TRUE(has(finished.out,
                  "warning: 1 of 20 images has values beyond the range of intensities that was found in "
                  "training, 0 to 4095: they become white"))
      << finished.out;
  const std::string last = phantoms / "run/last.safetensors";
  EXPECT_TRUE(has(attnunet_run({"evaluate", "--checkpoint", last}).out, "warning: 1 of 8 images has values beyond"));
  const Finished predicted = attnunet_run(
      {"predict", "--checkpoint", last, "--out", phantoms / "out", cases[15].image.string(), cases[14].image.string()});
  expect_success(predicted);
  EXPECT_TRUE(has(predicted.out, "warning: 1 of 2 images has values beyond")) << predicted.out;
}

TEST(ReadingCommand, TheIntensityRuleIsInTheCheckpoint) {
  const PhantomFolder phantoms;
  expect_success(attnunet_run(one_epoch(phantoms, "minmax", {"--intensity", "minmax"})));
  EXPECT_EQ(load_checkpoint(phantoms / "minmax/last.safetensors").config.reading.intensity.rule,
            data::IntensityRule::minmax);
  EXPECT_EQ(read_json(phantoms / "minmax/config.json")["intensity"], "minmax");
  const data::Grey image = data::read_luma(data::scan(phantoms.data).cases[0].image);
  data::Grey darker = image;  // the same image once each has been stretched
  const std::uint8_t least = *std::min_element(image.pixels.begin(), image.pixels.end());
  for (std::uint8_t& pixel : darker.pixels) pixel = static_cast<std::uint8_t>(pixel - least);
  fs::create_directory(phantoms / "images");
  data::write_png(phantoms / "images/a.png", image);
  data::write_png(phantoms / "images/b.png", darker);
  expect_success(attnunet_run({"predict", "--checkpoint", phantoms / "minmax/last.safetensors", "--out",
                               phantoms / "out", "--probability", phantoms / "images"}));
  EXPECT_EQ(data::read_luma(phantoms / "out/a_probability.png").pixels,
            data::read_luma(phantoms / "out/b_probability.png").pixels);
  expect_failure(attnunet_run(one_epoch(phantoms, "bad", {"--intensity", "best"})), 2, {"--intensity", "best"});
}

TEST(ReadingCommand, ResumedRunsKeepTheIntensityRule) {
  const PhantomFolder phantoms;
  write_twelve_bits(phantoms.data);
  for (const std::string rule : {"auto", "full", "minmax", "percentile"}) {
    SCOPED_TRACE(rule);
    const std::vector<std::string> options{"--intensity", rule, "--panels", "0", "--quiet"};
    expect_success(attnunet_run(phantoms.train(phantoms / (rule + "2"), options)));
    expect_success(attnunet_run(one_epoch(phantoms, rule, options)));
    expect_success(attnunet_run(
        {"train", "--resume", phantoms / (rule + "/last.safetensors"), "--epochs", "2", "--threads", "1", "--quiet"}));
    EXPECT_TRUE(read_text(phantoms / (rule + "/last.safetensors")) ==
                read_text(phantoms / (rule + "2/last.safetensors")));
  }
}

// A checkpoint from before --intensity and case lists scores and predicts as it was trained.
TEST(ReadingCommand, OlderCheckpointsReadSixteenBitsInFull) {
  const PhantomFolder phantoms;
  write_twelve_bits(phantoms.data);
  expect_success(attnunet_run(one_epoch(phantoms, "run", {"--intensity", "full", "--lr", "3e-2"})));
  const std::string full = phantoms / "run/last.safetensors", older = phantoms / "run/older.safetensors";
  Checkpoint checkpoint = load_checkpoint(full);
  checkpoint.case_list.reset();
  checkpoint.config.reading.intensity = {};
  save_checkpoint(older, checkpoint);
  for (const std::string& of : {full, older}) {
    expect_success(attnunet_run({"evaluate", "--checkpoint", of, "--split", "random", "--json", of + ".json"}));
    expect_success(attnunet_run({"predict", "--checkpoint", of, "--out", of + "-masks", "--probability", "--csv",
                                 of + ".csv", phantoms.data + "/benign"}));
  }
  EXPECT_EQ(read_json(older + ".json")["overall"], read_json(full + ".json")["overall"]);
  EXPECT_EQ(read_text(older + ".csv"), read_text(full + ".csv"));
}

// Trained with it, and then without a word about it: the checkpoint says how images come to the network's size.
TEST(ReadingCommand, KeepAspectIsTheCheckpoints) {
  const PhantomFolder phantoms;
  const auto train = [&](const std::string& out, std::vector<std::string> more) {
    more.insert(more.end(), {"--panels", "1"});
    std::vector<std::string> arguments = one_epoch(phantoms, out, more);
    *(std::find(arguments.begin(), arguments.end(), "--size") + 1) = "24x48";
    const Finished finished = attnunet_run(arguments);
    expect_success(finished);
    return finished.out;
  };
  EXPECT_TRUE(has(train("run", {"--keep-aspect", "--augment", "strong"}), "24 x 48 (height x width), keep-aspect"));
  EXPECT_FALSE(has(train("off", {"--augment", "strong"}), "keep-aspect"));
  EXPECT_EQ(read_json(phantoms / "run/config.json")["keep-aspect"], true);
  const std::string run = phantoms / "run/last.safetensors", off = phantoms / "off/last.safetensors";
  EXPECT_TRUE(load_checkpoint(run).config.reading.keep_aspect);
  EXPECT_NE(load_checkpoint(run).parameters, load_checkpoint(off).parameters) << "training saw the same images";
  EXPECT_TRUE(has(read_text(phantoms / "run/report.html"), "24 x 48 (height x width), keep-aspect</h1>"));
  // The panel shows what the network saw: a picture as wide as two of its height.
  const fs::path panel = fs::directory_iterator(phantoms / "run/epochs")->path();
  EXPECT_EQ(data::read_luma(panel).width, 7 * (144 + 4) + 4);

  const std::string json = phantoms / "e.json", csv = phantoms / "e.csv";
  const auto evaluate = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"evaluate", "--json", json, "--csv", csv, "--subset", "all", "--checkpoint"});
    const Finished finished = attnunet_run(more);
    expect_success(finished);
    EXPECT_TRUE(has(finished.out, "24 x 48 (height x width), keep-aspect"));
    EXPECT_EQ(read_json(json)["size"], "24x48");
    EXPECT_EQ(read_json(json)["keep_aspect"], true);
    return read_text(csv);
  };
  evaluate({run});
  // Lesions are as large as the fitted masks have them, and nowhere else.
  std::size_t lesion = 0, scored = 0;
  for (data::Case one : data::scan(phantoms.data).cases) {
    one.reading.keep_aspect = true;
    const data::Grey mask = data::load(one, {24, 48}).mask;
    lesion += static_cast<std::size_t>(std::count(mask.pixels.begin(), mask.pixels.end(), 1));
  }
  std::istringstream rows(read_text(csv));
  std::string row;
  std::getline(rows, row);
  while (std::getline(rows, row)) {
    std::vector<std::string> cells;
    std::istringstream cell_stream(row);
    for (std::string cell; std::getline(cell_stream, cell, ',');) cells.push_back(cell);
    scored += std::stoul(cells.at(9));
  }
  EXPECT_EQ(scored, lesion);
  EXPECT_GT(lesion, 100u);
  evaluate({off, "--keep-aspect"});

  const Finished exported = attnunet_run({"export", "--checkpoint", run, "--out", phantoms / "m.onnx"});
  expect_success(exported);
  const std::string model = read_text(phantoms / "m.onnx");
  EXPECT_TRUE(has(model, "keep_aspect"));
  EXPECT_TRUE(has(model, "scaled by one factor"));
  expect_success(attnunet_run({"export", "--checkpoint", off, "--out", phantoms / "off.onnx"}));
  EXPECT_FALSE(has(read_text(phantoms / "off.onnx"), "keep_aspect"));
  expect_success(attnunet_run({"export", "--checkpoint", off, "--out", phantoms / "off.onnx", "--keep-aspect"}));
  EXPECT_TRUE(has(read_text(phantoms / "off.onnx"), "keep_aspect"));

  const Finished audit = attnunet_run({"audit", "--checkpoint", run, "--data", phantoms.data, "--json", json});
  expect_success(audit);
  EXPECT_TRUE(has(audit.out, "checkpoint, 24 x 48 (height x width), keep-aspect"));
  EXPECT_EQ(read_json(json)["keep_aspect"], true);
  EXPECT_EQ(read_json(json)["checkpoint_size"], "24x48");
  expect_success(attnunet_run({"train", "--resume", run, "--epochs", "2", "--threads", "1"}));
  EXPECT_TRUE(load_checkpoint(run).config.reading.keep_aspect);
}

}  // namespace TEST_FILE
}  // namespace attnunet
