#include "common/scores/calibration.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace attnunet {

void Calibration::add(double probability, bool lesion) {
  Bin& bin = bins_[std::min(static_cast<std::size_t>(probability * bin_count), bins_.size() - 1)];
  ++bin.pixels;
  bin.lesion += lesion ? 1 : 0;
  bin.probability += probability;
}

void Calibration::add(const Calibration& other) {
  for (std::size_t m = 0; m < bins_.size(); ++m) {
    bins_[m].pixels += other.bins_[m].pixels;
    bins_[m].lesion += other.bins_[m].lesion;
    bins_[m].probability += other.bins_[m].probability;
  }
}

double Calibration::expected_error() const {
  double gaps = 0;  // n_m |conf_m - freq_m|, summed
  std::int64_t pixels = 0;
  for (const Bin& bin : bins_) {
    gaps += std::abs(bin.probability - static_cast<double>(bin.lesion));
    pixels += bin.pixels;
  }
  return gaps / static_cast<double>(pixels);
}

}  // namespace attnunet
