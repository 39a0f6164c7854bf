// Where the picture is in the frame of a DICOM file, and how large its pixels are.
//
// Which region. Scanners draw their user interface around the picture. If SequenceOfUltrasoundRegions names exactly one
// 2D region and it is smaller than the frame, that is the image that counts (RawImage::region).
//
// Spacing, the first of these that is there: PhysicalDelta in cm of the 2D regions, if all of them agree; PixelSpacing;
// ImagerPixelSpacing, which of projection radiographs is measured at the detector.
#pragma once

#include "common/data/dicom_file.h"
#include "common/data/raw_image.h"

#ifdef ATTNUNET_HAVE_DCMTK

namespace attnunet::data {

/// Region and size of the pixels of an image of the size of the frame.
void find_region_and_spacing(DcmItem& dataset, RawImage& image);

}  // namespace attnunet::data
#endif
