// Max pooling on the GPU; the math is in src/cpu/max_pool.h, the convention for ties and NaN too.
//
// Bytes moved, for n outputs: forward reads x and writes y and argmax, (5 sizeof(T) + 1) n; backward reads dy and
// argmax and writes dx, the same, and reads dx as well where it adds, (9 sizeof(T) + 1) n.
// Forward    rows of y (rows.h). Plain: one thread an output. Tuned (float32, C a multiple of 4, aligned): one thread
//            four channels of an output, in 16-byte accesses.
// Backward   plain: rows of dx, one thread an element, which looks up the window over it; dy and argmax are read four
//            times, by neighbours. Tuned (as forward, and H and W even): rows of dy, one thread four channels of a
//            window, which writes to all four of its pixels; everything is read once.
// Nothing is rounded but where backward adds: equal to the CPU to the bit.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// y and argmax from x of shape `in`.
template <class M, class T>
void max_pool_forward(Device<M>& device, Values<T> y, std::uint8_t* argmax, Const<Values<T>> x, const Shape& in);

/// dx of shape `in` from dy and argmax.
template <class M, class T>
void max_pool_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const std::uint8_t* argmax,
                       const Shape& in, Write write);

}  // namespace attnunet::cuda
