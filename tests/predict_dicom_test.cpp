// `attnunet predict` on DICOM files, and areas in mm^2.
#include <gtest/gtest.h>

#include <set>

#include "common/data/dicom.h"
#include "support/dicom.h"
#include "support/predict.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;
using data::Grey;

std::string bytes_of(const Grey& image) {
  return {image.pixels.begin(), image.pixels.end()};
}

struct PredictDicom : Predict {
  const Grey first = data::make_phantom("benign", 37, 33, 7, 0).image,
             second = data::make_phantom("malignant", 37, 33, 7, 1).image;

  void SetUp() override { ATTNUNET_SKIP_WITHOUT_DICOM() }
  void dicom(const std::string& name, const DicomItem& dataset, const std::string& syntax = explicit_little) const {
    const fs::path path = fs::path(images) / name;
    fs::create_directories(path.parent_path());
    write_text(path, dicom_file(dataset, syntax));
  }
  DicomItem image() const { return dicom_image(37, 33, bytes_of(first)); }
  /// Of a run that said nothing of the patient.
  Finished quiet(const Finished& finished) const {
    for (const std::string& text : {finished.out, finished.err})
      for (const char* secret : {patient_name, patient_id, study_uid, source_uid})
        EXPECT_EQ(text.find(secret), std::string::npos) << text;
    return finished;
  }
};

TEST_F(PredictDicom, MarksWhatItMarksInTheSamePng) {
  dicom("a.dcm", image());
  data::write_png(fs::path(images) / "b.png", first);
  expect_success(quiet(predict({images, "--csv", phantoms / "t.csv"})));
  EXPECT_EQ(files_below(out), (std::set<std::string>{"a_mask.dcm", "a_mask.png", "b_mask.png"}));
  EXPECT_GT(marked(result("a_mask.png")), 0u);
  EXPECT_EQ(result("a_mask.png").pixels, result("b_mask.png").pixels);
  EXPECT_EQ(data::luma_of(data::read_dicom(out + "/a_mask.dcm")).pixels, result("a_mask.png").pixels);
  const std::string mask = read_text(out + "/a_mask.dcm");
  for (const char* copied : {patient_name, patient_id, study_uid}) EXPECT_NE(mask.find(copied), std::string::npos);

  fs::remove_all(out);
  expect_success(quiet(predict({images, "--anonymous"})));
  const std::string anonymous = read_text(out + "/a_mask.dcm");
  for (const char* left_out : {patient_name, patient_id, study_uid, source_uid, "ACC-4712"})
    EXPECT_EQ(anonymous.find(left_out), std::string::npos) << left_out;
}

TEST_F(PredictDicom, EveryFrameOfALoopOrOne) {
  dicom("deep/loop.dcm", dicom_image(37, 33, bytes_of(first) + bytes_of(second)));
  data::write_png(fs::path(images) / "second.png", second);
  expect_success(predict({images, "--csv", phantoms / "t.csv"}));
  EXPECT_EQ(files_below(out), (std::set<std::string>{"deep/loop_frame_0001_mask.dcm", "deep/loop_frame_0001_mask.png",
                                                     "deep/loop_frame_0002_mask.dcm", "deep/loop_frame_0002_mask.png",
                                                     "second_mask.png"}));
  EXPECT_EQ(result("deep/loop_frame_0002_mask.png").pixels, result("second_mask.png").pixels);
  EXPECT_NE(result("deep/loop_frame_0001_mask.png").pixels, result("second_mask.png").pixels);
  EXPECT_EQ(rows_of(phantoms / "t.csv").at(0).at("name"), "deep/loop_frame_0001");
  fs::remove_all(out);
  expect_success(predict({images, "--frame", "2"}));
  EXPECT_EQ(files_below(out), (std::set<std::string>{"deep/loop_frame_0002_mask.dcm", "deep/loop_frame_0002_mask.png",
                                                     "second_mask.png"}));
  expect_failure(quiet(predict({images, "--frame", "3"})), 1, {"loop.dcm", "2 frames", "frame 3"});
  expect_failure(predict({images, "--frame", "0"}), 2, {"--frame"});
}

TEST_F(PredictDicom, FilesOfAnyNameThatHoldAnImage) {
  dicom("1.2.840.55", image());
  dicom("1.2.840.56", image());
  dicom("IM0001", image());
  DicomItem directory = image();
  directory.elements.erase(0x7fe00010);
  dicom("DICOMDIR", directory);
  write_text(fs::path(images) / "notes", "no image");
  expect_success(predict({images}));
  EXPECT_EQ(files_below(out),
            (std::set<std::string>{"1.2.840.55_mask.dcm", "1.2.840.55_mask.png", "1.2.840.56_mask.dcm",
                                   "1.2.840.56_mask.png", "IM0001_mask.dcm", "IM0001_mask.png"}));
  // Our masks are no images, wherever they lie.
  fs::rename(out, fs::path(images) / "earlier");
  for (const auto& entry : fs::directory_iterator(fs::path(images) / "earlier"))
    if (entry.path().extension() == ".png") fs::remove(entry);
  const Finished again = predict({images});
  expect_success(again);
  EXPECT_NE(again.out.find("3 of 3 images"), std::string::npos) << again.out;
  expect_failure(predict({images + "/DICOMDIR"}), 1, {"DICOMDIR", "without an image"});
}

TEST_F(PredictDicom, ABadFileIsSkippedLikeAnyOther) {
  dicom("a.dcm", image());
  write_text(fs::path(images) / "b.dcm", read_text(images + "/a.dcm").substr(0, 600));
  expect_failure(quiet(predict({images})), 1, {"b.dcm", "damaged", "--skip-bad"});
  const Finished finished = quiet(predict({images, "--skip-bad"}));
  expect_success(finished);
  EXPECT_NE(finished.out.find("1 of 2 images"), std::string::npos) << finished.out;
}

// The network sees the region alone; numbers and pictures are of the whole frame.
TEST_F(PredictDicom, TheRegionOfTheImage) {
  constexpr int wide = 60, high = 50, left = 11, top = 9;
  Grey frame{wide, high, std::vector<std::uint8_t>(wide * high, 255)};
  for (int y = 0; y < first.height; ++y)
    for (int x = 0; x < first.width; ++x)
      frame.pixels[static_cast<std::size_t>((top + y) * wide + left + x)] =
          first.pixels[static_cast<std::size_t>(y * first.width + x)];
  DicomItem dataset = dicom_image(wide, high, bytes_of(frame));
  dataset.sequence(regions_tag, {dicom_region(left, top, left + static_cast<unsigned>(first.width) - 1,
                                              top + static_cast<unsigned>(first.height) - 1, 0.02, 0.03)});
  dicom("a.dcm", dataset);
  data::write_png(fs::path(images) / "b.png", first);
  expect_success(predict({images, "--csv", phantoms / "t.csv", "--probability", "--overlay", "--gradcam"}));
  const Grey whole = result("a_mask.png"), probability = result("a_probability.png"), part = result("b_mask.png");
  ASSERT_EQ(whole.width, wide);
  ASSERT_EQ(whole.height, high);
  const data::Region region{left, top, first.width, first.height};
  EXPECT_EQ(data::crop(whole, region).pixels, part.pixels);
  EXPECT_EQ(data::crop(probability, region).pixels, result("b_probability.png").pixels);
  EXPECT_EQ(data::crop(result("a_gradcam.png"), region).pixels, result("b_gradcam.png").pixels);
  EXPECT_EQ(marked(whole), marked(part));
  const auto rows = rows_of(phantoms / "t.csv");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("width"), "60");
  EXPECT_EQ(std::stoi(rows[0].at("box_left")), std::stoi(rows[1].at("box_left")) + left);
  EXPECT_EQ(std::stoi(rows[0].at("box_top")), std::stoi(rows[1].at("box_top")) + top);
  EXPECT_NEAR(std::stod(rows[0].at("area_mm2")), 0.2 * 0.3 * static_cast<double>(marked(whole)), 1e-6);
}

TEST_F(PredictDicom, AreasOfTheFilesOwnSpacing) {
  DicomItem dataset = image();
  dataset.text(0x00280030, "DS", "0.2\\0.1");
  dicom("a.dcm", dataset);
  dicom("b.dcm", image());
  expect_success(predict({images, "--csv", phantoms / "t.csv", "--mm-per-pixel", "0.5"}));
  const auto rows = rows_of(phantoms / "t.csv");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("mm_per_column"), "0.1");
  EXPECT_EQ(rows[0].at("mm_per_row"), "0.2");
  EXPECT_NEAR(std::stod(rows[0].at("area_mm2")), 0.02 * std::stod(rows[0].at("lesion_pixels")), 1e-6);
  EXPECT_NEAR(std::stod(rows[1].at("area_mm2")), 0.25 * std::stod(rows[1].at("lesion_pixels")), 1e-6);
  EXPECT_DOUBLE_EQ(data::read_dicom(out + "/b_mask.dcm").mm_per_row, 0.5);
}

using PredictSpacing = Predict;

TEST_F(PredictSpacing, AreasByTheSizeOfAPixel) {
  phantom("a.png", 37, 33);
  expect_success(predict({images, "--csv", phantoms / "t.csv"}));
  for (const char* column : {"area_mm2", "mm_per_column", "mm_per_row"})
    EXPECT_EQ(rows_of(phantoms / "t.csv").at(0).at(column), "") << column;
  expect_success(predict({images, "--csv", phantoms / "t.csv", "--mm-per-pixel", "0.08"}));
  const auto row = rows_of(phantoms / "t.csv").at(0);
  EXPECT_EQ(row.at("mm_per_column"), "0.08");
  EXPECT_EQ(row.at("mm_per_row"), "0.08");
  ASSERT_GT(std::stod(row.at("lesion_pixels")), 0);
  EXPECT_NEAR(std::stod(row.at("area_mm2")), 0.0064 * std::stod(row.at("lesion_pixels")), 1e-6);
  for (const char* size : {"0", "-1", "nan", "inf", "101", "wide"})
    expect_failure(predict({images, "--mm-per-pixel", size}), 2, {"--mm-per-pixel", "above 0 and up to 100"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
