#include "common/predict/inputs.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/dataset.h"
#include "common/data/file_tree.h"
#include "common/data/image_file.h"

namespace attnunet {
namespace {

namespace fs = std::filesystem;

bool is_mask(const fs::path& file) {
  const std::string ending = file.extension().string();
  return (ending == ".png" || ending == ".PNG") && file.stem().string().find("_mask") != std::string::npos;
}

/// The inputs of a file; none of a DICOM file without an image, or with a mask of ours. What is wrong with a DICOM file
/// is said when it is read, like what is wrong with any other.
std::vector<Input> inputs_of(const fs::path& file, const fs::path& below, int frame) {
  if (!data::is_dicom(file)) return {{file, below / file.stem()}};
  int frames = 1;
  try {
    frames = data::count_dicom_frames(file);
  } catch (const Error&) {
  }
  if (frames == 0) return {};
  // Names of DICOM files are often UIDs, of which the last number is no ending.
  const fs::path name = below / (data::has_image_name(file) ? file.stem() : file.filename());
  const data::DicomUids uids = data::new_dicom_uids();
  if (frames == 1) return {{file, name, 0, uids}};
  std::vector<Input> inputs;
  for (int i = frame == 0 ? 1 : frame; i <= (frame == 0 ? frames : frame); ++i) {
    char number[24];
    std::snprintf(number, sizeof number, "_frame_%04d", i);
    inputs.push_back({file, name.string() + number, i, uids});
  }
  return inputs;
}

struct Walk {
  const fs::path& out;
  int frame;
  std::vector<Input>& inputs;
  std::vector<std::string>& left_out;
  std::set<fs::path> walked = {};

  /// False if the file is none.
  bool add_found(const fs::path& file, const fs::path& below) {
    std::error_code ignored;
    if (data::has_image_name(file) ? fs::is_other(fs::status(file, ignored)) : !data::begins_as_dicom(file))
      return false;
    const std::vector<Input> found = inputs_of(file, below, frame);
    inputs.insert(inputs.end(), found.begin(), found.end());
    return !found.empty();
  }

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
        if (!fs::equivalent(entry, out, ignored) && !data::is_mask_folder(entry))
          folder(entry, below / entry.filename());
      } else if (!is_mask(entry) && !add_found(entry, below)) {
        left_out.push_back((below / entry.filename()).generic_string());
      }
    }
  }
};

}  // namespace

std::vector<Input> find_inputs(const std::vector<std::string>& given, const fs::path& out, int frame,
                               std::vector<std::string>* left_out) {
  std::vector<Input> inputs;
  std::vector<std::string> others;
  for (const fs::path path : given) {
    if (!fs::exists(path)) throw Error("there is no " + quoted(path) + "; check the name");
    if (!fs::is_directory(path)) {
      const std::vector<Input> found = inputs_of(path, {}, frame);
      if (found.empty()) throw Error(quoted(path) + " is a DICOM file without an image to predict on; leave it out");
      inputs.insert(inputs.end(), found.begin(), found.end());
      continue;
    }
    const std::size_t before = inputs.size();
    Walk{out, frame, inputs, others}.folder(path, {});
    if (inputs.size() == before)
      throw Error("the folder " + quoted(path) + " holds no image (PNG, JPEG, BMP or DICOM; masks are left out)");
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
