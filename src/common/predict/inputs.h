// Which images to predict, and what their results are called: nothing is written over anything by surprise.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/data/dicom_mask.h"

namespace attnunet {

struct Input {
  std::filesystem::path file;
  /// Of its results below the output folder, without ending, as in "benign/benign (4)".
  std::filesystem::path name;
  int frame = 0;                              ///< of a DICOM loop, from 1; 0: the only one
  std::optional<data::DicomUids> dicom = {};  ///< of the masks of a DICOM file, the same for all its frames
};

struct Inputs {
  std::vector<Input> images;
  std::size_t results = 0;            ///< files left out because they are results of predict (data::is_result)
  std::vector<std::string> left_out;  ///< the other files of the folders, without masks and hidden files
};

/// The images that files and folders stand for, in the order given; those of a folder bytewise by name. Folders are
/// walked with all in them: files named as PNG, JPEG or BMP, without what is in `out` and without masks, which are
/// files NAME_mask* beside an image NAME and folders of masks (data::is_mask_folder); a folder that links lead to again
/// is walked once. What predict has written is left out, whatever its name and wherever it is. A file is called as it
/// is, one in a folder by its path from there. DICOM files have any name; those of a folder that hold no image, or a
/// mask of ours, are left out. Of a DICOM loop each frame is an input, called as in "a_frame_0001", or just `frame`
/// (from 1) if that is not 0.
/// Throws Error if one given does not exist, a folder holds no image, two images would have one name (a.png and
/// a.jpg), or results would lie in the folder of an image, where its true mask may be.
Inputs find_inputs(const std::vector<std::string>& given, const std::filesystem::path& out, int frame = 0);

}  // namespace attnunet
