// nnU-Net's raw layout. The file dataset.json may lie beside; nothing is taken from it.
//   imagesTr/busi_001_0000.png, labelsTr/busi_001.png     imagesTs/..., labelsTs/...: test cases
#include <map>

#include "common/data/layouts.h"

namespace attnunet::data {
namespace {

/// Images of a channel beyond the first are left out, as are images whose name does not end in a channel.
void scan_part(const FileTree& tree, const std::string& base, const std::string& ending, Part part, Found& found) {
  const std::string images = joined(base, "images" + ending), labels = joined(base, "labels" + ending);
  const std::map<std::string, std::string> masks = images_in(tree, labels, "", found.problems);
  if (masks.empty() && part == Part::test) return;  // images to predict, as challenges give them out
  std::set<std::string> missing_image;
  for (const auto& [stem, file] : masks) {
    missing_image.insert(file);
    found.understood.insert(joined(labels, file));
  }
  const std::string channel = "_0000";
  for (const auto& [stem, file] : images_in(tree, images, "", found.problems)) {
    if (stem.size() <= channel.size() || stem.compare(stem.size() - channel.size(), channel.size(), channel) != 0)
      continue;
    const std::string name = stem.substr(0, stem.size() - channel.size()), path = joined(images, file);
    found.understood.insert(path);
    const auto mask = masks.find(name);
    if (mask == masks.end()) {
      const std::string wanted = name + file.substr(stem.size());
      found.problems.push_back({"", no_mask_problem(tree.root / path, tree.root / joined(labels, wanted))});
      continue;
    }
    missing_image.erase(mask->second);
    Case one{name, "", tree.root / path, {tree.root / joined(labels, mask->second)}};
    one.part = part;
    found.cases.push_back({one, joined(images, name), path});
  }
  for (const std::string& file : missing_image) found.orphan_masks.push_back({"", tree.root / joined(labels, file)});
}

}  // namespace

Found scan_nnunet(const FileTree& tree, const std::string& base) {
  Found found;
  if (tree.folders.count(joined(base, "imagesTr")) == 0 || tree.folders.count(joined(base, "labelsTr")) == 0)
    return found;
  scan_part(tree, base, "Tr", Part::none, found);
  scan_part(tree, base, "Ts", Part::test, found);
  found.understood.insert(joined(base, "dataset.json"));
  return found;
}

}  // namespace attnunet::data
