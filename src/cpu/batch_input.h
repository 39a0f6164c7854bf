// A batch as the network and the loss take it, from 8-bit pixels. Has no backward: nothing is learned before it.
//
// Shapes     images (0 to 255), masks (0 or 1): cases of P pixels; cases [n]: which of them the batch is made of, null
//            for the first n in their order; input, target [n, P].
// Forward    input = image / 255,  target = mask.  One division, rounded once: the same bits on every backend.
// Proof      tests/batch_input_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// input: dense, n P pixels of one channel.
template <class T>
void batch_input(Device& device, Values<T> input, T* target, const std::uint8_t* images, const std::uint8_t* masks,
                 const std::int32_t* cases, Index n);

}  // namespace attnunet::cpu
