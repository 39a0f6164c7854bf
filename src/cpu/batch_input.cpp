#include "cpu/batch_input.h"

namespace attnunet::cpu {

template <class T>
void batch_input(Device& device, Values<T> input, T* target, const std::uint8_t* images, const std::uint8_t* masks,
                 const std::int32_t* cases, Index n) {
  const Index P = input.pixels / n;
  require_dense(input, n * P, 1);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) {
    const Index from = (cases == nullptr ? i : Index{cases[i]}) * P;
    for (Index p = 0; p < P; ++p) {
      input.data[i * P + p] = static_cast<T>(images[from + p]) / T(255);
      target[i * P + p] = static_cast<T>(masks[from + p]);
    }
  }
}

template void batch_input(Device&, Values<float>, float*, const std::uint8_t*, const std::uint8_t*, const std::int32_t*,
                          Index);
template void batch_input(Device&, Values<double>, double*, const std::uint8_t*, const std::uint8_t*,
                          const std::int32_t*, Index);

}  // namespace attnunet::cpu
