#include "common/data/busi.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

const char* layout_help() {
  return "expected are the folders benign, malignant, normal with images 'benign (1).png' and masks 'benign "
         "(1)_mask.png' (tools/get_busi.sh fetches BUSI, 'attnunet data synth' makes a phantom set)";
}

/// "benign (4)" for the stems "benign (4)_mask" and "benign (4)_mask_12"; "" for a stem that is no mask's.
std::string masked_name(const std::string& stem) {
  std::string name = stem;
  const std::size_t digits = name.find_last_not_of("0123456789");
  if (digits != std::string::npos && digits + 1 < name.size() && name[digits] == '_') name.resize(digits);
  const std::string ending = "_mask";
  if (name.size() <= ending.size() || name.compare(name.size() - ending.size(), ending.size(), ending) != 0) return "";
  return name.substr(0, name.size() - ending.size());
}

/// Throws the problem, or notes it where problems are collected.
void tell(const std::string& problem, std::vector<std::string>* problems) {
  if (problems == nullptr) throw Error(problem);
  problems->push_back(problem);
}

/// File names of the PNG files of a folder, bytewise.
std::set<std::string> png_names(const fs::path& folder, std::vector<std::string>* problems) {
  std::error_code failure;
  std::set<std::string> names;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
    if (entry->path().extension() != ".png") continue;
    if (entry->is_directory()) {
      tell(quoted(entry->path()) + " is a folder, not a PNG image; rename or remove it", problems);
      continue;
    }
    names.insert(entry->path().filename().string());
  }
  if (failure) throw Error("cannot read the folder " + quoted(folder) + ": " + failure.message());
  return names;
}

void scan_class(Dataset& dataset, const std::string& class_name, std::vector<std::string>* problems) {
  const fs::path folder = dataset.root / class_name;
  const std::set<std::string> names = png_names(folder, problems);
  std::map<std::string, std::vector<fs::path>> masks;
  for (const std::string& name : names) {
    const std::string masked = masked_name(fs::path(name).stem().string());
    if (!masked.empty()) masks[masked].push_back(folder / name);
  }
  for (const std::string& name : names) {
    const std::string stem = fs::path(name).stem().string();
    if (!masked_name(stem).empty()) continue;
    const auto found = masks.find(stem);
    if (found == masks.end()) {
      tell("the image " + quoted(folder / name) + " has no mask; add " + quoted(folder / (stem + "_mask.png")) +
               " (all black where there is no lesion) or remove the image",
           problems);
      continue;
    }
    dataset.cases.push_back({stem, class_name, folder / name, found->second});
    masks.erase(found);
  }
  for (const auto& [name, orphans] : masks)
    dataset.orphan_masks.insert(dataset.orphan_masks.end(), orphans.begin(), orphans.end());
}

}  // namespace

const std::vector<std::string>& class_names() {
  static const std::vector<std::string> names{"benign", "malignant", "normal"};
  return names;
}

Dataset scan(const fs::path& root, const std::vector<std::string>& classes, std::vector<std::string>* problems) {
  const std::vector<std::string>& known = class_names();
  for (const std::string& name : classes)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw UsageError("there is no class " + quoted(name) + "; choose from benign, malignant, normal");
  if (!fs::exists(root)) throw Error("there is no dataset at " + quoted(root) + "; " + layout_help());
  if (!fs::is_directory(root)) throw Error(quoted(root) + " is a file, not a dataset folder; " + layout_help());

  Dataset dataset{root, {}, {}};
  for (const std::string& name : known) {
    const bool asked = std::find(classes.begin(), classes.end(), name) != classes.end();
    if (!asked && !classes.empty()) continue;
    if (fs::is_directory(root / name))
      scan_class(dataset, name, problems);
    else if (asked)
      throw Error("the dataset " + quoted(root) + " has no folder " + quoted(name) + "; " + layout_help());
  }
  if (dataset.cases.empty()) throw Error("the dataset " + quoted(root) + " holds no case; " + layout_help());
  return dataset;
}

}  // namespace attnunet::data
