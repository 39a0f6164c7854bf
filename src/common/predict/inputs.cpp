#include "common/predict/inputs.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/file_tree.h"
#include "common/data/image_file.h"

namespace attnunet {
namespace {

namespace fs = std::filesystem;

bool is_mask(const fs::path& file) {
  const std::string ending = file.extension().string();
  return (ending == ".png" || ending == ".PNG") && file.stem().string().find("_mask") != std::string::npos;
}

struct Walk {
  const fs::path& out;
  std::vector<Input>& inputs;
  std::vector<std::string>& left_out;
  std::set<fs::path> walked = {};

  /// `below`: the folder, seen from where the walk began.
  void folder(const fs::path& path, const fs::path& below) {
    if (!walked.insert(fs::weakly_canonical(path)).second) return;
    std::error_code failure, ignored;
    std::vector<fs::path> entries;
    for (fs::directory_iterator entry(path, failure), end; !failure && entry != end; entry.increment(failure))
      entries.push_back(entry->path());
    if (failure) throw Error("cannot read the folder " + quoted(path) + ": " + failure.message());
    std::sort(entries.begin(), entries.end());
    for (const fs::path& entry : entries) {
      if (data::is_hidden(entry.filename())) continue;
      const fs::file_status status = fs::status(entry, ignored);
      if (fs::is_directory(status)) {
        if (!fs::equivalent(entry, out, ignored)) folder(entry, below / entry.filename());
      } else if (data::has_image_name(entry) && !is_mask(entry) && !fs::is_other(status)) {
        inputs.push_back({entry, below / entry.stem()});
      } else if (!is_mask(entry)) {
        left_out.push_back((below / entry.filename()).generic_string());
      }
    }
  }
};

}  // namespace

std::vector<Input> find_inputs(const std::vector<std::string>& given, const fs::path& out,
                               std::vector<std::string>* left_out) {
  std::vector<Input> inputs;
  std::vector<std::string> others;
  for (const fs::path path : given) {
    if (!fs::exists(path)) throw Error("there is no " + quoted(path) + "; check the name");
    if (!fs::is_directory(path)) {
      inputs.push_back({path, path.stem()});
      continue;
    }
    const std::size_t before = inputs.size();
    Walk{out, inputs, others}.folder(path, {});
    if (inputs.size() == before)
      throw Error("the folder " + quoted(path) + " holds no image (PNG, JPEG or BMP; masks are left out)");
  }
  if (left_out != nullptr) *left_out = std::move(others);

  std::map<fs::path, const Input*> by_name;
  for (const Input& input : inputs) {
    const auto [other, is_new] = by_name.emplace(input.name, &input);
    if (!is_new)
      throw Error(quoted(other->second->file) + " and " + quoted(input.file) + " would both be " +
                  quoted(out / (input.name.string() + "_mask.png")) + "; rename one or give them separate runs");
    const fs::path folder = fs::weakly_canonical(fs::absolute(input.file).parent_path());
    if (folder == fs::weakly_canonical(fs::absolute(out / input.name).parent_path()))
      throw Error("the results of " + quoted(input.file) +
                  " would lie in its own folder, where a true mask may have their name; choose another --out");
  }
  return inputs;
}

}  // namespace attnunet
