#include "common/data/dicom_geometry.h"

#ifdef ATTNUNET_HAVE_DCMTK
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace attnunet::data {
namespace {

/// What a region of type 2D says of itself; not if it lies outside of the frame.
struct FoundRegion {
  Region place;
  double mm_per_column = 0, mm_per_row = 0;
};

std::vector<FoundRegion> regions_2d(DcmItem& dataset, const RawImage& image) {
  std::vector<FoundRegion> regions;
  DcmItem* item = nullptr;
  for (signed long i = 0; dataset.findAndGetSequenceItem(DCM_SequenceOfUltrasoundRegions, item, i).good(); ++i) {
    constexpr int spatial_format_2d = 1, unit_cm = 3;
    if (whole_of(*item, DCM_RegionSpatialFormat) != spatial_format_2d) continue;
    std::array<Uint32, 4> corners{};
    bool complete = true;
    std::size_t k = 0;
    for (const DcmTagKey& tag :
         {DCM_RegionLocationMinX0, DCM_RegionLocationMinY0, DCM_RegionLocationMaxX1, DCM_RegionLocationMaxY1})
      complete = has_short(*item, tag) && item->findAndGetUint32(tag, corners[k++]).good() && complete;
    const auto within = [](Uint32 corner, int side) {
      return static_cast<int>(std::min(corner, static_cast<Uint32>(side - 1)));  // some scanners name the pixel beyond
    };
    FoundRegion region;
    const int right = within(corners[2], image.width), bottom = within(corners[3], image.height);
    region.place.left = within(corners[0], image.width);
    region.place.top = within(corners[1], image.height);
    region.place.width = right - region.place.left + 1;
    region.place.height = bottom - region.place.top + 1;
    if (!complete || region.place.width <= 1 || region.place.height <= 1) continue;
    const auto mm = [&](const DcmTagKey& unit, const DcmTagKey& delta) {
      const double value = whole_of(*item, unit) == unit_cm ? number_of(*item, delta).value_or(0) : 0;
      return 10 * std::abs(value);
    };
    region.mm_per_column = mm(DCM_PhysicalUnitsXDirection, DCM_PhysicalDeltaX);
    region.mm_per_row = mm(DCM_PhysicalUnitsYDirection, DCM_PhysicalDeltaY);
    regions.push_back(region);
  }
  return regions;
}

}  // namespace

void find_region_and_spacing(DcmItem& dataset, RawImage& image) {
  const std::vector<FoundRegion> regions = regions_2d(dataset, image);
  const auto differ = [](double a, double b) { return std::abs(a - b) > 1e-6 * std::abs(a); };
  if (!regions.empty()) {
    const FoundRegion& first = regions.front();
    const Region& place = first.place;
    if (regions.size() == 1 && (place.width < image.width || place.height < image.height)) image.region = place;
    const bool agree = std::none_of(regions.begin(), regions.end(), [&](const FoundRegion& other) {
      return differ(first.mm_per_column, other.mm_per_column) || differ(first.mm_per_row, other.mm_per_row);
    });
    if (agree && first.mm_per_column > 0 && first.mm_per_row > 0) {
      image.mm_per_column = first.mm_per_column;
      image.mm_per_row = first.mm_per_row;
      return;
    }
  }
  for (const DcmTagKey& tag : {DCM_PixelSpacing, DCM_ImagerPixelSpacing}) {
    const double row = number_of(dataset, tag, 0).value_or(0), column = number_of(dataset, tag, 1).value_or(0);
    if (row > 0 && column > 0) {
      image.mm_per_row = row;
      image.mm_per_column = column;
      return;
    }
  }
}

}  // namespace attnunet::data
#endif
