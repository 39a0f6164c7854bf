// What is common to the files that read and write DICOM: a file opened by DCMTK, its attributes and its header. Not for
// others, since DCMTK's headers stay among these files.
#pragma once

#include <filesystem>

#include "common/core/error.h"

#ifdef ATTNUNET_HAVE_DCMTK
#include <dcmtk/config/osconfig.h>
// Their configuration comes first.
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>

#include <memory>
#include <optional>
#include <string>
#endif

namespace attnunet::data {

#ifndef ATTNUNET_HAVE_DCMTK

/// The error of a build without DCMTK.
Error no_dcmtk(const std::filesystem::path& path);

#else

/// How the masks that we write are told from images.
constexpr char dicom_manufacturer[] = "attnunet";

/// The file with all but its long values, which stay on the disk until they are asked for. Throws Error as read_dicom
/// does.
std::unique_ptr<DcmFileFormat> open_dicom(const std::filesystem::path& path);

/// Whether the attribute is there and as short as those that we ask for are. DCMTK allocates what a length claims, even
/// 4 GB of a file of 16 bytes.
bool has_short(DcmItem& item, const DcmTagKey& tag);

/// Values of short attributes; "" or none if they are missing.
std::string text_of(DcmItem& item, const DcmTagKey& tag);
std::optional<double> number_of(DcmItem& item, const DcmTagKey& tag, unsigned long position = 0);
std::optional<int> whole_of(DcmItem& item, const DcmTagKey& tag);

/// What a file says of its pixels.
struct DicomHeader {
  int width = 0, height = 0, frames = 1, samples = 1, bits_allocated = 8, bits_stored = 8;
  std::string photometric;
  E_TransferSyntax syntax = EXS_Unknown;
};

/// Throws Error if the file holds no image, one that is not read, or fewer bytes than its header claims: before
/// anything is allocated for them.
DicomHeader read_dicom_header(const std::filesystem::path& path, DcmFileFormat& file);

#endif

}  // namespace attnunet::data
