// How the files of a case become the network's pixels: one value that commands fill in and that goes wherever files are
// read.
#pragma once

#include "common/data/intensity.h"
#include "common/data/mask_rule.h"

namespace attnunet::data {

struct Reading {
  MaskRule mask_rule;
  Intensity intensity;
  ReadOptions files = {};
  bool keep_aspect = false;  ///< fit.h
};

}  // namespace attnunet::data
