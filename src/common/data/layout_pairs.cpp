// Images in one folder, masks under the same names in another beside it.
//   images/a.png, masks/a.png                 images/benign/a.png, masks/benign/a_mask.png
//   benign/original/a.png, benign/GT/a.png    train/images/a.png, train/masks/a.png
#include <algorithm>
#include <map>

#include "common/data/layouts.h"

namespace attnunet::data {
namespace {

const std::vector<std::string> endings_apart{"_mask", "_seg", "_gt", "_segmentation", "_label"};

/// The folder among these whose name ranks first; "" if none has a name of that kind.
std::string first_of(const std::vector<std::string>& folders, int (*rank)(const std::string&)) {
  std::string best;
  for (const std::string& folder : folders)
    if (rank(folder) >= 0 && (best.empty() || rank(folder) < rank(best))) best = folder;
  return best;
}

/// An images folder and its masks folder, with all below them.
class PairOfFolders {
 public:
  /// `above`: the folder they lie in, below `base`.
  PairOfFolders(const FileTree& tree, std::string base, std::string above, std::string images, std::string masks)
      : tree_(tree),
        above_(std::move(above)),
        images_(joined(joined(base, above_), images)),
        masks_(joined(joined(base, above_), masks)) {}

  void scan(Found& found) { scan_below("", found); }

 private:
  void scan_below(const std::string& below, Found& found) {
    const std::string images = joined(images_, below), masks = joined(masks_, below);
    const ClassPath of = class_path(joined(above_, below));
    scan_folder(below, of, images_in(tree_, images, of.class_name, found.problems),
                images_in(tree_, masks, of.class_name, found.problems), found);
    std::set<std::string> inside;
    for (const std::string& folder : {images, masks}) {
      const auto here = tree_.folders.find(folder);
      if (here != tree_.folders.end()) inside.insert(here->second.folders.begin(), here->second.folders.end());
    }
    for (const std::string& name : inside) scan_below(joined(below, name), found);
  }

  void scan_folder(const std::string& below, const ClassPath& of, const std::map<std::string, std::string>& images,
                   const std::map<std::string, std::string>& masks, Found& found) {
    const std::string folder = joined(images_, below), mask_folder = joined(masks_, below);
    std::map<std::string, std::vector<std::string>> masks_of;
    for (const auto& [stem, file] : masks) {
      const bool equal = images.count(stem) != 0;
      const std::string image = equal ? stem : masked_name(stem, endings_apart);
      const std::string path = joined(mask_folder, file);
      found.understood.insert(path);
      if (images.count(image) == 0) {
        found.orphan_masks.push_back({of.class_name, tree_.root / path});
        continue;
      }
      masks_of[image].push_back(path);
      if (masks_of[image].size() == 1) mask_ending_ = file.substr(image.size());
    }
    for (const auto& [stem, file] : images) {
      const std::string path = joined(folder, file);
      found.understood.insert(path);
      if (masks_of.count(stem) == 0) {
        found.problems.push_back(
            {of.class_name, no_mask_problem(tree_.root / path, tree_.root / joined(mask_folder, stem + mask_ending_))});
        continue;
      }
      Case one{stem, of.class_name, tree_.root / path, {}};
      one.part = of.part;
      for (const std::string& mask : masks_of[stem]) one.masks.push_back(tree_.root / mask);
      found.cases.push_back({one, joined(joined(above_, below), stem), path});
    }
  }

  const FileTree& tree_;
  std::string above_, images_, masks_;
  std::string mask_ending_ = ".png";  ///< as the masks so far are called, for the name of one that is missing
};

void scan_pairs_below(const FileTree& tree, const std::string& base, const std::string& above, Found& found) {
  const auto here = tree.folders.find(joined(base, above));
  if (here == tree.folders.end()) return;
  const std::vector<std::string>& folders = here->second.folders;
  const std::string images = first_of(folders, image_folder_rank), masks = first_of(folders, mask_folder_rank);
  const bool both = !images.empty() && !masks.empty();
  if (both) PairOfFolders(tree, base, above, images, masks).scan(found);
  for (const std::string& folder : folders)
    if (!both || (folder != images && folder != masks)) scan_pairs_below(tree, base, joined(above, folder), found);
}

}  // namespace

Found scan_pairs(const FileTree& tree, const std::string& base) {
  // Folders that hold but one folder are no classes.
  std::string start = base;
  for (auto here = tree.folders.find(start); here != tree.folders.end() && here->second.folders.size() == 1;
       here = tree.folders.find(start)) {
    const std::string& only = here->second.folders[0];
    if (part_named(only) != Part::none) break;
    start = joined(start, only);
  }
  Found found;
  scan_pairs_below(tree, start, "", found);
  return found;
}

}  // namespace attnunet::data
