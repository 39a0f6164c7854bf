// How a camera or a phone was held, as EXIF has it beside the pixels.
// Source: CIPA DC-008 (Exif 2.32), 4.6.2 and tag 0x0112 of 4.6.4.
#pragma once

#include <cstddef>

namespace attnunet::data {

/// The orientation in an EXIF block (from its "II" or "MM" on): 1 to 8, where row 0 and column 0 of the stored pixels
/// are in the picture. 1, as it is stored, if the block states none or is not understood.
int exif_orientation(const unsigned char* block, std::size_t size);

}  // namespace attnunet::data
