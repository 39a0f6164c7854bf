#include "common/data/dataset.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>

#include "common/core/counted.h"
#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/dicom.h"
#include "common/data/image_file.h"
#include "common/data/layouts.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

const char* layout_help() {
  return "expected are class folders with images 'benign (1).png' and masks 'benign (1)_mask.png', or the folders "
         "images and masks, or imagesTr and labelsTr, or a CSV file with the columns image and mask "
         "(tools/get_busi.sh fetches BUSI, 'attnunet data synth' makes a phantom set)";
}

int rank_in(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), lower_case(name));
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

/// DICOM files often have no ending, or are called by a UID, whose last number is none.
bool is_image(const fs::path& file) {
  if (has_image_name(file)) return true;
  const std::string ending = lower_case(file.extension().string());
  if (ending.find_first_not_of(".0123456789") != std::string::npos && ending != ".ima") return false;
  return begins_as_dicom(file);
}

/// A folder that cannot be read is an error if cases are expected in it; else it is left out.
void note_unreadable(const FileTree& tree, std::vector<std::string>& left_out) {
  for (const auto& [folder, reason] : tree.unreadable) {
    const std::string name = fs::path(folder).filename().string();
    if (rank_in(class_names(), name) >= 0 || image_folder_rank(name) >= 0 || mask_folder_rank(name) >= 0 ||
        part_named(name) != Part::none)
      throw Error("cannot read the folder " + quoted(tree.root / folder) + ": " + reason);
    left_out.push_back(folder);
  }
}

Found scan_folder(Dataset& dataset) {
  const FileTree tree = walk(dataset.root);
  Found found = scan_tree(tree, dataset.layout);
  for (const auto& [folder, inside] : tree.folders)
    for (const std::string& file : inside.files)
      if (found.understood.count(joined(folder, file)) == 0) dataset.left_out.push_back(joined(folder, file));
  note_unreadable(tree, dataset.left_out);
  std::sort(dataset.left_out.begin(), dataset.left_out.end());
  return found;
}

/// Short names where they are unique, else longer ones.
void make_names_unique(std::vector<FoundCase>& cases) {
  const auto rename = [&](std::string FoundCase::*longer) {
    std::map<std::string, int> times;
    for (const FoundCase& one : cases) ++times[one.one.name];
    for (FoundCase& one : cases)
      if (times[one.one.name] > 1) one.one.name = one.*longer;
  };
  rename(&FoundCase::long_name);
  rename(&FoundCase::place);
  std::set<std::string> names;
  for (const FoundCase& one : cases)
    if (!names.insert(one.one.name).second)
      throw Error("two cases would be called " + quoted(one.one.name) + "; rename " + quoted(one.one.image));
}

/// Names were split at commas; those of classes whose names hold one are put together again.
std::vector<std::string> with_commas(const std::vector<std::string>& names, const std::set<std::string>& known) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::string name = names[i];
    std::size_t last = i;
    while (known.count(name) == 0 && last + 1 < names.size()) name += "," + names[++last];
    const bool found = known.count(name) != 0;
    result.push_back(found ? name : names[i]);
    if (found) i = last;
  }
  return result;
}

/// Drops what is of other classes.
void select_classes(Found& found, const std::vector<std::string>& classes, const fs::path& root) {
  if (classes.empty()) return;
  std::set<std::string> known;
  for (const FoundCase& one : found.cases) known.insert(one.one.class_name);
  for (const Problem& one : found.problems) known.insert(one.class_name);
  known.erase("");
  std::string names;
  for (const std::string& name : known) names += (names.empty() ? "" : ", ") + one_line(name);
  const std::vector<std::string> chosen = with_commas(classes, known);
  for (const std::string& name : chosen) {
    if (known.count(name) != 0) continue;
    throw UsageError("the dataset " + quoted(root) + " has no class " + quoted(name) + "; " +
                     (names.empty() ? "it has no classes: leave out --classes" : "choose --classes from " + names));
  }
  const auto other = [&](const std::string& name) {
    return std::find(chosen.begin(), chosen.end(), name) == chosen.end();
  };
  const auto drop = [](auto& from, const auto& dropped) {
    from.erase(std::remove_if(from.begin(), from.end(), dropped), from.end());
  };
  drop(found.cases, [&](const FoundCase& one) { return other(one.one.class_name); });
  drop(found.problems, [&](const Problem& one) { return other(one.class_name); });
  drop(found.orphan_masks, [&](const OrphanMask& one) { return other(one.class_name); });
}

Error first_problem(const Found& found, const fs::path& root) {
  const std::string all = std::to_string(found.problems.size()) + " problems";
  std::string text = found.problems[0].text;
  if (found.cases.empty()) text = "the dataset " + quoted(root) + " holds no case that can be used: " + text;
  if (found.problems.size() == 1) return Error(text);
  if (found.cases.empty()) return Error(text + " (the first of " + all + ")");
  return Error(text + " (the first of " + all + "; 'attnunet data check --data " + one_line(shell_word(root.string())) +
               "' lists them)");
}

}  // namespace

Found scan_tree(const FileTree& tree, Layout& layout) {
  const std::pair<Layout, Found (*)(const FileTree&, const std::string&)> scanners[] = {
      {Layout::nnunet, scan_nnunet}, {Layout::busi, scan_busi}, {Layout::pairs, scan_pairs}, {Layout::busi, scan_flat}};
  std::string base;
  for (auto here = tree.folders.find(base); here != tree.folders.end(); here = tree.folders.find(base)) {
    // A layout without a case may still say why there is none.
    std::optional<Found> without_cases;
    for (const auto& [kind, scanner] : scanners) {
      Found found = scanner(tree, base);
      if (found.cases.empty() && (without_cases || found.problems.empty())) continue;
      layout = kind;
      if (!found.cases.empty()) return found;
      without_cases = std::move(found);
    }
    if (without_cases) return *without_cases;
    if (here->second.folders.size() != 1) break;
    base = joined(base, here->second.folders[0]);
  }
  return {};
}

const std::vector<std::string>& class_names() {
  static const std::vector<std::string> names{"benign", "malignant", "normal"};
  return names;
}

const char* layout_title(Layout layout) {
  switch (layout) {
    case Layout::busi:
      return "BUSI";
    case Layout::pairs:
      return "folders of images and of masks";
    case Layout::nnunet:
      return "nnU-Net";
    case Layout::csv:
      return "CSV";
  }
  throw Error("no such layout");
}

Part part_named(const std::string& word) {
  static const std::map<std::string, Part> parts{
      {"train", Part::train},    {"training", Part::train}, {"val", Part::val},     {"valid", Part::val},
      {"validation", Part::val}, {"test", Part::test},      {"testing", Part::test}};
  const auto found = parts.find(lower_case(word));
  return found == parts.end() ? Part::none : found->second;
}

int image_folder_rank(const std::string& name) {
  static const std::vector<std::string> names{"images", "image", "imgs", "img", "original", "originals"};
  return rank_in(names, name);
}

int mask_folder_rank(const std::string& name) {
  static const std::vector<std::string> names{"masks", "mask",         "labels",      "label",
                                              "gt",    "ground_truth", "groundtruth", "ground truth"};
  return rank_in(names, name);
}

bool is_mask_folder(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const std::string beside = name == "labelsTr" ? "imagesTr" : name == "labelsTs" ? "imagesTs" : "";
  std::error_code failure;
  if (!beside.empty()) return fs::is_directory(folder.parent_path() / beside, failure);
  if (mask_folder_rank(name) < 0) return false;
  for (fs::directory_iterator entry(folder.parent_path(), failure), end; !failure && entry != end;
       entry.increment(failure))
    if (image_folder_rank(entry->path().filename().string()) >= 0 && fs::is_directory(entry->path(), failure))
      return true;
  return false;
}

std::string masked_name(const std::string& stem, const std::vector<std::string>& endings) {
  std::string name = stem;
  const std::size_t digits = name.find_last_not_of("0123456789");
  if (digits != std::string::npos && digits + 1 < name.size() && name[digits] == '_') name.resize(digits);
  const std::string small = lower_case(name);
  for (const std::string& ending : endings)
    if (small.size() > ending.size() && small.compare(small.size() - ending.size(), ending.size(), ending) == 0)
      return name.substr(0, name.size() - ending.size());
  return "";
}

std::string no_mask_problem(const fs::path& image, const fs::path& mask) {
  std::error_code failure;
  if (fs::is_symlink(image, failure) && !fs::exists(image, failure))
    return "the image " + quoted(image) +
           " is a link to a file that is not there; put the file there or remove the link";
  return "the image " + quoted(image) + " has no mask; add " + quoted(mask) +
         " (all black where there is no lesion) or remove the image";
}

ClassPath class_path(const std::string& folders) {
  ClassPath result;
  for (const fs::path& folder : fs::path(folders)) {
    const Part part = part_named(folder.string());
    if (part != Part::none && result.part == Part::none)
      result.part = part;
    else
      result.class_name = joined(result.class_name, folder.string());
  }
  return result;
}

std::map<std::string, std::string> images_in(const FileTree& tree, const std::string& folder,
                                             const std::string& class_name, std::vector<Problem>& problems) {
  std::map<std::string, std::string> images;
  const auto here = tree.folders.find(folder);
  if (here == tree.folders.end()) return images;
  for (const std::string& name : here->second.folders)
    if (has_image_name(name))
      problems.push_back(
          {class_name, quoted(tree.root / folder / name) + " is a folder, not an image; rename or remove it"});
  for (const std::string& name : here->second.files) {
    if (!is_image(tree.root / folder / name)) continue;
    const std::string stem = has_image_name(name) ? fs::path(name).stem().string() : name;
    const auto [first, is_new] = images.emplace(stem, name);
    if (!is_new)
      problems.push_back({class_name, quoted(tree.root / folder / first->second) + " and " +
                                          quoted(tree.root / folder / name) +
                                          " have one name but for the ending; rename or remove one of them"});
  }
  return images;
}

std::string path_in_dataset(const Dataset& dataset, const fs::path& file) {
  const fs::path folder = dataset.layout == Layout::csv ? dataset.root.parent_path() : dataset.root;
  const fs::path relative = folder.empty() ? file : file.lexically_relative(folder);
  return (relative.empty() ? file : relative).generic_string();
}

std::string layout_line(const Dataset& dataset) {
  std::set<std::string> classes, groups;
  std::map<Part, std::size_t> parts;
  for (const Case& one : dataset.cases) {
    classes.insert(one.class_name);
    groups.insert(one.group);
    ++parts[one.part];
  }
  classes.erase("");
  groups.erase("");
  std::string line =
      std::string("layout: ") + layout_title(dataset.layout) + ", " + counted(dataset.cases.size(), "case", "cases");
  if (!classes.empty()) line += " in " + counted(classes.size(), "class", "classes");
  if (!groups.empty()) line += ", " + counted(groups.size(), "group", "groups");
  for (const auto& [part, name] : {std::pair{Part::train, "train"}, {Part::val, "val"}, {Part::test, "test"}})
    if (parts.count(part) != 0) line += ", " + std::to_string(parts.at(part)) + " " + name;
  return line;
}

Dataset scan(const fs::path& root, const std::vector<std::string>& classes, std::vector<std::string>* problems) {
  if (!fs::exists(root)) throw Error("there is no dataset at " + quoted(root) + "; " + layout_help());
  Dataset dataset{root, {}, {}};
  Found found;
  if (fs::is_directory(root)) {
    found = scan_folder(dataset);
  } else {
    const std::string ending = lower_case(root.extension().string());
    if (ending != ".csv" && ending != ".tsv" && ending != ".txt")
      throw Error(quoted(root) + " is a file, but neither a dataset folder nor a table (.csv, .tsv, .txt); " +
                  layout_help());
    dataset.layout = Layout::csv;
    found = scan_csv(root);
  }
  make_names_unique(found.cases);
  if (!found.cases.empty() || !found.problems.empty()) select_classes(found, classes, root);
  if (!found.problems.empty() && (problems == nullptr || found.cases.empty())) throw first_problem(found, root);
  for (const Problem& problem : found.problems) problems->push_back(problem.text);
  if (found.cases.empty()) {
    const std::string left_out = left_out_text(dataset.left_out);
    throw Error("the dataset " + quoted(root) + " holds no case" + (left_out.empty() ? "" : " (" + left_out + ")") +
                "; " + layout_help());
  }

  std::sort(found.cases.begin(), found.cases.end(), [](const FoundCase& a, const FoundCase& b) {
    return std::tie(a.one.class_name, a.place) < std::tie(b.one.class_name, b.place);
  });
  for (FoundCase& one : found.cases) dataset.cases.push_back(std::move(one.one));
  for (const OrphanMask& mask : found.orphan_masks) dataset.orphan_masks.push_back(mask.path);
  return dataset;
}

}  // namespace attnunet::data
