// The batch from 8-bit pixels on the GPU; what it means is in src/cpu/batch_input.h.
//
// One thread a pixel: neighbours read neighbouring bytes of one case. Bytes moved: reads 2 n P, writes 2 n P sizeof(T):
// bound by memory, and a four-thousandth of what a training step moves. `cases` lies in device memory, so that a step
// can be launched before the host knows more than its place in the epoch.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

template <class M, class T>
void batch_input(Device<M>& device, Values<T> input, T* target, const std::uint8_t* images, const std::uint8_t* masks,
                 const std::int32_t* cases, Index n);

}  // namespace attnunet::cuda
