// Compressed pixels of DICOM files: what DCMTK's own decoders get wrong or do not check.
#pragma once

#include "common/data/dicom_file.h"

#ifdef ATTNUNET_HAVE_DCMTK
#include <dcmtk/dcmdata/dcpixseq.h>

namespace attnunet::data {

/// The encoded pixels: a table of offsets, then fragments. Throws Error if they are not encoded in that syntax.
DcmPixelSequence& pixel_sequence(const std::filesystem::path& path, DcmElement& element, E_TransferSyntax syntax);

/// Throws if a frame in JPEG or JPEG-LS lacks its end marker, as DCMTK makes up the pixels that are missing. Says
/// nothing of frames in several fragments. Throws also if the marker TEM stands before a frame: DCMTK's search for the
/// number of bits (3.6.7) never gets past it.
void check_jpeg(const std::filesystem::path& path, DcmElement& element, const DicomHeader& header, int frame);

/// Puts one frame in the place of the dataset's run-length encoded pixels. DCMTK's own decoder (3.6.7) reads beyond the
/// file if a segment is said to begin there.
void decode_rle(const std::filesystem::path& path, DcmDataset& dataset, DicomHeader& header, int frame);

}  // namespace attnunet::data
#endif
