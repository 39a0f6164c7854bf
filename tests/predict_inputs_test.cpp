// `attnunet predict` as a program: which images it takes, what happens to those it cannot read, how it stops.
#include <gtest/gtest.h>

#include <csignal>
#include <set>

#include "support/predict.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

using PredictInputs = Predict;

TEST_F(PredictInputs, WhatIsWrongIsSaidBeforeAnyWork) {
  phantom("a.png", 32, 32);
  phantom("b/a.png", 32, 32);
  write_text(fs::path(images) / "b/a.jpg", "");
  fs::create_directories(phantoms / "empty");
  const std::string a = images + "/a.png";
  expect_failure(predict({images}), 1, {"b/a.jpg", "b/a.png", "a_mask.png"});
  expect_failure(predict({a, a}), 1, {"a.png", "is named twice"});
  phantom("c/d.png", 32, 32);
  expect_failure(predict({images + "/c", images + "/c/d.png"}), 1, {"c/d.png", "is named twice"});
  expect_failure(predict({a, images + "/missing.png"}), 1, {"missing.png"});
  expect_failure(predict({a, phantoms / "empty"}), 1, {"empty", "no image"});
  expect_failure(predict({a, "--csv", phantoms / "no/t.csv"}), 1, {"t.csv"});
  for (const char* threshold : {"0", "1", "nan", "-1", "half"})
    expect_failure(predict({a, "--threshold", threshold}), 2, {"--threshold", "above 0 and below 1"});
  expect_failure(predict({a, "--batch", "0"}), 2, {"--batch"});
  expect_failure(predict({}), 2, {"inputs"});
  EXPECT_EQ(files_below(phantoms.folder.path()).count("out/a_mask.png"), 0u);
  expect_failure(attnunet_run({"predict", a, "--checkpoint", a, "--out", out}), 1, {"a.png"});
  expect_failure(attnunet_run({"predict", a, "--checkpoint", checkpoint}), 2, {"--out"});
  expect_failure(attnunet_run({"predict", a, "--checkpoint", checkpoint, "--out", a + "/x"}), 1, {"a.png/x"});
}

// A true mask may lie there under the name of ours.
TEST_F(PredictInputs, NothingIsWrittenAmongTheImages) {
  phantom("a.png", 32, 32);
  write_text(fs::path(images) / "a_mask.png", "the true one");
  for (const std::string& place : {images, images + "/../images/"})
    expect_failure(attnunet_run({"predict", images, "--checkpoint", checkpoint, "--out", place}), 1, {"own folder"});
  EXPECT_EQ(read_text(fs::path(images) / "a_mask.png"), "the true one");
  // Below them is fine, and the results are no images of the next run.
  for (int i = 0; i < 2; ++i)
    expect_success(
        attnunet_run({"predict", images, "--checkpoint", checkpoint, "--out", images + "/out", "--overlay"}));
  EXPECT_EQ(files_below(images + "/out"), (std::set<std::string>{"a_mask.png", "a_overlay.png"}));
}

// Wherever they were moved and whatever they are called; an image whose name looks like a mask's is one.
TEST_F(PredictInputs, ResultsAreNoImages) {
  phantom("a.png", 32, 32);
  const std::vector<std::string> all = {"--overlay", "--probability", "--attention", "--gradcam"};
  std::vector<std::string> arguments = {images};
  arguments.insert(arguments.end(), all.begin(), all.end());
  expect_success(predict(arguments));
  int number = 0;
  for (const std::string& name : files_below(out))
    fs::copy_file(fs::path(out) / name, fs::path(images) / ("x" + std::to_string(number++) + ".PNG"));
  EXPECT_EQ(number, 7);
  const std::string second = phantoms / "second";
  const Finished finished = attnunet_run({"predict", images, "--checkpoint", checkpoint, "--out", second});
  expect_success(finished);
  EXPECT_NE(finished.out.find("7 files are results of predict"), std::string::npos) << finished.out;
  EXPECT_EQ(files_below(second), (std::set<std::string>{"a_mask.png"}));
  expect_success(
      attnunet_run({"predict", images + "/a.png", images + "/x0.PNG", "--checkpoint", checkpoint, "--out", second}));
  expect_failure(attnunet_run({"predict", images + "/x0.PNG", "--checkpoint", checkpoint, "--out", second}), 1,
                 {"results of predict"});
}

TEST_F(PredictInputs, MasksInCapitalsAreMasks) {
  for (const char* name : {"A.PNG", "A_MASK.PNG", "a_Mask_1.PNG"}) phantom(name, 32, 32);
  expect_success(predict({images}));
  EXPECT_EQ(files_below(out), (std::set<std::string>{"A_mask.png"}));
}

TEST_F(PredictInputs, FramesAreOfDicomFiles) {
  phantom("a.png", 32, 32);
  expect_failure(predict({images, "--frame", "2"}), 1, {"--frame", "DICOM", "none of the images"});
}

TEST_F(PredictInputs, MasksAreThoseBesideTheirImage) {
  for (const char* name : {"patient_masked_07.png", "b.png", "b_mask.png", "b_mask_1.png", "c_mask.png", "d.png",
                           "sub/d_mask.png", "e_mask_f.png", "e_mask_f_mask.png"})
    phantom(name, 32, 32);
  expect_success(predict({images}));
  EXPECT_EQ(files_below(out), (std::set<std::string>{"patient_masked_07_mask.png", "b_mask.png", "c_mask_mask.png",
                                                     "d_mask.png", "sub/d_mask_mask.png", "e_mask_f_mask.png"}));
}

TEST_F(PredictInputs, LinksThatGoInCirclesEnd) {
  phantom("x/a.png", 32, 32);
  fs::create_directory_symlink("..", fs::path(images) / "x/up");
  fs::create_directory_symlink(".", fs::path(images) / "x/self");
  expect_success(predict({images}));
  EXPECT_EQ(files_below(out), (std::set<std::string>{"x/a_mask.png"}));
}

TEST_F(PredictInputs, FilesThatAreNoImagesAreListedAndHiddenOnesNever) {
  phantom("a.png", 32, 32);
  phantom("._a.png", 32, 32);
  fs::create_directories(fs::path(images) / "more");
  for (const char* name : {"a_mask.png", "notes.txt", "more/scan.nii.gz", "Thumbs.db", ".DS_Store"})
    write_text(fs::path(images) / name, "");
  const Finished finished = predict({images});
  expect_success(finished);
  EXPECT_NE(finished.out.find("2 files of 2 kinds were left out: 1 .nii.gz ('more/scan.nii.gz'), 1 .txt ('notes.txt')"),
            std::string::npos)
      << finished.out;
  EXPECT_EQ(files_below(out), (std::set<std::string>{"a_mask.png"}));
}

TEST_F(PredictInputs, MasksInAFolderOfTheirOwnAreNoImages) {
  for (const char* name : {"Images/a.png", "Masks/a.png", "nnunet/imagesTr/b_0000.png", "nnunet/labelsTr/b.png",
                           "other/labels/c.png"})  // no images beside these labels
    phantom(name, 32, 32);
  expect_success(predict({images}));
  EXPECT_EQ(files_below(out),
            (std::set<std::string>{"Images/a_mask.png", "nnunet/imagesTr/b_0000_mask.png", "other/labels/c_mask.png"}));
}

TEST_F(PredictInputs, ABadImageStopsTheRunOrIsSkipped) {
  for (const char* name : {"a.png", "b.png", "d.png", "e.png"}) phantom(name, 32, 32);
  write_text(fs::path(images) / "c.png", "no image");
  for (const char* batch : {"1", "16"}) {
    SCOPED_TRACE(batch);
    expect_failure(predict({images, "--batch", batch, "--csv", phantoms / "t.csv"}), 1, {"c.png", "--skip-bad"});
    EXPECT_EQ(files_below(out), (std::set<std::string>{"a_mask.png", "b_mask.png"}));
    EXPECT_EQ(rows_of(phantoms / "t.csv").size(), 2u);
    fs::remove_all(out);
    const Finished finished = predict({images, "--skip-bad", "--batch", batch, "--csv", phantoms / "t.csv"});
    expect_success(finished);
    EXPECT_NE(finished.out.find("c.png"), std::string::npos) << finished.out;
    EXPECT_NE(finished.out.find("4 of 5 images"), std::string::npos) << finished.out;
    EXPECT_NE(finished.out.find("1 skipped"), std::string::npos) << finished.out;
    EXPECT_EQ(files_below(out), (std::set<std::string>{"a_mask.png", "b_mask.png", "d_mask.png", "e_mask.png"}));
    EXPECT_EQ(rows_of(phantoms / "t.csv").size(), 4u);
    fs::remove_all(out);
  }
  expect_failure(predict({images + "/c.png", "--skip-bad"}), 1, {"none of the images"});
}

TEST_F(PredictInputs, FullDiskIsAnError) {
  phantom("a.png", 200, 200);
  ProcessOptions options;
  options.largest_file = 1000;
  expect_failure(predict({images, "--overlay"}, options), 1, {"a_mask.png", "file size limit"});
  EXPECT_TRUE(files_below(out).empty());
}

TEST_F(PredictInputs, InterruptedItLeavesWholeFiles) {
  write_text(fs::path(images) / "0.png", "no image, so that a line shows when work begins");
  for (int i = 1; i <= 400; ++i) phantom("i" + std::to_string(i) + ".png", 32, 32);
  ProcessOptions options;
  options.signal_when = [](const std::string& so_far) {
    return so_far.find("skipped") != std::string::npos ? SIGINT : 0;
  };
  const Finished finished = predict({images, "--batch", "1", "--threads", "1", "--skip-bad", "--overlay",
                                     "--probability", "--tta", "--csv", phantoms / "t.csv"},
                                    options);
  EXPECT_EQ(finished.exit_code, 130) << finished.out << finished.err;
  EXPECT_EQ(finished.err, "");
  const auto rows = rows_of(phantoms / "t.csv");
  EXPECT_LT(rows.size(), 400u);
  std::set<std::string> expected;
  for (const auto& row : rows)
    for (const char* ending : {"_mask.png", "_overlay.png", "_probability.png"})
      expected.insert(row.at("name") + ending);
  EXPECT_EQ(files_below(out), expected);
}

// Some of an image's results could be written and others not: that shows before the work.
TEST_F(Predict, NamesTooLongForSomeResults) {
  phantom("a.png", 40, 40);
  phantom(std::string(240, 'x') + ".png", 40, 40);
  expect_success(predict({images}));
  std::filesystem::remove_all(out);
  for (const std::string option : {"--probability", "--attention"}) {
    expect_failure(predict({images, option}), 1, {"cannot write", "xxx_", "shorter name"});
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(out) / "a_mask.png"));
  }
}

// By their headers alone: nothing of these images could be decoded.
TEST_F(Predict, ImagesThatDoNotFitIntoMemory) {
  const std::string header("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x40\0\0\0\x40\0\x08\0\0\0\0", 29);
  for (int i = 0; i < 200; ++i)
    write_text(std::filesystem::path(images) / (std::to_string(i) + ".png"), header);  // 16384 x 16384
  expect_failure(predict({images, "--batch", "200", "--threads", "200"}), 1,
                 {"prediction needs 125", "GiB of memory", "--batch"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
