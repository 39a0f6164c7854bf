// The layouts, one file each: what a scanner finds, for scan() (dataset.h) to choose from and to finish.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/data/dataset.h"
#include "common/data/file_tree.h"

namespace attnunet::data {

struct FoundCase {
  Case one;               ///< its name is not yet unique
  std::string long_name;  ///< its name if another case has the same
  std::string place;      ///< cases of a class are ordered by it
};

/// What is wrong with a case of this class: a line that names the file.
struct Problem {
  std::string class_name, text;
};

struct OrphanMask {
  std::string class_name;
  std::filesystem::path path;
};

struct Found {
  std::vector<FoundCase> cases;
  std::vector<OrphanMask> orphan_masks;
  std::vector<Problem> problems;
  std::set<std::string> understood;  ///< files that are part of the layout, below the root of the tree
};

/// Each looks into the folder `base` of the tree, and finds nothing if that has another layout. `flat`: images and
/// masks in `base` itself.
Found scan_busi(const FileTree& tree, const std::string& base);
Found scan_flat(const FileTree& tree, const std::string& base);
Found scan_pairs(const FileTree& tree, const std::string& base);
Found scan_nnunet(const FileTree& tree, const std::string& base);

/// What the first of these finds that has a case, in the root or in the only folder in it, and so on; which one it was
/// becomes `layout`.
Found scan_tree(const FileTree& tree, Layout& layout);

/// Throws Error naming the line if the file is no table with the columns image and mask; what is wrong with single
/// rows becomes a problem. All files must exist.
Found scan_csv(const std::filesystem::path& file);

/// The image files of a folder of the tree, by name without ending; two images of one name are a problem, and so is a
/// folder named like an image. Empty if there is no such folder.
std::map<std::string, std::string> images_in(const FileTree& tree, const std::string& folder,
                                             const std::string& class_name, std::vector<Problem>& problems);

/// "a" for "a_mask" and "a_mask_2", if "_mask" is among the endings (in small letters; the stem may have capitals); ""
/// for a stem that ends in none of them.
std::string masked_name(const std::string& stem, const std::vector<std::string>& endings);

/// The problem of an image without a mask; `mask` is where one would be looked for.
std::string no_mask_problem(const std::filesystem::path& image, const std::filesystem::path& mask);

/// What a path of folders says: the part of the split, if one of them has such a name, and the others joined.
struct ClassPath {
  std::string class_name;
  Part part = Part::none;
};
ClassPath class_path(const std::string& folders);

/// A folder's name in small letters is one of the usual names for images (0 is the most usual) or masks; -1: it is not.
int image_folder_rank(const std::string& name);
int mask_folder_rank(const std::string& name);

}  // namespace attnunet::data
