// What cases a dataset has, in each layout that people use. Only names are read here; sample.h reads pixels.
//
//   BUSI     CLASS/NAME.png with NAME_mask.png, NAME_mask_1.png, ... beside it, CLASS being any name
//   pairs    images/NAME.png and masks/NAME.png; both folders may hold class folders, or lie in them
//   nnU-Net  imagesTr/NAME_0000.png and labelsTr/NAME.png; imagesTs and labelsTs are the test cases
//   CSV      a file with the columns image and mask, and if wanted class, group, split, mm_per_pixel
//
// Folders named train, val and test above or below the class folders are no classes: they decide the split.
// docs/files.md shows an example of each layout. What a dataset holds besides is listed, never dropped silently.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/data/reading.h"

namespace attnunet::data {

enum class Layout { busi, pairs, nnunet, csv };

/// For people: "BUSI", "folders of images and of masks", ...
const char* layout_title(Layout layout);

/// The side of the split that the dataset itself puts a case on. Test cases neither train nor validate.
enum class Part { none, train, val, test };

/// BUSI's class folders.
const std::vector<std::string>& class_names();

/// A case has one image and one or more masks; its mask is their union.
struct Case {
  /// The image's file name without its ending, or without _0000 in nnU-Net's layout. If several images share it:
  /// the path below the dataset's folder. Unique in the dataset.
  std::string name;
  std::string class_name;  ///< "" if the dataset has no classes
  std::filesystem::path image;
  std::vector<std::filesystem::path> masks;
  std::string group = {};  ///< cases of one group, say a patient, stay on one side of every split; "": of none
  Part part = Part::none;
  double mm_per_pixel = 0;  ///< as the dataset states it; 0: it does not
  Reading reading = {};     ///< how its files become pixels; scan leaves the defaults
};

struct Dataset {
  std::filesystem::path root;                       ///< the folder or CSV file that was named
  std::vector<Case> cases;                          ///< by class, then by file name, both bytewise
  std::vector<std::filesystem::path> orphan_masks;  ///< masks without an image: left out
  Layout layout = Layout::busi;
  std::vector<std::string> left_out = {};  ///< other files, by their paths below the root, without hidden ones
};

/// `classes` selects among the dataset's classes; empty takes all. Throws Error if nothing is at `root`, it holds no
/// case, an image has no mask or two cases have one name; UsageError if a class does not exist.
/// With `problems`: what is wrong with single cases is told there and they are left out instead.
Dataset scan(const std::filesystem::path& root, const std::vector<std::string>& classes = {},
             std::vector<std::string>* problems = nullptr);

/// A file's path below the dataset's folder, or below the folder of its CSV file.
std::string path_in_dataset(const Dataset& dataset, const std::filesystem::path& file);

/// "layout: BUSI, 780 cases in 3 classes".
std::string layout_line(const Dataset& dataset);

/// Whether a folder holds the masks of the images in another beside it: masks/ beside images/, labelsTr/ beside
/// imagesTr/, and the like.
bool is_mask_folder(const std::filesystem::path& folder);

/// The part that a folder's name or a word of a CSV file stands for: train, training, val, valid, validation, test,
/// testing in any case; Part::none for other words.
Part part_named(const std::string& word);

}  // namespace attnunet::data
