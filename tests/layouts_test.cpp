// The layouts of datasets. Files are empty: only names count.
#include <algorithm>
#include <set>
#include <tuple>

#include "common/core/error.h"
#include "common/data/file_tree.h"
#include "common/data/split.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

using Names = std::vector<std::string>;

struct Files {
  TemporaryFolder folder;

  explicit Files(const Names& names) { add(names); }
  void add(const Names& names) const {
    for (const std::string& name : names) {
      std::filesystem::create_directories((folder / name).parent_path());
      write_text(folder / name, "");
    }
  }
  Dataset scanned(const Names& classes = {}) const { return scan(folder.path(), classes); }
  std::string error(const Names& classes = {}) const {
    return message_of<Error>([&] { scan(folder.path(), classes); });
  }
};

/// Each case as "CLASS|NAME|image|mask mask".
Names described(const Dataset& dataset) {
  Names lines;
  for (const Case& one : dataset.cases) {
    std::string line = one.class_name + "|" + one.name + "|" + path_in_dataset(dataset, one.image) + "|";
    for (std::size_t i = 0; i < one.masks.size(); ++i)
      line += (i == 0 ? "" : " ") + path_in_dataset(dataset, one.masks[i]);
    lines.push_back(line);
  }
  return lines;
}

void expect_part(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

TEST(Layouts, BusiWithClassesOfAnyNameAndFilesOfAnyKind) {
  const Files files({"cysts/a.PNG", "cysts/a_mask.png", "tumours/b.jpg", "tumours/b_mask.BMP", "tumours/b_mask_1.png"});
  const Dataset dataset = files.scanned();
  EXPECT_EQ(described(dataset), (Names{"cysts|a|cysts/a.PNG|cysts/a_mask.png",
                                       "tumours|b|tumours/b.jpg|tumours/b_mask.BMP tumours/b_mask_1.png"}));
  EXPECT_EQ(layout_line(dataset), "layout: BUSI, 2 cases in 2 classes");
  EXPECT_EQ(described(files.scanned({"tumours"})).size(), 1u);
  expect_part(files.error({"benign"}), "no class 'benign'; choose --classes from cysts, tumours");
}

TEST(Layouts, BusiBelowAnotherFolderOrWithoutClassFolders) {
  const Files below({"Dataset/benign/a.png", "Dataset/benign/a_mask.png"});
  EXPECT_EQ(described(below.scanned()), Names{"benign|a|Dataset/benign/a.png|Dataset/benign/a_mask.png"});
  const Files flat({"a.png", "a_mask.png", "b.png", "b_mask.png"});
  EXPECT_EQ(described(flat.scanned()), (Names{"|a|a.png|a_mask.png", "|b|b.png|b_mask.png"}));
  expect_part(flat.error({"benign"}), "it has no classes");
}

TEST(Layouts, WhatIsLeftOutIsListed) {
  const Files files({"benign/a.png", "benign/a_mask.png", "benign/notes.txt", "benign/sub/c.png", "benign/sub/d.png",
                     "benign/._a.png", "benign/.DS_Store", "Thumbs.db", "__MACOSX/x.png", ".git/config",
                     "scan.nii.gz"});
  const Dataset dataset = files.scanned();
  EXPECT_EQ(dataset.cases.size(), 1u);
  EXPECT_EQ(dataset.left_out, (Names{"benign/notes.txt", "benign/sub/c.png", "benign/sub/d.png", "scan.nii.gz"}));
  EXPECT_EQ(left_out_text(dataset.left_out),
            "4 files of 3 kinds were left out: 2 .png ('benign/sub/c.png', 'benign/sub/d.png'), 1 .nii.gz "
            "('scan.nii.gz'), 1 .txt ('benign/notes.txt')");
  EXPECT_EQ(left_out_text({"a\n"}), "1 file was left out: 'a?'");
  const Files others({"a.nii.gz", "b.nii.gz"});
  expect_part(others.error(), "holds no case (2 files of 1 kind were left out: 2 .nii.gz");
}

TEST(Layouts, FoldersOfImagesAndOfMasks) {
  const Files plain({"Images/a.png", "Images/b.jpg", "Images/c.png", "Images/d.png", "Images/e.png", "Images/f.png",
                     "Masks/a.png", "Masks/b_mask.png", "Masks/c_Segmentation.png", "Masks/d_seg.png", "Masks/e_gt.png",
                     "Masks/f_label.png", "Masks/f_label_1.png", "Masks/lost.png"});
  const Dataset dataset = plain.scanned();
  EXPECT_EQ(described(dataset),
            (Names{"|a|Images/a.png|Masks/a.png", "|b|Images/b.jpg|Masks/b_mask.png",
                   "|c|Images/c.png|Masks/c_Segmentation.png", "|d|Images/d.png|Masks/d_seg.png",
                   "|e|Images/e.png|Masks/e_gt.png", "|f|Images/f.png|Masks/f_label.png Masks/f_label_1.png"}));
  EXPECT_EQ(dataset.orphan_masks, std::vector<std::filesystem::path>{plain.folder / "Masks/lost.png"});
  EXPECT_EQ(layout_line(dataset), "layout: folders of images and of masks, 6 cases");
  for (const auto& [images, masks] : {std::pair{"imgs", "labels"}, {"original", "GT"}, {"IMAGES", "Labels"}}) {
    const Files named({std::string(images) + "/a.png", std::string(masks) + "/a.png"});
    EXPECT_EQ(named.scanned().cases.size(), 1u) << images;
  }
}

TEST(Layouts, FoldersOfImagesAndOfMasksWithClasses) {
  const Names expected{"benign|benign/a|", "malignant|malignant/a|", "malignant/large|b|"};
  const Files inside({"images/benign/a.png", "masks/benign/a.png", "images/malignant/a.png", "masks/malignant/a.png",
                      "images/malignant/large/b.png", "masks/malignant/large/b.png"});
  const Files outside({"benign/images/a.png", "benign/masks/a.png", "malignant/images/a.png", "malignant/masks/a.png",
                       "malignant/images/large/b.png", "malignant/masks/large/b.png"});
  for (const Files* files : {&inside, &outside}) {
    Names found = described(files->scanned());
    for (std::string& line : found) line.resize(line.find('|', line.find('|') + 1) + 1);
    EXPECT_EQ(found, expected);
  }
}

TEST(Layouts, MissingMasksAreAllNamed) {
  const Files files({"images/a.png", "images/b.png", "images/c.png", "masks/b_seg.tif.png"});
  expect_part(files.error(), (files.folder / "masks/a.png").string() + "' (all black");
  expect_part(files.error(), "first of 3 problems");
  expect_part(files.error(), "holds no case that can be used");
  files.add({"masks/a_gt.png"});  // now the others' names are known
  expect_part(files.error(), "the first of 2 problems; 'attnunet data check --data /");
  Names problems;
  EXPECT_EQ(scan(files.folder.path(), {}, &problems).cases.size(), 1u);
  ASSERT_EQ(problems.size(), 2u);
  expect_part(problems[1], (files.folder / "masks/c_gt.png").string());
}

TEST(Layouts, ClassesWithCommasCanBeChosen) {
  const Files files({"a,b/1.png", "a,b/1_mask.png", "c/2.png", "c/2_mask.png", "d/3.png", "d/3_mask.png"});
  EXPECT_EQ(files.scanned({"a", "b"}).cases.size(), 1u);  // as --classes a,b is split
  EXPECT_EQ(files.scanned({"d", "a", "b", "c"}).cases.size(), 3u);
  EXPECT_EQ(files.scanned({"c", "d"}).cases.size(), 2u);
  expect_part(files.error({"a", "c"}), "has no class 'a'");
}

TEST(Layouts, LinksToNothingAreNamed) {
  const Files files({"benign/a.png", "benign/a_mask.png"});
  std::filesystem::create_symlink("nowhere.png", files.folder / "benign/b.png");
  expect_part(files.error(), "benign/b.png' is a link to a file that is not there");
  EXPECT_EQ(files.error().find("add"), std::string::npos) << files.error();
}

TEST(Layouts, ImagesOfOneNameAreRefusedOrToldApart) {
  const Files one({"benign/a.png", "benign/a.jpg", "benign/a_mask.png"});
  expect_part(one.error(), "have one name but for the ending");
  const Files two(
      {"benign/a.png", "benign/a_mask.png", "normal/a.png", "normal/a_mask.png", "normal/b.png", "normal/b_mask.png"});
  const Dataset dataset = two.scanned();
  EXPECT_EQ(dataset.cases[0].name, "benign/a");
  EXPECT_EQ(dataset.cases[1].name, "normal/a");
  EXPECT_EQ(dataset.cases[2].name, "b");
  EXPECT_EQ(two.scanned({"normal"}).cases[0].name, "normal/a");  // whatever is selected
}

TEST(Layouts, NnUnet) {
  const Files files({"Dataset001/imagesTr/x_0000.png", "Dataset001/imagesTr/y_0000.png",
                     "Dataset001/imagesTr/y_0001.png", "Dataset001/labelsTr/x.png", "Dataset001/labelsTr/y.png",
                     "Dataset001/imagesTs/z_0000.png", "Dataset001/labelsTs/z.png", "Dataset001/dataset.json"});
  const Dataset dataset = files.scanned();
  EXPECT_EQ(described(dataset), (Names{"|x|Dataset001/imagesTr/x_0000.png|Dataset001/labelsTr/x.png",
                                       "|y|Dataset001/imagesTr/y_0000.png|Dataset001/labelsTr/y.png",
                                       "|z|Dataset001/imagesTs/z_0000.png|Dataset001/labelsTs/z.png"}));
  EXPECT_EQ(layout_line(dataset), "layout: nnU-Net, 3 cases, 1 test");
  EXPECT_EQ(dataset.left_out, Names{"Dataset001/imagesTr/y_0001.png"});
  SplitOptions options;
  options.kind = SplitKind::paper;
  const Split split = make_split(dataset, options);
  EXPECT_EQ(split.train, std::vector<std::size_t>{0});
  EXPECT_EQ(split.val, std::vector<std::size_t>{1});  // z is a test case
  std::filesystem::remove(files.folder / "Dataset001/labelsTr/x.png");
  expect_part(files.error(), "labelsTr/x.png' (all black");
}

TEST(Layouts, FoldersNamedTrainAndValAreTheSplit) {
  const Files pairs({"train/images/a.png", "train/masks/a.png", "val/images/b.png", "val/masks/b.png",
                     "test/images/c.png", "test/masks/c.png"});
  const Files busi({"train/benign/a.png", "train/benign/a_mask.png", "valid/benign/b.png", "valid/benign/b_mask.png",
                    "test/benign/c.png", "test/benign/c_mask.png"});
  for (const Files* files : {&pairs, &busi}) {
    const Dataset dataset = files->scanned();
    ASSERT_EQ(dataset.cases.size(), 3u);
    EXPECT_TRUE(has_own_split(dataset));
    SplitOptions options;
    options.kind = SplitKind::dataset;
    const Split split = make_split(dataset, options);
    ASSERT_EQ(split.train.size(), 1u);
    ASSERT_EQ(split.val.size(), 1u);
    EXPECT_EQ(dataset.cases[split.train[0]].name, "a");
    EXPECT_EQ(dataset.cases[split.val[0]].name, "b");
    EXPECT_EQ(dataset.cases[0].class_name, files == &pairs ? "" : "benign");
  }
  const Files none({"benign/a.png", "benign/a_mask.png"});
  EXPECT_FALSE(has_own_split(none.scanned()));
  SplitOptions options;
  options.kind = SplitKind::dataset;
  EXPECT_THROW(make_split(none.scanned(), options), UsageError);
}

TEST(Layouts, DicomFilesNeedNoEnding) {
  const Files files({"benign/1.2.840.7_mask.png", "benign/IM1_mask.png", "benign/a.dcm", "benign/a_mask.dcm",
                     "benign/README", "benign/1.2.3"});
  for (const char* name : {"benign/1.2.840.7", "benign/IM1"})
    write_text(files.folder / name, std::string(128, '\0') + "DICM");
  const Dataset dataset = files.scanned();
  EXPECT_EQ(described(dataset),
            (Names{"benign|1.2.840.7|benign/1.2.840.7|benign/1.2.840.7_mask.png",
                   "benign|IM1|benign/IM1|benign/IM1_mask.png", "benign|a|benign/a.dcm|benign/a_mask.dcm"}));
  EXPECT_EQ(dataset.left_out, (Names{"benign/1.2.3", "benign/README"}));
}

TEST(Layouts, ControlCharactersInNamesAreShownAsQuestionMarks) {
  const Files files({"x\ny/a\tb.png", "x\ny/a\tb_mask.png", "x\ny/c\x1b.png", "z/a.png", "z/a_mask.png"});
  expect_part(files.error(), "x?y/c?_mask.png' (all black");
  expect_part(files.error({"x"}), "choose --classes from x?y, z");
  EXPECT_EQ(files.scanned({"z"}).cases.size(), 1u);
}

TEST(Layouts, LinksBackEndTheWalk) {
  const Files files({"benign/a.png", "benign/a_mask.png"});
  std::filesystem::create_directory_symlink(files.folder.path(), files.folder / "benign/again");
  EXPECT_EQ(files.scanned().cases.size(), 1u);
}

// Folders that a layout with cases does not know are left out.
TEST(Layouts, ALayoutWithCasesIsPreferredToOneWithProblems) {
  const Files files({"images/a.png", "masks/a.png", "normal/z.png"});
  EXPECT_EQ(described(files.scanned()), Names{"|a|images/a.png|masks/a.png"});
  EXPECT_EQ(files.scanned().layout, Layout::pairs);
  EXPECT_EQ(files.scanned().left_out, Names{"normal/z.png"});
  const Files broken({"normal/z.png", "images/a.png", "masks/b.png"});
  expect_part(broken.error(), "normal/z.png");
}

struct Table {
  Files files{{"x/a.png", "x/b.jpg", "y/a.png", "m/1.png", "m/2.png", "m/3.png"}};
  std::filesystem::path csv = files.folder / "set.CSV";

  Dataset scanned(const std::string& text) const {
    write_text(csv, text);
    return scan(csv);
  }
  std::string error(const std::string& text) const {
    return message_of<Error>([&] { scanned(text); });
  }
};

TEST(LayoutCsv, ColumnsInAnyOrderAndPathsFromItsFolder) {
  const Table table;
  const Dataset dataset = table.scanned(
      "comment,mask,image,class,group,split,mm_per_pixel\n"
      "\"first, of two\",m/1.png,x/a.png,benign,p 1,train,0.08\n"
      "\n"
      ",m/2.png,x/b.jpg,normal,p 2,VAL,\n"
      ",m/3.png,y/a.png,benign,,test,0.1\n");
  EXPECT_EQ(described(dataset),
            (Names{"benign|x/a|x/a.png|m/1.png", "benign|y/a|y/a.png|m/3.png", "normal|b|x/b.jpg|m/2.png"}));
  EXPECT_EQ(dataset.cases[0].group, "p 1");
  EXPECT_EQ(dataset.cases[0].mm_per_pixel, 0.08);
  EXPECT_EQ(dataset.cases[2].mm_per_pixel, 0);
  EXPECT_EQ(layout_line(dataset), "layout: CSV, 3 cases in 2 classes, 2 groups, 1 train, 1 val, 1 test");
  EXPECT_TRUE(has_own_split(dataset));
}

TEST(LayoutCsv, AsSpreadsheetsWriteIt) {
  const Table table;
  const Names expected{"|a|x/a.png|m/1.png", "|b|x/b.jpg|m/2.png"};
  const std::string rows = "image;mask;mm_per_pixel\r\n\"x/a.png\";m/1.png;0,5\r\nx\\b.jpg;m/2.png;\r\n";
  EXPECT_EQ(described(table.scanned("\xef\xbb\xbf" + rows)), expected);
  EXPECT_EQ(table.scanned(rows).cases[0].mm_per_pixel, 0.5);
  std::string wide = "\xff\xfe";
  for (const char letter : rows) wide += {letter, '\0'};
  EXPECT_EQ(described(table.scanned(wide)), expected);
  std::string old = rows;
  old.erase(std::remove(old.begin(), old.end(), '\n'), old.end());
  EXPECT_EQ(described(table.scanned(old)), expected);
  std::string tabs = rows;
  std::replace(tabs.begin(), tabs.end(), ';', '\t');
  EXPECT_EQ(described(table.scanned(tabs)), expected);
}

TEST(LayoutCsv, QuotedHeadersAndEverySeparator) {
  const Table table;
  const Names expected{"b|a|x/a.png|m/1.png"};
  for (const char separator : {',', ';', '\t'}) {
    std::string text = "\"\",\"Image\",\"mask\",\"class\",\"group\"\n\"1\",\"x/a.png\",\"m/1.png\",\"b\",\"p, 1; 2\"\n";
    std::string row;  // the separators outside of the group's name
    for (std::size_t i = 0; i < text.size(); ++i)
      row += text[i] == ',' && text[i - 1] == '"' && text[i + 1] == '"' ? separator : text[i];
    EXPECT_EQ(described(table.scanned(row)), expected);
    EXPECT_EQ(table.scanned(row).cases[0].group, "p, 1; 2");
    EXPECT_EQ(described(table.scanned(std::string("sep=") + separator + "\r\n" + row)), expected);
    EXPECT_EQ(described(table.scanned(std::string("\"SEP=") + separator + "\"\n\n" + row)), expected);
    // What was named is used, whatever else the header would fit.
    expect_part(table.error(std::string(separator == ',' ? "sep=;\n" : "sep=,\n") + row), "line 2");
  }
  // The true reasons.
  expect_part(table.error("sep=|\nimage|mask\nx/a.png|m/1.png\n"), "line 1: 'sep=|' names a separator that is not");
  expect_part(
      table.error("sep=;\nimage,mask\nx/a.png,m/1.png\n"),
      "line 2: there is no column 'image' in the header 'image,mask', which is split at every ';' because line 1");
  expect_part(table.error("sep=\t\nimage,mask\n"), "at every tab because line 1");
  EXPECT_EQ(table.error("picture,mask\n").find("split at"), std::string::npos);
  expect_part(table.error("\"picture\",\"mask\"\n"), "there is no column 'image' in the header '\"picture\",\"mask\"'");
  expect_part(table.error("\n\"picture\";\"mask\"\n"),
              "there is no column 'image' in the header '\"picture\";\"mask\"'");
  expect_part(table.error("\"image\";\"mask\"\n\"x/a.png\"z;\"m/1.png\"\n"), "line 2: 'z' follows");
}

TEST(LayoutCsv, TablesOfOtherNames) {
  const Table table;
  for (const char* name : {"set.tsv", "set.TXT"}) {
    write_text(table.files.folder / name, "image\tmask\nx/a.png\tm/1.png\n");
    EXPECT_EQ(scan(table.files.folder / name).cases.size(), 1u);
  }
}

TEST(LayoutCsv, AbsolutePathsInATableThatIsNamedByARelativeOne) {
  const Table table;
  const std::string root = table.files.folder.path().string();
  const Dataset dataset = table.scanned("image,mask\n" + root + "/x/a.png," + root + "/m/1.png\n");
  Dataset relative = dataset;
  relative.root = "some/set.csv";
  EXPECT_EQ(path_in_dataset(relative, dataset.cases[0].image), root + "/x/a.png");
}

TEST(LayoutCsv, EmptyCellsBeyondTheHeaderDoNoHarm) {
  const Table table;
  const Names expected{"|a|x/a.png|m/1.png"};
  EXPECT_EQ(described(table.scanned("image,mask\nx/a.png,m/1.png,\n")), expected);
  EXPECT_EQ(described(table.scanned("image;mask\nx/a.png;m/1.png;;\"\" ;\n;;;\n")), expected);
  expect_part(table.error("image,mask\nx/a.png,m/1.png,,z\n"), "4 cells but the header 2");
}

TEST(LayoutCsv, ErrorsNameTheLine) {
  const Table table;
  const std::string head = "image,mask,class,group,split,mm_per_pixel\n", good = "x/a.png,m/1.png,b,g,train,\n";
  for (const auto& [text, line, reason] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"", "", "is empty"},
           {"picture,mask\nx/a.png,m/1.png\n", "line 1", "no column 'image'"},
           {"image,mask,Mask\n", "line 1", "two columns 'mask'"},
           {head + good + "\n\"x/b.jpg,m/2.png,b,h,val,\n", "line 4", "not closed"},
           {head + "\"x/a.png\"z,m/1.png,b,g,train,\n", "line 2", "'z' follows"},
           {head + good + "x/lost.png,m/2.png,b,h,val,\n", "line 3", "no image"},
           {head + good + "\"x/\nlost.png\",m/2.png,b,h,val,\n", "line 3", "lost.png"},
           {head + good + "x/b.jpg,,b,h,val,\n", "line 3", "the column mask is empty"},
           {head + good + "x,m/2.png,b,h,val,\n", "line 3", "not a regular file"},
           {head + good + "x/b.jpg,x/b.jpg,b,h,val,\n", "line 3", "are one file, 'x/b.jpg'"},
           {head + good + "x/b.jpg,m/../x/b.jpg,b,h,val,\n", "line 3", "are one file, 'x/b.jpg'"},
           {head + good + "x/../x/a.png,m/2.png,b,h,val,\n", "line 3", "already named in line 2"},
           {head + good + "x/b.jpg,m/2.png,,h,val,\n", "line 3", "the column class is empty"},
           {head + good + "x/b.jpg,m/2.png,../b,h,val,\n", "line 3", "holds a slash"},
           {head + good + "x/b.jpg,m/2.png,b,h,vla,\n", "line 3", "'vla' is none of train, val, test"},
           {head + good + "x/b.jpg,m/2.png,b,g,val,\n", "line 3", "in another part of the split in line 2"},
           {head + good + "x/b.jpg,m/2.png,b,h,val,-1\n", "line 3", "no number above 0"},
           {head + good + "x/b.jpg,m/2.png,b,h,val,1,5\n", "line 3", "7 cells but the header 6"}}) {
    const std::string message = table.error(text);
    expect_part(message, line);
    expect_part(message, reason);
  }
}

TEST(LayoutCsv, GroupsStayOnOneSideOfEverySplit) {
  const TemporaryFolder folder;
  std::string text = "image,mask,group\n";
  Grey image{8, 8, std::vector<std::uint8_t>(64, 0)};
  for (std::uint8_t i = 0; i < 20; ++i) {
    image.pixels[i] = 255;  // no two are near-duplicates
    image.pixels[static_cast<std::size_t>(63 - i * 2)] = 128;
    const std::string name = "i" + std::to_string(10 + i) + ".png";
    write_png(folder / name, image);
    image.pixels.assign(64, 0);
    write_png(folder / ("m" + name), image);  // black
    text += name + ",m" + name + ",patient " + std::to_string((i + 2) / 4) + "\n";
  }
  write_text(folder / "set.csv", text);
  const Dataset dataset = scan(folder / "set.csv");
  const auto expect_whole = [&](const SplitOptions& options) {
    const Split split = make_split(dataset, options);
    std::set<std::string> train, val;
    for (const std::size_t i : split.train) train.insert(dataset.cases[i].group);
    for (const std::size_t i : split.val) val.insert(dataset.cases[i].group);
    EXPECT_EQ(train.size() + val.size(), 6u) << name_of(options.kind);
    EXPECT_EQ(split.train.size() + split.val.size(), 20u);
  };
  SplitOptions options;
  for (const SplitKind kind : {SplitKind::random, SplitKind::grouped, SplitKind::paper})
    for (options.seed = 0; options.seed < 3; ++options.seed) {
      options.kind = kind;
      expect_whole(options);
    }
  options.kind = SplitKind::grouped;
  options.folds = 3;
  for (options.fold = 0; options.fold < 3; ++options.fold) expect_whole(options);

  options.folds = 0;
  options.train_list = folder / "train.txt";
  options.val_list = folder / "val.txt";
  write_text(options.train_list, "i10\n");
  write_text(options.val_list, "i11.png\n");  // of one patient
  expect_part(message_of<Error>([&] { make_split(dataset, options); }), "part the group 'patient 0'");
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
