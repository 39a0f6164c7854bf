// Areas in mm^2 in the CSV of `attnunet evaluate`.
#include "common/data/survey.h"
#include "common/train/checkpoint.h"
#include "support/dicom.h"
#include "support/predict.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;
using data::Grey;

/// An image of 40 x 20 pixels; the left half of its mask is lesion.
struct EvaluateArea : Predict {
  static constexpr int width = 40, height = 20;
  const Grey image = data::make_phantom("benign", width, height, 7, 0).image;
  const std::string table = phantoms / "table.csv", csv = phantoms / "areas.csv";

  void SetUp() override {
    Grey mask{width, height, {}};
    for (int i = 0; i < width * height; ++i) mask.pixels.push_back(i % width < width / 2 ? 255 : 0);
    data::write_png(phantoms / "mask.png", mask);
    data::write_png(phantoms / "a.png", image);
  }
  /// The rows of evaluate's CSV by case.
  std::map<std::string, std::map<std::string, std::string>> evaluate(const std::string& rows,
                                                                     const std::vector<std::string>& more = {}) const {
    write_text(table, "image,mask,mm_per_pixel\n" + rows);
    std::vector<std::string> arguments = {"evaluate", "--checkpoint", checkpoint, "--data", table, "--csv",
                                          csv,        "--threads",    "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_success(attnunet_run(arguments));
    std::map<std::string, std::map<std::string, std::string>> by_name;
    for (const auto& row : rows_of(csv)) by_name[row.at("name")] = row;
    return by_name;
  }
  static void expect_area(const std::map<std::string, std::string>& row, double truth) {
    const int pixels = 512;  // half of the 32 x 32 pixels of the network, whatever the size of the file
    EXPECT_EQ(row.at("truth_pixels"), std::to_string(pixels));
    EXPECT_NEAR(std::stod(row.at("truth_mm2")), truth, 1e-6);
    EXPECT_NEAR(std::stod(row.at("predicted_mm2")), truth / pixels * std::stod(row.at("predicted_pixels")), 1e-6);
  }
};

TEST_F(EvaluateArea, ByTheColumnOfTheTable) {
  data::write_png(phantoms / "b.png", image);
  const auto rows = evaluate("a.png,mask.png,0.5\nb.png,mask.png,\n");
  expect_area(rows.at("a"), 10 * 10);  // of 20 mm x 10 mm
  EXPECT_GT(std::stod(rows.at("a").at("predicted_pixels")), 0) << "nothing is predicted: the test shows little";
  EXPECT_EQ(rows.at("b").at("truth_pixels"), "512");
  EXPECT_EQ(rows.at("b").at("truth_mm2"), "");
  EXPECT_EQ(rows.at("b").at("predicted_mm2"), "");
}

TEST_F(EvaluateArea, LeavesOutThePaddingOfKeepAspect) {
  Checkpoint all = load_checkpoint(checkpoint);
  const TensorSpec bias = make_architecture(all.config.network).parameters.back();
  ASSERT_EQ(bias.kind, TensorKind::bias);
  all.parameters[static_cast<std::size_t>(bias.offset)] = 1000;  // every pixel is lesion
  checkpoint = phantoms / "all.safetensors";
  save_checkpoint(checkpoint, all);
  const auto row = evaluate("a.png,mask.png,0.5\n", {"--keep-aspect"}).at("a");
  EXPECT_EQ(row.at("truth_pixels"), "256");  // the image is 32 x 16 of the network's pixels
  EXPECT_EQ(row.at("predicted_pixels"), "1024");
  EXPECT_NEAR(std::stod(row.at("predicted_mm2")), 20 * 10, 1e-6);  // the whole image, and no more
  EXPECT_NEAR(std::stod(row.at("truth_mm2")), 10 * 10, 1e-6);
}

TEST_F(EvaluateArea, ByTheSpacingOfTheFileWhichGoesFirst) {
  ATTNUNET_SKIP_WITHOUT_DICOM()
  DicomItem dicom = dicom_image(width, height, {image.pixels.begin(), image.pixels.end()});
  dicom.text(0x00280030, "DS", "0.3\\0.1");  // 0.3 mm from row to row
  write_text(phantoms / "c.dcm", dicom_file(dicom));
  // The region is 20 pixels wide and 10 high, of 0.2 mm x 0.4 mm each; the left half of it is lesion.
  dicom.sequence(regions_tag, {dicom_region(10, 5, 29, 14, 0.02, 0.04)});
  write_text(phantoms / "d.dcm", dicom_file(dicom));
  const auto rows = evaluate("c.dcm,mask.png,0.5\nd.dcm,mask.png,\n");
  expect_area(rows.at("c"), 2 * 6);  // of 4 mm x 6 mm
  expect_area(rows.at("d"), 2 * 4);  // of 4 mm x 4 mm
}

TEST_F(EvaluateArea, HeadersAloneTellTheSameExtent) {
  write_text(table, "image,mask,mm_per_pixel\na.png,mask.png,0.5\n");
  const data::Dataset dataset = data::scan(table);
  for (const data::CheckDepth depth : {data::CheckDepth::full, data::CheckDepth::headers})
    EXPECT_EQ(data::survey(dataset, {0}, 1, depth).extents.at(0).mm2(), 200);
}

}  // namespace TEST_FILE
}  // namespace attnunet
