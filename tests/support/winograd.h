// The sums of magnitudes that bound the rounding errors of Winograd's F(4x4,3x3): what conv2d_winograd.h does, with
// |A^T|, |G| and |B^T| for the matrices and magnitudes for the numbers. The indices are written out, no transform is
// shared with the code under test.
#pragma once

#include <vector>

#include "common/gradcheck/layer_case.h"

namespace attnunet::winograd {

using Values = std::vector<double>;

struct Tiles {
  explicit Tiles(const Conv2dGeometry& g) : down((g.H + 3) / 4), across((g.W + 3) / 4), count(g.N * down * across) {}
  Index down, across, count;
};

/// Of every y: |A^T| [sum over c of (|G| |w| |G^T|) .* (|B^T| |x| |B|)] |A| + |bias|.
Values forward_terms(const Conv2dGeometry& g, const Values& x, const Values& w, const Values& bias);

/// Of every dx: the same with w flipped and C and K swapped.
Values backward_data_terms(const Conv2dGeometry& g, const Values& dy, const Values& w);

/// Of every dw: |G^T| [sum over tiles of (|A| |dy| |A^T|) .* (|B^T| |x| |B|)] |G|.
Values backward_weights_terms(const Conv2dGeometry& g, const Values& dy, const Values& x);

}  // namespace attnunet::winograd
