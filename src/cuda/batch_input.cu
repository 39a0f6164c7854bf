#include "cuda/batch_input.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void batch_input_kernel(T* input, T* target, const std::uint8_t* images, const std::uint8_t* masks,
                                   const std::int32_t* cases, Index pixels, Index P) {
  const Index i = thread_of_grid();
  if (i >= pixels) return;
  const Index one = i / P;
  const Index from = (cases == nullptr ? one : Index{cases[one]}) * P + (i - one * P);
  input[i] = static_cast<T>(images[from]) / T(255);
  target[i] = static_cast<T>(masks[from]);
}

}  // namespace

template <class M, class T>
void batch_input(Device<M>& device, Values<T> input, T* target, const std::uint8_t* images, const std::uint8_t* masks,
                 const std::int32_t* cases, Index n) {
  const Index P = input.pixels / n;
  require_dense(input, n * P, 1);
  launch(device, {"batch_input", blocks_for(n * P, block_threads), block_threads}, batch_input_kernel<T>, input.data,
         target, images, masks, cases, n * P, P);
}

template void batch_input(ThisDevice&, Values<float>, float*, const std::uint8_t*, const std::uint8_t*,
                          const std::int32_t*, Index);
template void batch_input(ThisDevice&, Values<double>, double*, const std::uint8_t*, const std::uint8_t*,
                          const std::int32_t*, Index);

}  // namespace attnunet::cuda
