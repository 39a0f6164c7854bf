// Masks as DICOM objects, by DCMTK. A build without it refuses to write them.
#pragma once

#include <filesystem>
#include <string>

#include "common/data/png.h"

namespace attnunet::data {

/// The new UIDs of the masks of one file: a series, and a study for masks that are not to show where they come from.
struct DicomUids {
  std::string study, series;
};
DicomUids new_dicom_uids();

/// What a mask is of.
struct DicomMaskSource {
  std::filesystem::path file;
  int frame = 1;
  DicomUids uids;
  double mm_per_column = 0, mm_per_row = 0;  ///< 0: unknown
  bool anonymous = false;
};

/// Writes the mask as a Secondary Capture image: 8-bit grey, explicit VR little endian, uncompressed, which any DICOM
/// program reads (a Segmentation object would also need frames of reference, coded anatomy and algorithm, and viewers
/// that show it). Patient and study, with their UIDs, are those of the source file, which the object refers to; if
/// anonymous, they are empty, the study is new and nothing refers to the source. Throws Error as read_dicom and
/// write_png do.
void write_dicom_mask(const std::filesystem::path& path, const Grey& mask, const DicomMaskSource& source);

}  // namespace attnunet::data
