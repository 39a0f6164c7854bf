// Calibration: of the pixels that the network gives the probability p of lesion, is a share p lesion?
//
// Pixels are sorted by their probability into M = 15 bins of equal width, bin m holding m/M <= p < (m+1)/M, the last
// p = 1 too. With n_m pixels in bin m, their mean probability conf_m, the share of them that is lesion freq_m, and N
// pixels in all, the expected calibration error is
//   ECE = sum_m n_m / N |conf_m - freq_m|
// (Naeini et al. 2015; Guo et al. 2017 with the probability of one class in place of the winner's, as is usual for
// binary tasks). Pixels of all images count alike. 0 is perfect. Most pixels of ultrasound are easy background near
// p = 0, so a small ECE says little about lesions: the bins themselves tell more.
// Proof: tests/calibration_test.cpp
#pragma once

#include <array>
#include <cstdint>

namespace attnunet {

class Calibration {
 public:
  static constexpr int bin_count = 15;
  struct Bin {
    std::int64_t pixels = 0, lesion = 0;
    double probability = 0;  ///< sum
  };

  /// A pixel with its probability, 0 to 1.
  void add(double probability, bool lesion);
  void add(const Calibration& other);

  const std::array<Bin, bin_count>& bins() const { return bins_; }
  /// At least one pixel must have been added.
  double expected_error() const;

 private:
  std::array<Bin, bin_count> bins_{};
};

}  // namespace attnunet
