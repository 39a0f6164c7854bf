// Inverted dropout on the GPU; the math is in src/cpu/dropout.h. The masks are the CPU's, to the bit.
//
// One thread four elements, 4 q to 4 q + 3: what one draw of Philox decides on. Bytes moved: reads x, writes y,
// 2 n sizeof(T); Philox costs about 100 integer instructions a draw and hides behind them. Plain: element by element.
// Tuned (float32, aligned): the four in one 16-byte access. The networks run dropout fused with what comes before it
// (batch_norm_relu_dropout.h).
#pragma once

#include "common/core/dropout_key.h"
#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// y may be x.
template <class M, class T>
void dropout_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const Dropout& dropout);

/// dx may be dy.
template <class M, class T>
void dropout_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const Dropout& dropout);

}  // namespace attnunet::cuda
