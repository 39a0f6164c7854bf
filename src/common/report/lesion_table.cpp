#include "common/report/lesion_table.h"

#include <algorithm>
#include <cstdio>

namespace attnunet::report {

Lesion measure_lesion(const data::Grey& mask, const std::vector<float>& probability) {
  Lesion lesion;
  int right = -1, bottom = -1;
  lesion.left = mask.width;
  lesion.top = mask.height;
  double sum = 0;
  std::int64_t sum_x = 0, sum_y = 0;
  std::size_t i = 0;
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x, ++i) {
      const double p = static_cast<double>(probability[i]);
      lesion.max_probability = std::max(lesion.max_probability, p);
      if (mask.pixels[i] == 0) continue;
      ++lesion.pixels;
      lesion.left = std::min(lesion.left, x);
      lesion.top = std::min(lesion.top, y);
      right = std::max(right, x);
      bottom = std::max(bottom, y);
      sum_x += x;
      sum_y += y;
      sum += p;
    }
  if (lesion.pixels == 0) {
    lesion.left = lesion.top = 0;
    return lesion;
  }
  const double count = static_cast<double>(lesion.pixels);
  lesion.width = right - lesion.left + 1;
  lesion.height = bottom - lesion.top + 1;
  lesion.centroid_x = static_cast<double>(sum_x) / count;
  lesion.centroid_y = static_cast<double>(sum_y) / count;
  lesion.mean_probability = sum / count;
  return lesion;
}

std::string lesion_table_head() {
  return "name,width,height,lesion_pixels,box_left,box_top,box_width,box_height,centroid_x,centroid_y,"
         "mean_probability,max_probability,area_mm2,mm_per_column,mm_per_row,size,keep_aspect,threshold,min_area,"
         "largest\n";
}

std::string lesion_table_row(const std::string& name, int width, int height, const Lesion& lesion,
                             const PixelSize& pixel, const MaskOrigin& origin) {
  std::string row = name + "," + std::to_string(width) + "," + std::to_string(height);
  row += "," + std::to_string(lesion.pixels);
  const bool any = lesion.pixels > 0;
  for (const int value : {lesion.left, lesion.top, lesion.width, lesion.height})
    row += "," + (any ? std::to_string(value) : "");
  const auto add = [&](bool known, double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.9g", value);
    row += "," + std::string(known ? text : "");
  };
  add(any, lesion.centroid_x);
  add(any, lesion.centroid_y);
  add(any, lesion.mean_probability);
  add(true, lesion.max_probability);
  const bool sized = pixel.mm_per_column > 0 && pixel.mm_per_row > 0;
  add(sized, static_cast<double>(lesion.pixels) * pixel.mm_per_column * pixel.mm_per_row);
  add(sized, pixel.mm_per_column);
  add(sized, pixel.mm_per_row);
  row += "," + text_of(origin.size) + (origin.keep_aspect ? ",yes" : ",no");
  const Marking& marking = origin.marking;
  add(true, marking.threshold);
  for (const Index parts : {marking.min_area, marking.largest}) row += "," + (parts > 0 ? std::to_string(parts) : "");
  return row + "\n";
}

}  // namespace attnunet::report
