// BUSI's layout: images with their masks beside them, in class folders of any names.
//   benign/benign (4).png, benign (4)_mask.png, benign (4)_mask_1.png, ...
#include <algorithm>
#include <map>

#include "common/core/quoting.h"
#include "common/data/layouts.h"

namespace attnunet::data {
namespace {

const std::vector<std::string> endings_beside{"_mask"};

void scan_class_folder(const FileTree& tree, const std::string& folder, const ClassPath& of, Found& found) {
  const std::map<std::string, std::string> files = images_in(tree, folder, of.class_name, found.problems);
  std::map<std::string, std::vector<std::string>> masks;
  for (const auto& [stem, file] : files) {
    const std::string masked = masked_name(stem, endings_beside);
    if (!masked.empty()) masks[masked].push_back(joined(folder, file));
    found.understood.insert(joined(folder, file));
  }
  for (const auto& [stem, file] : files) {
    if (!masked_name(stem, endings_beside).empty()) continue;
    const std::string place = joined(folder, file);
    const auto its = masks.find(stem);
    if (its == masks.end()) {
      found.problems.push_back(
          {of.class_name, no_mask_problem(tree.root / place, tree.root / joined(folder, stem + "_mask.png"))});
      continue;
    }
    Case one{stem, of.class_name, tree.root / place, {}};
    one.part = of.part;
    for (const std::string& mask : its->second) one.masks.push_back(tree.root / mask);
    found.cases.push_back({one, joined(folder, stem), place});
    masks.erase(its);
  }
  for (const auto& [name, orphans] : masks)
    for (const std::string& mask : orphans) found.orphan_masks.push_back({of.class_name, tree.root / mask});
}

/// Holds an image with a mask beside it.
bool has_pair(const FileTree& tree, const std::string& folder) {
  std::vector<Problem> ignored;
  const std::map<std::string, std::string> files = images_in(tree, folder, "", ignored);
  return std::any_of(files.begin(), files.end(), [&](const auto& entry) {
    const std::string masked = masked_name(entry.first, endings_beside);
    return !masked.empty() && files.count(masked) != 0;
  });
}

/// Folders of BUSI's own names count if they hold any image, so that a missing mask shows.
bool is_class_folder(const FileTree& tree, const std::string& folder, const std::string& name) {
  const std::vector<std::string>& usual = class_names();
  if (std::find(usual.begin(), usual.end(), name) == usual.end()) return has_pair(tree, folder);
  std::vector<Problem> of_folder;
  return !images_in(tree, folder, "", of_folder).empty() || !of_folder.empty();
}

}  // namespace

Found scan_busi(const FileTree& tree, const std::string& base) {
  std::vector<std::pair<std::string, ClassPath>> folders;
  for (const std::string& name : tree.folders.at(base).folders) {
    const std::string folder = joined(base, name);
    const Part part = part_named(name);
    if (is_class_folder(tree, folder, name)) folders.push_back({folder, {part == Part::none ? name : "", part}});
    const auto inside = tree.folders.find(folder);
    if (part == Part::none || inside == tree.folders.end()) continue;
    for (const std::string& below : inside->second.folders)
      if (is_class_folder(tree, joined(folder, below), below))
        folders.push_back({joined(folder, below), {below, part}});
  }
  // One folder of images is no class.
  if (folders.size() == 1 && image_folder_rank(folders[0].second.class_name) >= 0) folders[0].second.class_name.clear();
  Found found;
  for (const auto& [folder, of] : folders) scan_class_folder(tree, folder, of, found);
  return found;
}

Found scan_flat(const FileTree& tree, const std::string& base) {
  Found found;
  if (has_pair(tree, base)) scan_class_folder(tree, base, {}, found);
  return found;
}

}  // namespace attnunet::data
