#include "common/predict/inputs.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <system_error>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/dataset.h"
#include "common/data/dicom.h"
#include "common/data/file_tree.h"
#include "common/data/image_file.h"

namespace attnunet {
namespace {

namespace fs = std::filesystem;

/// The names of the images, in small letters, that a file would be a mask of: what is before each "_mask" in its own.
std::vector<std::string> names_of_images(const fs::path& file) {
  const std::string stem = data::lower_case(file.stem().string());
  std::vector<std::string> names;
  for (std::size_t at = stem.find("_mask"); at != std::string::npos; at = stem.find("_mask", at + 1))
    names.push_back(stem.substr(0, at));
  return names;
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
  if (frames == 1 && frame <= 1) return {{file, name, 0, uids}};
  std::vector<Input> inputs;
  for (int i = frame == 0 ? 1 : frame; i <= (frame == 0 ? frames : frame); ++i) {
    char number[24];
    std::snprintf(number, sizeof number, "_frame_%04d", i);
    inputs.push_back({file, name.string() + number, i, uids});
  }
  return inputs;
}

/// False if nothing can be made of the file.
bool add(Inputs& inputs, const fs::path& file, const fs::path& below, int frame) {
  if (data::is_result(file)) {
    ++inputs.results;
    return true;
  }
  const std::vector<Input> found = inputs_of(file, below, frame);
  inputs.images.insert(inputs.images.end(), found.begin(), found.end());
  return !found.empty();
}

struct Walk {
  const fs::path& out;
  int frame;
  Inputs& inputs;
  std::set<fs::path> walked = {};

  /// False if the file is none.
  bool add_found(const fs::path& file, const fs::path& below) {
    std::error_code ignored;
    if (data::has_image_name(file) ? fs::is_other(fs::status(file, ignored)) : !data::begins_as_dicom(file))
      return false;
    return add(inputs, file, below, frame);
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
    std::set<std::string> images;
    for (const fs::path& entry : entries)
      if (data::has_image_name(entry)) images.insert(data::lower_case(entry.stem().string()));
    const auto is_mask = [&](const fs::path& entry) {
      const std::vector<std::string> names = names_of_images(entry);
      return std::any_of(names.begin(), names.end(), [&](const auto& name) { return images.count(name) != 0; });
    };
    for (const fs::path& entry : entries) {
      if (data::is_hidden(entry.filename())) continue;
      const fs::file_status status = fs::status(entry, ignored);
      if (fs::is_directory(status)) {
        if (!fs::equivalent(entry, out, ignored) && !data::is_mask_folder(entry))
          folder(entry, below / entry.filename());
      } else if (!is_mask(entry) && !add_found(entry, below)) {
        inputs.left_out.push_back((below / entry.filename()).generic_string());
      }
    }
  }
};

}  // namespace

Inputs find_inputs(const std::vector<std::string>& given, const fs::path& out, int frame) {
  Inputs inputs;
  for (const fs::path path : given) {
    if (!fs::exists(path)) throw Error("there is no " + quoted(path) + "; check the name");
    if (!fs::is_directory(path)) {
      if (!add(inputs, path, {}, frame))
        throw Error(quoted(path) + " is a DICOM file without an image to predict on; leave it out");
      continue;
    }
    const std::size_t before = inputs.images.size(), results_before = inputs.results;
    Walk{out, frame, inputs}.folder(path, {});
    if (inputs.images.size() == before && inputs.results == results_before)
      throw Error("the folder " + quoted(path) + " holds no image (PNG, JPEG, BMP, TIFF or DICOM; masks are left out)");
  }

  if (inputs.images.empty())
    throw Error("there is no image, only " + std::to_string(inputs.results) +
                " results of predict, which are left out; name the images");
  if (frame != 0 && std::none_of(inputs.images.begin(), inputs.images.end(),
                                 [](const Input& input) { return input.dicom.has_value(); }))
    throw Error("--frame chooses a frame of a DICOM file, and none of the images is one; leave it out");
  std::map<fs::path, const Input*> by_name;
  for (const Input& input : inputs.images) {
    const auto [other, is_new] = by_name.emplace(input.name, &input);
    std::error_code ignored;
    if (!is_new && fs::equivalent(other->second->file, input.file, ignored))
      throw Error(quoted(input.file) + " is named twice, by itself or by its folder; name it once");
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
