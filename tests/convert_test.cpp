// attnunet data convert, as function and as program.
#include "common/data/convert.h"

#include <map>
#include <set>

#include "common/core/error.h"
#include "common/data/sample.h"
#include "support/command_line.h"
#include "support/dicom.h"
#include "support/jpeg_writer.h"
#include "support/png_kinds.h"
#include "support/png_reader.h"

namespace attnunet::data {
namespace TEST_FILE {

namespace fs = std::filesystem;

/// Image and mask of every case, by class and the last part of its name.
std::map<std::string, std::pair<std::vector<std::uint8_t>, std::vector<std::uint8_t>>> pixels(const fs::path& root) {
  std::map<std::string, std::pair<std::vector<std::uint8_t>, std::vector<std::uint8_t>>> result;
  for (const Case& one : scan(root).cases) {
    const Sample sample = load_full(one);
    result[fs::path(one.name).filename().string()] = {sample.image.pixels, sample.mask.pixels};
  }
  return result;
}

std::set<std::string> files_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_directory()) names.insert(entry.path().lexically_relative(folder).generic_string());
  return names;
}

TEST(Convert, EveryLayoutHoldsTheSamePixels) {
  PhantomFolder phantoms;
  const Dataset busi = scan(phantoms.data);
  const fs::path first = busi.cases[0].image, folder = phantoms.folder.path();
  // A second mask, which only BUSI's layout keeps apart.
  Grey dot = load_full(busi.cases[0]).mask;
  dot.pixels.assign(dot.pixels.size(), 0);
  dot.pixels[5] = 255;
  write_png(first.parent_path() / (first.stem().string() + "_mask_7.png"), dot);
  const auto expected = pixels(phantoms.data);
  const auto convert_to = [&](const fs::path& from, TargetLayout layout, const std::string& to) {
    const std::optional<Conversion> done = convert(scan(from), layout, folder / to);
    EXPECT_EQ(pixels(folder / to), expected) << to;
    return done.value_or(Conversion{});
  };
  std::size_t masks = 0;
  for (const Case& one : scan(phantoms.data).cases) masks += one.masks.size();
  const Conversion busi_again = convert_to(phantoms.data, TargetLayout::busi, "busi");
  EXPECT_EQ(busi_again.copied, 20 + masks);
  EXPECT_EQ(files_in(folder / "busi").size(), 20 + masks);
  const Conversion pairs = convert_to(phantoms.data, TargetLayout::pairs, "pairs");
  EXPECT_EQ(pairs.copied + pairs.written, 40u);
  EXPECT_GE(pairs.written, 1u);
  EXPECT_EQ(scan(folder / "pairs").layout, Layout::pairs);
  EXPECT_EQ(scan(folder / "pairs", {"malignant"}).cases.size(), scan(phantoms.data, {"malignant"}).cases.size());
  convert_to(folder / "pairs", TargetLayout::busi, "busi from pairs");
  EXPECT_EQ(read_text(folder / "busi from pairs/benign" / first.filename()), read_text(first));
}

TEST(Convert, NnUnetGetsLabelsOfZeroAndOneAndItsDescription) {
  const PhantomFolder phantoms;
  const fs::path to = phantoms.folder / "nnunet";
  const std::optional<Conversion> done = convert(scan(phantoms.data), TargetLayout::nnunet, to);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->lost, std::vector<std::string>{"the classes"});
  EXPECT_EQ(done->copied, 20u);
  EXPECT_EQ(done->written, 20u);
  const Dataset dataset = scan(to);
  EXPECT_EQ(dataset.layout, Layout::nnunet);
  EXPECT_EQ(dataset.cases.size(), 20u);
  EXPECT_TRUE(dataset.left_out.empty());
  EXPECT_NE(read_text(to / "dataset.json").find("\"numTraining\": 20"), std::string::npos);
  const std::map<std::string, Case> by_name = [&] {
    std::map<std::string, Case> result;
    for (const Case& one : dataset.cases) result[one.name] = one;
    return result;
  }();
  EXPECT_EQ(pixels(to), pixels(phantoms.data));  // labels of 0 and 1 are masks, too
  for (const Case& one : scan(phantoms.data).cases) {
    const Grey label = read_luma(by_name.at(one.name).masks[0]);
    EXPECT_EQ(label.pixels, load_full(one).mask.pixels) << one.name;
  }
}

TEST(Convert, PartsAndNamesOfOneKindAreKeptApart) {
  const TemporaryFolder folder;
  const Grey image{2, 1, {9, 200}};
  std::string text = "image,mask,split,group,mm_per_pixel\n";
  for (const char* name : {"a/x", "b/x", "b/y"}) {
    fs::create_directories((folder / name).parent_path());
    write_png(folder / (name + std::string(".png")), image);
    write_png(folder / (name + std::string("_m.dat")), image);  // no image's name
  }
  text += "a/x.png,a/x_m.dat,train,p,0.1\nb/x.png,b/x_m.dat,val,,\nb/y.png,b/y_m.dat,test,,\n";
  write_text(folder / "set.csv", text);
  const std::optional<Conversion> done = convert(scan(folder / "set.csv"), TargetLayout::pairs, folder / "pairs");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->lost, (std::vector<std::string>{"the groups", "mm_per_pixel"}));
  EXPECT_EQ(files_in(folder / "pairs"),
            (std::set<std::string>{"train/images/a_x.png", "train/masks/a_x.png", "val/images/b_x.png",
                                   "val/masks/b_x.png", "test/images/y.png", "test/masks/y.png"}));
  const Dataset dataset = scan(folder / "pairs");
  EXPECT_EQ(layout_line(dataset), "layout: folders of images and of masks, 3 cases, 1 train, 1 val, 1 test");
  EXPECT_EQ(read_luma(dataset.cases[0].masks[0]).pixels, (std::vector<std::uint8_t>{0, 255}));
}

TEST(Convert, NothingIsWrittenOverAndNothingIsLeftHalf) {
  const PhantomFolder phantoms;
  const fs::path folder = phantoms.folder.path();
  fs::create_directories(folder / "full");
  write_text(folder / "full/mine.txt", "mine");
  const auto run = [&](const std::string& to, const std::string& out) {
    return attnunet_run({"data", "convert", "--data", phantoms.data, "--to", to, "--out", (folder / out).string()});
  };
  expect_failure(run("pairs", "full"), 1, {"full", "holds something already"});
  EXPECT_EQ(files_in(folder / "full"), std::set<std::string>{"mine.txt"});
  expect_failure(run("csv", "new"), 2, {"--to"});
  fs::create_directories(folder / "empty");
  const Finished done = run("pairs", "empty/");
  expect_success(done);
  EXPECT_NE(done.out.find("20 cases in "), std::string::npos) << done.out;

  write_text(folder / "data/benign/benign (1).png", "no image");
  expect_failure(run("nnunet", "new"), 1, {"benign (1).png"});
  EXPECT_FALSE(fs::exists(folder / "new"));
  for (const auto& entry : fs::directory_iterator(folder))
    EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
}

/// A PNG file that says that it is to be turned.
void write_turned(const fs::path& path, const Grey& image) {
  write_png(path, image);
  const std::string contents = exif_block(6);
  const auto size = static_cast<char>(contents.size());
  std::string chunk = std::string("\0\0\0", 3) + size + "eXIf" + contents + "sum.";
  lodepng_chunk_generate_crc(reinterpret_cast<unsigned char*>(chunk.data()));
  write_text(path, read_text(path).insert(33, chunk));  // behind the header
}

struct TurnedCase {
  TemporaryFolder folder;
  TurnedCase() {
    fs::create_directories(folder / "set/benign");
    write_turned(folder / "set/benign/a.png", Grey{3, 2, {10, 20, 30, 40, 50, 60}});
  }
  void mask(const Grey& mask) const { write_png(folder / "set/benign/a_mask.png", mask); }
};

// nnU-Net does not turn images as EXIF says.
TEST(Convert, ImagesForNnUnetAreUpright) {
  const TurnedCase turned;
  turned.mask(Grey{2, 3, {0, 255, 0, 0, 0, 0}});
  const fs::path out = turned.folder / "out";
  const std::optional<Conversion> done = convert(scan(turned.folder / "set"), TargetLayout::nnunet, out);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->written, 2u);
  const RawImage image = read_png(out / "imagesTr/a_0000.png");
  EXPECT_EQ(image.orientation, 1);
  EXPECT_EQ(image.width, 2);
  EXPECT_EQ(image.samples, (std::vector<std::uint16_t>{40, 10, 50, 20, 60, 30}));
  EXPECT_EQ(read_luma(out / "labelsTr/a.png").pixels, (std::vector<std::uint8_t>{0, 1, 0, 0, 0, 0}));
}

TEST(Convert, IgnoredOrientationsAreNotInTheNewFiles) {
  const TurnedCase turned;
  turned.mask(Grey{3, 2, {0, 255, 0, 0, 0, 0}});
  const auto run = [&](const std::string& to, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"data", "convert", "--data", (turned.folder / "set").string(),
                                       "--to", to,        "--out",  (turned.folder / to).string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return attnunet_run(arguments);
  };
  expect_failure(run("nnunet", {}), 1, {"--ignore-orientation"});
  for (const char* to : {"nnunet", "pairs", "busi"}) {
    expect_success(run(to, {"--ignore-orientation"}));
    const Sample sample = load_full(scan(turned.folder / to).cases[0]);
    EXPECT_EQ(sample.image.pixels, (std::vector<std::uint8_t>{10, 20, 30, 40, 50, 60})) << to;
    EXPECT_EQ(sample.mask.pixels, (std::vector<std::uint8_t>{0, 1, 0, 0, 0, 0})) << to;
  }
}

TEST(Convert, AMaskRuleActsOnWhatIsWritten) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "set/benign");
  write_png(folder / "set/benign/a.png", Grey{3, 1, {1, 2, 3}});
  write_png(folder / "set/benign/a_mask.png", Grey{3, 1, {0, 1, 2}});
  Dataset dataset = scan(folder / "set");
  for (Case& one : dataset.cases) one.reading.mask_rule = parse_mask_rule("labels:2");
  for (const auto& [layout, name] :
       {std::pair{TargetLayout::busi, "busi"}, {TargetLayout::pairs, "pairs"}, {TargetLayout::nnunet, "nnunet"}}) {
    ASSERT_TRUE(convert(dataset, layout, folder / name));
    EXPECT_EQ(load_full(scan(folder / name).cases[0]).mask.pixels, (std::vector<std::uint8_t>{0, 0, 1})) << name;
  }
}

// One image never decides for itself.
TEST(Convert, DeepImagesShareTheRangeOfTheWholeDataset) {
  const TemporaryFolder folder;
  for (const auto& [name, largest] : {std::pair{"dark", 1000}, {"bright", 4000}}) {
    const std::string path = std::string("set/benign/") + name;
    write_png_kind(folder / (path + ".png"), big_endian({0, 0, 0, largest, largest, largest}), 2, 1, LCT_RGB, 16);
    write_png(folder / (path + "_mask.png"), Grey{2, 1, {0, 255}});
  }
  const Finished finished = attnunet_run(
      {"data", "convert", "--data", (folder / "set").string(), "--to", "nnunet", "--out", (folder / "out").string()});
  expect_success(finished);
  EXPECT_NE(finished.out.find("is 4000; in those that were written 0 to 4095 became 0 to 255"), std::string::npos)
      << finished.out;
  EXPECT_EQ(read_luma(folder / "out/imagesTr/dark_0000.png").pixels, (std::vector<std::uint8_t>{0, 62}));
  EXPECT_EQ(read_luma(folder / "out/imagesTr/bright_0000.png").pixels, (std::vector<std::uint8_t>{0, 250}));
}

TEST(Convert, NothingIsWrittenIntoTheDataset) {
  const PhantomFolder phantoms;
  const std::string message =
      message_of<Error>([&] { convert(scan(phantoms.data), TargetLayout::pairs, phantoms.data + "/new"); });
  EXPECT_NE(message.find("lies in the dataset"), std::string::npos) << message;
}

TEST(Convert, WhatBusiWouldTakeForAMaskIsRefused) {
  const TemporaryFolder folder;
  for (const char* name : {"images/x_mask.png", "masks/x_mask.png"}) {
    fs::create_directories((folder / name).parent_path());
    write_png(folder / name, Grey{1, 1, {0}});
  }
  const std::string message =
      message_of<Error>([&] { convert(scan(folder.path()), TargetLayout::busi, folder / "busi"); });
  EXPECT_NE(message.find("would be taken for a mask"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(folder / "busi"));
}

/// A table whose cases have these names and, if any, these classes and parts; one image each.
struct NamedCases {
  TemporaryFolder folder;
  std::string text;

  explicit NamedCases(const std::string& columns) : text("image,mask" + columns + "\n") {}
  void add(const std::string& name, const std::string& cells) {
    write_png(folder / (name + ".png"), Grey{1, 1, {7}});
    fs::create_directories(folder / "m");
    write_png(folder / ("m/" + name + ".png"), Grey{1, 1, {255}});
    text += name + ".png,m/" + name + ".png" + cells + "\n";
  }
  std::string error(TargetLayout layout) const {
    write_text(folder / "set.csv", text);
    const std::string message = message_of<Error>([&] { convert(scan(folder / "set.csv"), layout, folder / "new"); });
    EXPECT_FALSE(fs::exists(folder / "new"));
    return message;
  }
};

// Names decide what a folder holds, so what another name would be needed for is refused before anything is written.
TEST(Convert, WhatWouldBeReadBackAsSomethingElseIsRefused) {
  NamedCases parts(",class");
  for (const char* name : {"train", "val", "normal"})
    parts.add(std::string("case of ") + name, std::string(",") + name);
  for (const TargetLayout layout : {TargetLayout::busi, TargetLayout::pairs})
    EXPECT_NE(parts.error(layout).find("the class 'train' of the case 'case of train' would be read as none"),
              std::string::npos)
        << parts.error(layout);

  NamedCases masks("");
  for (const char* name : {"foo", "foo_mask", "bar"}) masks.add(name, "");
  EXPECT_NE(masks.error(TargetLayout::pairs).find("the case 'foo_mask' would not be found again"), std::string::npos)
      << masks.error(TargetLayout::pairs);

  NamedCases hidden("");
  for (const char* name : {".hidden", "seen"}) hidden.add(name, "");
  for (const TargetLayout layout : {TargetLayout::busi, TargetLayout::pairs, TargetLayout::nnunet})
    EXPECT_NE(hidden.error(layout).find("the case '.hidden' would not be found again as"), std::string::npos)
        << hidden.error(layout);

  NamedCases folders(",class");
  folders.add("a", ",images");
  EXPECT_NE(folders.error(TargetLayout::busi).find("the class 'images'"), std::string::npos)
      << folders.error(TargetLayout::busi);
  NamedCases image_names(",class");
  image_names.add("a", ",old.png");
  EXPECT_NE(image_names.error(TargetLayout::busi).find("would not be found again"), std::string::npos)
      << image_names.error(TargetLayout::busi);
}

// PNG files do not say how large a pixel is.
TEST(Convert, TheSizeOfAPixelThatDicomStatesIsLost) {
  ATTNUNET_SKIP_WITHOUT_DICOM()
  const TemporaryFolder folder;
  DicomItem dicom = dicom_image(2, 1, {10, 20});
  dicom.text(0x00280030, "DS", "0.3\\0.1");
  fs::create_directories(folder / "set/benign");
  write_text(folder / "set/benign/a.dcm", dicom_file(dicom));
  write_png(folder / "set/benign/a_mask.png", Grey{2, 1, {0, 255}});
  const auto lost = [&](TargetLayout layout, const char* to) {
    return convert(scan(folder / "set"), layout, folder / to).value_or(Conversion{}).lost;
  };
  EXPECT_EQ(lost(TargetLayout::nnunet, "nnunet"),
            (std::vector<std::string>{"the classes", "the size of a pixel that DICOM files state"}));
  EXPECT_EQ(lost(TargetLayout::busi, "busi"), std::vector<std::string>());  // the file is copied
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
