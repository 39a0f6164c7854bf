// From logits to a mask.
#pragma once

#include "common/data/png.h"
#include "common/report/lesion_table.h"

namespace attnunet {

/// 255 where a pixel is marked as lesion, else 0. `logits` are [height, width]; a logit above ln(t / (1 - t)) is a
/// probability above t. The marking's min_area counts pixels of this mask.
data::Grey mask_of(const float* logits, int width, int height, const report::Marking& marking);

}  // namespace attnunet
