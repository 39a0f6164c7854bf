#include "common/report/contact_sheet.h"

#include <algorithm>

#include "common/core/error.h"
#include "common/report/picture.h"

namespace attnunet::report {
namespace {

constexpr int cell_gap = 8, heading_scale = 2, caption_scale = 1;
constexpr int heading_height = text_height(heading_scale) + cell_gap, caption_height = text_height(caption_scale) + 4;

/// As much of the text as fits, with two dots for the rest.
std::string cut_to(const std::string& text, int width) {
  std::string result = text;
  for (std::size_t kept = text.size(); kept > 0 && text_width(result, caption_scale) > width;)
    result = text.substr(0, --kept) + "..";
  return result;
}

}  // namespace

data::Rgb contact_sheet(const std::vector<SheetRow>& rows, int columns) {
  int cell_width = 0, cell_height = 0, used_columns = 1;
  std::int64_t lines = 0, headings_width = 0;
  for (const SheetRow& row : rows) {
    const int count = static_cast<int>(row.pictures.size());
    lines += (count + columns - 1) / columns;
    used_columns = std::max(used_columns, std::min(columns, count));
    headings_width = std::max<std::int64_t>(headings_width, text_width(row.heading, heading_scale));
    for (const SheetPicture& one : row.pictures) {
      cell_width = std::max(cell_width, one.picture.width);
      cell_height = std::max(cell_height, one.picture.height);
    }
  }
  const int step_x = cell_width + cell_gap, step_y = cell_height + caption_height + cell_gap;
  const std::int64_t width =
      cell_gap + std::max<std::int64_t>(std::int64_t{used_columns} * step_x, headings_width + cell_gap);
  const std::int64_t height = cell_gap + static_cast<std::int64_t>(rows.size()) * heading_height + lines * step_y;
  if (height > data::largest_image / width)
    throw Error("a sheet of " + std::to_string(width) + " x " + std::to_string(height) +
                " pixels is more than the limit of " + std::to_string(data::largest_image) +
                "; show fewer cases or smaller ones (--count, --size)");

  data::Rgb sheet = blank(static_cast<int>(width), static_cast<int>(height));
  int y = cell_gap;
  for (const SheetRow& row : rows) {
    draw_text(sheet, row.heading, cell_gap, y, label_colour, heading_scale);
    y += heading_height;
    int column = 0;
    for (const SheetPicture& one : row.pictures) {
      if (column == columns) {
        column = 0;
        y += step_y;
      }
      const int x = cell_gap + column++ * step_x;
      paste(sheet, one.picture, x + (cell_width - one.picture.width) / 2, y + (cell_height - one.picture.height) / 2);
      draw_text(sheet, cut_to(one.caption, cell_width), x, y + cell_height + 4, label_colour, caption_scale);
    }
    if (column > 0) y += step_y;
  }
  return sheet;
}

}  // namespace attnunet::report
