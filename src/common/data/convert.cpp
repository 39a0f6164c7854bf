#include "common/data/convert.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <system_error>

#include "common/core/error.h"
#include "common/core/in_parallel.h"
#include "common/core/quoting.h"
#include "common/data/image_file.h"
#include "common/data/layouts.h"
#include "common/data/png.h"
#include "common/data/raw_image.h"
#include "common/data/sample.h"
#include "common/data/survey.h"
#include "common/io/atomic_file.h"
#include "common/io/machine.h"
#include "common/io/signals.h"

namespace attnunet::data {
namespace {

namespace fs = std::filesystem;

enum class Work {
  copy,        ///< of `from`
  grey_image,  ///< the case's image as 8-bit grey PNG
  channel,     ///< copied if nnU-Net reads it as one channel, else as grey_image
  mask,        ///< the case's mask as PNG of 0 and 255
  labels       ///< of 0 and 1
};

struct NewFile {
  Work work;
  const Case* one;
  fs::path from;
  std::string to;  ///< below the new folder
};

const char* part_folder(Part part) {
  switch (part) {
    case Part::none:
      return "";
    case Part::train:
      return "train";
    case Part::val:
      return "val";
    case Part::test:
      return "test";
  }
  throw Error("no such part");
}

/// The folder of a case's class; "" if no case has one.
std::string class_folder(const Case& one, bool classes) {
  if (!one.class_name.empty()) return in_one_name(one.class_name);
  return classes ? "unclassified" : "";
}

/// Whether a copy of the file would be read differently: its pixels are wanted as they are stored, but it says how they
/// are to be turned.
bool would_be_turned(const Case& one, const fs::path& file) {
  return one.reading.files.ignore_orientation && read_raw(file, one.reading.files).orientation != 1;
}

bool may_be_copied(const Case& one, const fs::path& mask) {
  return has_image_name(mask) && one.reading.mask_rule == MaskRule() && !would_be_turned(one, mask);
}

NewFile image_file(const Case& one, const std::string& to) {
  if (has_image_name(one.image) && !would_be_turned(one, one.image))
    return {Work::copy, &one, one.image, to + one.image.extension().string()};
  return {Work::grey_image, &one, one.image, to + ".png"};
}

void plan_busi(const Case& one, const std::string& folder, std::vector<NewFile>& plan) {
  const std::string name = in_one_name(one.name);
  if (!masked_name(name, {"_mask"}).empty())
    throw Error("the case " + quoted(one.name) + " would be taken for a mask in BUSI's layout; rename " +
                quoted(one.image) + " or choose another layout");
  plan.push_back(image_file(one, joined(folder, name)));
  const bool as_they_are =
      plan.back().work == Work::copy &&
      std::all_of(one.masks.begin(), one.masks.end(), [&](const fs::path& mask) { return may_be_copied(one, mask); });
  if (!as_they_are) plan.push_back({Work::mask, &one, {}, joined(folder, name + "_mask.png")});
  for (std::size_t i = 0; as_they_are && i < one.masks.size(); ++i) {
    const std::string ending = i == 0 ? "_mask" : "_mask_" + std::to_string(i);
    plan.push_back({Work::copy, &one, one.masks[i], joined(folder, name + ending + one.masks[i].extension().string())});
  }
}

void plan_pairs(const Case& one, const std::string& part, const std::string& folder, std::vector<NewFile>& plan) {
  const std::string name = in_one_name(one.name);
  const auto path = [&](const char* kind) { return joined(joined(joined(part, kind), folder), name); };
  plan.push_back(image_file(one, path("images")));
  if (one.masks.size() == 1 && plan.back().work == Work::copy && may_be_copied(one, one.masks[0]))
    plan.push_back({Work::copy, &one, one.masks[0], path("masks") + one.masks[0].extension().string()});
  else
    plan.push_back({Work::mask, &one, {}, path("masks") + ".png"});
}

void plan_nnunet(const Case& one, std::vector<NewFile>& plan) {
  const std::string name = in_one_name(one.name), ending = one.part == Part::test ? "Ts/" : "Tr/";
  plan.push_back({Work::channel, &one, one.image, "images" + ending + name + "_0000.png"});
  plan.push_back({Work::labels, &one, {}, "labels" + ending + name + ".png"});
}

bool has_classes(const Dataset& dataset) {
  return std::any_of(dataset.cases.begin(), dataset.cases.end(),
                     [](const Case& one) { return !one.class_name.empty(); });
}

std::vector<NewFile> plan_of(const Dataset& dataset, TargetLayout layout) {
  const bool classes = has_classes(dataset);
  std::vector<NewFile> plan;
  for (const Case& one : dataset.cases) {
    const std::string part = part_folder(one.part), folder = class_folder(one, classes);
    switch (layout) {
      case TargetLayout::busi:
        plan_busi(one, joined(part, folder), plan);
        break;
      case TargetLayout::pairs:
        plan_pairs(one, part, folder, plan);
        break;
      case TargetLayout::nnunet:
        plan_nnunet(one, plan);
        break;
    }
  }
  std::map<std::string, const Case*> taken;
  for (const NewFile& file : plan) {
    const auto [first, is_new] = taken.emplace(file.to, file.one);
    if (!is_new)
      throw Error(quoted(first->second->image) + " and " + quoted(file.one->image) + " would both become " +
                  quoted(file.to) + "; rename one of them");
  }
  return plan;
}

/// The new folder as walk() will find it.
FileTree tree_of(const std::vector<NewFile>& plan, const fs::path& root) {
  FileTree tree;
  tree.root = root;
  std::map<std::string, std::set<std::string>> files, folders;
  tree.folders[""];
  for (const NewFile& file : plan) {
    std::string folder;
    for (const fs::path& part : fs::path(file.to)) {
      const std::string name = part.string(), path = joined(folder, name);
      if (is_hidden(name)) break;
      if (path == file.to) {
        files[folder].insert(name);
      } else {
        folders[folder].insert(name);
        if (has_image_name(name)) break;  // not walked
        tree.folders[path];
        folder = path;
      }
    }
  }
  for (auto& [path, folder] : tree.folders) {
    folder.files.assign(files[path].begin(), files[path].end());
    folder.folders.assign(folders[path].begin(), folders[path].end());
  }
  return tree;
}

/// Throws Error naming a case that would not be found again as it is: names decide what is an image, a mask, a class
/// or a part of the split.
void require_read_back(const Dataset& dataset, TargetLayout layout, const std::vector<NewFile>& plan) {
  Layout ignored{};
  const Found found = scan_tree(tree_of(plan, ""), ignored);
  std::map<fs::path, const Case*> by_image;
  for (const FoundCase& one : found.cases) by_image[one.one.image] = &one.one;
  std::map<const Case*, std::vector<fs::path>> files;  // the image, then the masks
  for (const NewFile& file : plan) files[file.one].push_back(file.to);
  const std::string otherwise = ", or choose another layout";
  const Case* lost = nullptr;  // one named as a mask if there is one: it may hide the others
  for (const Case& one : dataset.cases)
    if (by_image.count(files[&one][0]) == 0 && (lost == nullptr || !masked_name(one.name, {"_mask"}).empty()))
      lost = &one;
  if (lost != nullptr)
    throw Error("the case " + quoted(lost->name) + " would not be found again as " + quoted(files[lost][0]) +
                "; rename " + quoted(lost->image) + otherwise);
  const bool nnunet = layout == TargetLayout::nnunet, classes = has_classes(dataset);
  for (const Case& one : dataset.cases) {
    const Case& again = *by_image[files[&one][0]];
    const std::set<fs::path> masks(files[&one].begin() + 1, files[&one].end());
    if (std::set<fs::path>(again.masks.begin(), again.masks.end()) != masks)
      throw Error("the case " + quoted(one.name) + " would be found again with other masks; rename " +
                  quoted(one.image) + otherwise);
    if (!nnunet && again.class_name != class_folder(one, classes))
      throw Error("the class " + quoted(one.class_name) + " of the case " + quoted(one.name) + " would be read as " +
                  (again.class_name.empty() ? "none" : quoted(again.class_name)) + "; rename the class" + otherwise);
    const Part part = nnunet && one.part != Part::test ? Part::none : one.part;
    if (again.part != part)
      throw Error("the case " + quoted(one.name) +
                  " would be found again in another part of the split; rename its class " + quoted(one.class_name) +
                  otherwise);
  }
}

bool is_png(const fs::path& path) {
  char first[8] = {};
  std::ifstream(path, std::ios::binary).read(first, sizeof first);
  return std::string(first, sizeof first) == "\x89PNG\r\n\x1a\n";
}

/// False if it was copied, true if it was written as PNG.
bool write_new_file(const NewFile& file, const fs::path& folder) {
  const fs::path to = folder / file.to;
  Work work = file.work;
  if (work == Work::channel) {
    // nnU-Net does not turn images as EXIF says.
    const RawImage image = read_raw(file.from, file.one->reading.files);
    const bool as_it_is = is_png(file.from) && image.channels == 1 && image.alpha.empty() && image.orientation == 1 &&
                          (image.bits == 8 || image.bits == 16);
    work = as_it_is ? Work::copy : Work::grey_image;
  }
  switch (work) {
    case Work::copy: {
      std::error_code failure;
      if (!fs::copy_file(file.from, to, failure) || failure)
        throw file_error("cannot copy " + quoted(file.from) + " to", to, failure.value());
      return false;
    }
    case Work::channel:
    case Work::grey_image:
      write_png(to, load_full(*file.one).image);
      return true;
    case Work::mask:
    case Work::labels: {
      Grey mask = load_full(*file.one).mask;
      if (work == Work::mask)
        for (std::uint8_t& pixel : mask.pixels) pixel = pixel != 0 ? 255 : 0;
      write_png(to, mask);
      return true;
    }
  }
  throw Error("no such work");
}

std::vector<std::string> lost_in(const Dataset& dataset, TargetLayout layout) {
  const auto any = [&](auto has) { return std::any_of(dataset.cases.begin(), dataset.cases.end(), has); };
  std::vector<std::string> lost;
  if (layout == TargetLayout::nnunet && any([](const Case& one) { return !one.class_name.empty(); }))
    lost.push_back("the classes");
  if (layout == TargetLayout::nnunet && any([](const Case& one) { return one.part == Part::val; }))
    lost.push_back("which cases validate");
  if (any([](const Case& one) { return !one.group.empty(); })) lost.push_back("the groups");
  if (any([](const Case& one) { return one.mm_per_pixel > 0; })) lost.push_back("mm_per_pixel");
  return lost;
}

std::string nnunet_description(const Dataset& dataset) {
  const auto training =
      std::count_if(dataset.cases.begin(), dataset.cases.end(), [](const Case& one) { return one.part != Part::test; });
  return "{\n  \"channel_names\": {\"0\": \"ultrasound\"},\n  \"labels\": {\"background\": 0, \"lesion\": 1},\n"
         "  \"numTraining\": " +
         std::to_string(training) + ",\n  \"file_ending\": \".png\"\n}\n";
}

/// The range of intensities of the whole dataset: one image never decides for itself.
void find_range(Dataset& dataset, const std::vector<int>& largest, Conversion& done) {
  done.largest = *std::max_element(largest.begin(), largest.end());
  if (done.largest == 0) return;
  done.intensity.bits = range_bits(done.largest);
  for (Case& one : dataset.cases) one.reading.intensity = done.intensity;
}

/// A folder beside `target` that is gone at the end, unless it was renamed.
class FolderInTheMaking {
 public:
  explicit FolderInTheMaking(fs::path target) : target_(std::move(target)) {
    std::error_code failure;
    const fs::path above = target_.parent_path();
    if (!above.empty()) fs::create_directories(above, failure);
    path_ = above / ("." + target_.filename().string() + ".tmp" + std::to_string(getpid()));
    if (failure || !fs::create_directory(path_, failure))
      throw file_error("cannot make the folder", path_, failure ? failure.value() : EEXIST);
  }
  ~FolderInTheMaking() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  FolderInTheMaking(const FolderInTheMaking&) = delete;
  FolderInTheMaking& operator=(const FolderInTheMaking&) = delete;

  const fs::path& path() const { return path_; }
  void finish() {
    std::error_code failure;
    fs::rename(path_, target_, failure);
    if (failure) throw file_error("cannot make the folder", target_, failure.value());
  }

 private:
  fs::path target_, path_;
};

}  // namespace

std::optional<Conversion> convert(const Dataset& given, TargetLayout layout, const fs::path& out) {
  fs::path target = fs::absolute(out).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  std::error_code failure;
  if (fs::exists(target, failure)) {
    if (!fs::is_directory(target, failure) || !fs::is_empty(target, failure))
      throw Error(quoted(out) + " holds something already; name a new or an empty folder");
    target = fs::canonical(target, failure);
  }
  if (failure) throw file_error("cannot read the folder", out, failure.value());
  Dataset dataset = given;
  Conversion done;
  const std::vector<NewFile> plan = plan_of(dataset, layout);
  const fs::path below = fs::weakly_canonical(target).lexically_relative(fs::weakly_canonical(given.root));
  if (!below.empty() && *below.begin() != "..")
    throw Error(quoted(out) +
                " lies in the dataset, whose files would be mixed with the new ones; name another folder");
  const auto is_written = [](const NewFile& file) {
    return file.work == Work::grey_image || file.work == Work::channel;
  };
  if (std::any_of(plan.begin(), plan.end(), is_written)) {
    std::vector<std::size_t> cases(dataset.cases.size());
    std::iota(cases.begin(), cases.end(), std::size_t{0});
    const Survey found = survey(dataset, cases, all_cores(), CheckDepth::headers);
    find_range(dataset, found.largest, done);
    // The new PNG files do not say it.
    if (std::any_of(plan.begin(), plan.end(), [&](const NewFile& file) {
          const auto place = static_cast<std::size_t>(file.one - dataset.cases.data());
          return is_written(file) && file.one->mm_per_pixel == 0 && found.extents[place].mm2() > 0;
        }))
      done.lost.push_back("the size of a pixel that DICOM files state");
  }
  require_read_back(dataset, layout, plan);
  FolderInTheMaking folder(target);
  std::set<fs::path> folders;
  for (const NewFile& file : plan) folders.insert((folder.path() / file.to).parent_path());
  for (const fs::path& one : folders) {
    fs::create_directories(one, failure);
    if (failure) throw file_error("cannot make the folder", one, failure.value());
  }
  std::vector<char> written(plan.size(), 0);
  in_parallel(plan.size(), all_cores(), [&](std::size_t i) {
    if (!interrupted()) written[i] = write_new_file(plan[i], folder.path()) ? 1 : 0;
  });
  if (interrupted()) return std::nullopt;
  if (layout == TargetLayout::nnunet)
    write_file_atomically(folder.path() / "dataset.json", nnunet_description(dataset));
  folder.finish();
  done.written = static_cast<std::size_t>(std::count(written.begin(), written.end(), 1));
  done.copied = plan.size() - done.written;
  const std::vector<std::string> lost = lost_in(dataset, layout);
  done.lost.insert(done.lost.begin(), lost.begin(), lost.end());
  return done;
}

}  // namespace attnunet::data
