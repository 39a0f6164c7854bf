// DICOM: ultrasound images and loops. (dicom_mask.h writes masks.) DCMTK parses and decodes; dicom*.cpp alone include
// it. A build without DCMTK has the same functions, which refuse every file and say why.
//
// Which pixels. MONOCHROME1 is inverted, palettes and YBR become RGB. Greys keep their BitsStored bits; with more than
// 8, a window that the file states (its first) is applied, after the rescaling that goes with it, and the image has 8
// bits. Overlay planes are not drawn. Encapsulated syntaxes: RLE, JPEG (baseline, extended, lossless), JPEG-LS; DCMTK
// has no decoder of JPEG 2000 and MPEG.
//
// dicom_geometry.h: which part of a frame is the picture, and the size of its pixels.
#pragma once

#include <filesystem>
#include <string>

#include "common/data/raw_image.h"

namespace attnunet::data {

/// What `--version` says: "yes (DCMTK 3.6.7)", or "no (...)" with how to get it.
std::string dicom_support();

/// Whether the file begins as DICOM files do: "DICM" after 128 bytes. No if it is no regular file or cannot be read.
bool begins_as_dicom(const std::filesystem::path& path);

/// Whether to take the file for DICOM: it begins as such, or its name ends .dcm or .dicom (old files lack the
/// beginning) and it does not begin as another image does.
bool is_dicom(const std::filesystem::path& path);

/// How many frames the file has; 0 if it is DICOM without an image (a report, DICOMDIR) or a mask that
/// write_dicom_mask wrote. Reads the header only. Throws Error as read_dicom does.
int count_dicom_frames(const std::filesystem::path& path);

/// One frame, from 1. Of a file with several, frame 0 is refused: it stands for the only one.
/// Throws Error, one line naming the file, if it is damaged, has no image or no such frame, is encoded in a way that is
/// not read, or if this build has no DCMTK. No message has anything in it that tells the patient.
RawImage read_dicom(const std::filesystem::path& path, int frame = 0);

}  // namespace attnunet::data
