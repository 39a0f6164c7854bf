// BUSI's folder layout: what cases a dataset has, and the pixels of one case.
//   root/benign/benign (4).png, benign (4)_mask.png, benign (4)_mask_1.png, ...; likewise malignant/ and normal/
// A case has one image and one or more masks; its mask is their union. Other files than .png are ignored.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/data/png.h"

namespace attnunet::data {

/// The class folders, in case order.
const std::vector<std::string>& class_names();

struct Case {
  std::string name, class_name;  ///< name: the image's file name without .png
  std::filesystem::path image;
  std::vector<std::filesystem::path> masks;
};

struct Dataset {
  std::filesystem::path root;
  std::vector<Case> cases;                          ///< by class, then by file name, both bytewise
  std::vector<std::filesystem::path> orphan_masks;  ///< masks without an image: left out
};

/// Reads names only. `classes` selects class folders; empty takes those of the three that exist. Throws Error where the
/// root is missing, holds no case or an image has no mask; UsageError where a class is none of the three.
/// With `problems`: an image without a mask, and a folder named like an image, are told there and left out instead.
Dataset scan(const std::filesystem::path& root, const std::vector<std::string>& classes = {},
             std::vector<std::string>* problems = nullptr);

struct Sample {
  Grey image;
  Grey mask;  ///< 0 or 1
};

/// The case at its own size. Lesion is where the luma of any of its masks is over 127. Throws Error naming both files
/// where a mask has another size than the image.
Sample load_full(const Case& one);

/// The case resized to size x size: the image bilinear, the mask nearest. What has that size already is untouched.
Sample load(const Case& one, int size);

}  // namespace attnunet::data
