// BUSI's folder layout: what cases a dataset has.
//   root/benign/benign (4).png, benign (4)_mask.png, benign (4)_mask_1.png, ...; likewise malignant/ and normal/
// A case has one image and one or more masks; its mask is their union. Other files than .png are ignored.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

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

}  // namespace attnunet::data
