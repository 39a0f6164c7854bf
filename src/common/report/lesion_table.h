// What a predicted mask says in numbers, and the table of it: one row an image, for spreadsheets and scripts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/core/geometry.h"
#include "common/core/image_size.h"
#include "common/data/png.h"

namespace attnunet::report {

/// All that is marked in an image, taken together.
struct Lesion {
  std::int64_t pixels = 0;
  // The smallest box that holds it: its upper left pixel (from 0), width and height in pixels; 0 where there is none.
  int left = 0, top = 0, width = 0, height = 0;
  /// Mean of the pixels' coordinates, from 0 at the centre of the upper left pixel; 0 where there is none.
  double centroid_x = 0, centroid_y = 0;
  double mean_probability = 0;  ///< over it; 0 where there is none
  double max_probability = 0;   ///< over the whole image
};

/// Of a mask (0: outside, else: inside) and the probabilities, both at the image's size.
Lesion measure_lesion(const data::Grey& mask, const std::vector<float>& probability);

/// What is marked as lesion: where the probability is above the threshold, without the connected parts that have fewer
/// than min_area pixels, and of the others only the `largest` largest (0: all).
struct Marking {
  double threshold = 0.5;
  Index min_area = 0, largest = 0;
  ImageSize area_of = {0, 0};  ///< the image whose pixels min_area counts; of no height: the one that is marked
};

/// The size of a pixel in mm; 0: unknown.
struct PixelSize {
  double mm_per_column = 0, mm_per_row = 0;
};

/// How a mask was made.
struct MaskOrigin {
  ImageSize size;  ///< of the network's image
  bool keep_aspect = false;
  Marking marking = {};
};

/// The columns, and a row of them; with the end of the line. `name` is a cell as it is to stand there. If there is no
/// lesion, what it would have (box, centroid, mean probability) is empty; so are the area and the pixel size if the
/// size is unknown, and what MaskOrigin leaves out if it is nothing.
std::string lesion_table_head();
std::string lesion_table_row(const std::string& name, int width, int height, const Lesion& lesion,
                             const PixelSize& pixel, const MaskOrigin& origin);

}  // namespace attnunet::report
