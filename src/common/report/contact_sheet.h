// Many pictures on one: rows with a heading, each picture with a line of text below it (the paper's Fig. 3).
#pragma once

#include <string>
#include <vector>

#include "common/data/png.h"

namespace attnunet::report {

struct SheetPicture {
  data::Rgb picture;
  std::string caption;
};

struct SheetRow {
  std::string heading;
  std::vector<SheetPicture> pictures;
};

/// Rows of more than `columns` pictures go on in the line below. Every picture has the place of the largest, in whose
/// middle it stands; captions that are wider than that are cut. Throws Error where the sheet would be larger than
/// data::largest_image.
data::Rgb contact_sheet(const std::vector<SheetRow>& rows, int columns);

}  // namespace attnunet::report
