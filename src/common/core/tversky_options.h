#pragma once

namespace attnunet {

/// The numbers of the focal Tversky loss (the math: src/cpu/tversky.h). The weights are those of Salehi et al. 2017,
/// the exponent that of Abraham and Khan 2019.
struct TverskyOptions {
  double fn = 0.7;      ///< weight a of false negatives, at least 0
  double fp = 0.3;      ///< weight b of false positives, at least 0; a + b > 0
  double gamma = 0.75;  ///< exponent of 1 - TI, above 0; 1 is the plain Tversky loss

  static constexpr double epsilon = 1e-5;  ///< e of the formulas, as the smoothing of dice
};

}  // namespace attnunet
