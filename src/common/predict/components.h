// Connected parts of a mask, and which of them stay.
#pragma once

#include <cstddef>

#include "common/data/png.h"

namespace attnunet {

/// Empties (sets to 0) every connected part of a mask (0: outside, else: inside) that has fewer than `min_area` pixels,
/// and then all but the `largest` largest; of equal ones, those further up stay, then further left. 0: no such rule.
/// Pixels that touch at a side or a corner are connected, as in scikit-image's label.
void keep_components(data::Grey& mask, std::size_t min_area, std::size_t largest);

}  // namespace attnunet
