// Which images to predict, and what their results are called: nothing is written over anything by surprise.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace attnunet {

struct Input {
  std::filesystem::path file;
  /// Of its results below the output folder, without ending, as in "benign/benign (4)".
  std::filesystem::path name;
};

/// The images that files and folders stand for, in the order given; those of a folder bytewise by name. Folders are
/// walked with all in them: files named as PNG, JPEG or BMP, without masks (*_mask*.png), without what is in `out`; a
/// folder that links lead to again is walked once. A file is called as it is, one in a folder by its path from there.
/// Throws Error where one given does not exist, a folder holds no image, two images would have one name (a.png and
/// a.jpg), or results would lie in the folder of an image, where its true mask may be.
/// `left_out` gets the other files of the folders, without masks and hidden files.
std::vector<Input> find_inputs(const std::vector<std::string>& given, const std::filesystem::path& out,
                               std::vector<std::string>* left_out = nullptr);

}  // namespace attnunet
