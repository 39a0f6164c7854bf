#include "common/data/file_tree.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/image_file.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

/// `above`: the real paths of the folders that lead here.
void walk_below(FileTree& tree, const std::string& below, std::vector<fs::path>& above) {
  const fs::path path = below.empty() ? tree.root : tree.root / below;
  std::error_code failure, ignored;
  const fs::path real = fs::canonical(path, ignored);
  if (std::find(above.begin(), above.end(), real) != above.end()) return;
  Folder folder;
  for (fs::directory_iterator entry(path, failure), end; !failure && entry != end; entry.increment(failure)) {
    const fs::path name = entry->path().filename();
    if (!is_hidden(name)) (entry->is_directory(ignored) ? folder.folders : folder.files).push_back(name.string());
  }
  if (failure) {
    if (below.empty()) throw Error("cannot read the folder " + quoted(path) + ": " + failure.message());
    tree.unreadable[below] = failure.message();
    return;
  }
  std::sort(folder.files.begin(), folder.files.end());
  std::sort(folder.folders.begin(), folder.folders.end());
  const std::vector<std::string> inside = folder.folders;
  tree.folders[below] = std::move(folder);
  above.push_back(real);
  for (const std::string& name : inside)
    if (!has_image_name(name)) walk_below(tree, joined(below, name), above);
  above.pop_back();
}

std::string kind_of(const std::string& file) {
  const std::string ending = lower_case(fs::path(file).extension().string());
  if (ending.empty()) return "without an ending";
  // NIfTI and archives have two.
  return ending == ".gz" ? lower_case(fs::path(file).stem().extension().string()) + ending : ending;
}

}  // namespace

std::string in_one_name(std::string path) {
  std::replace(path.begin(), path.end(), '/', '_');
  return path;
}

std::string lower_case(std::string text) {
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return text;
}

bool is_hidden(const fs::path& name) {
  static const std::set<std::string> names{"thumbs.db", "ehthumbs.db",  "desktop.ini",
                                           "__macosx",  "$recycle.bin", "system volume information",
                                           "@eadir",    "lost+found"};
  const std::string text = lower_case(name.string());
  return text.empty() || text.front() == '.' || names.count(text) != 0;
}

FileTree walk(const fs::path& root) {
  FileTree tree;
  tree.root = root;
  std::vector<fs::path> above;
  walk_below(tree, "", above);
  return tree;
}

std::string joined(const std::string& folder, const std::string& name) {
  if (folder.empty() || name.empty()) return folder + name;
  return folder + "/" + name;
}

std::string left_out_text(const std::vector<std::string>& files) {
  if (files.empty()) return "";
  if (files.size() == 1) return "1 file was left out: " + quoted_excerpt(files[0]);
  std::map<std::string, std::vector<std::string>> kinds;
  for (const std::string& file : files) kinds[kind_of(file)].push_back(file);
  std::vector<std::pair<std::string, std::vector<std::string>>> ordered(kinds.begin(), kinds.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });

  constexpr std::size_t most_kinds = 6, most_names = 2;
  std::string text = std::to_string(files.size()) + " files of " + std::to_string(kinds.size()) +
                     (kinds.size() == 1 ? " kind" : " kinds") + " were left out: ";
  for (std::size_t k = 0; k < std::min(ordered.size(), most_kinds); ++k) {
    const auto& [kind, names] = ordered[k];
    const std::string shown = quoted_excerpt(kind);
    text += (k == 0 ? "" : ", ") + std::to_string(names.size()) + " " + shown.substr(1, shown.size() - 2) + " (";
    for (std::size_t i = 0; i < std::min(names.size(), most_names); ++i)
      text += (i == 0 ? "" : ", ") + quoted_excerpt(names[i]);
    text += names.size() > most_names ? ", ...)" : ")";
  }
  return text + (ordered.size() > most_kinds ? ", ..." : "");
}

}  // namespace attnunet::data
