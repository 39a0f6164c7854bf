#include "cpu/segmentation_counts.h"

namespace attnunet::cpu {

template <class T>
void segmentation_counts(Device& device, PixelCounts* counts, Const<Values<T>> logits, const T* target, Index N) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    std::int64_t truth = 0, predicted = 0, tp = 0, keras_predicted = 0, keras_tp = 0;
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const bool lesion = target[i] > T(0.5), found = logits.data[i] > T(0);
      const bool keras_found = static_cast<float>(logits.data[i]) >= keras_lesion_logit;
      truth += lesion;
      predicted += found;
      tp += lesion && found;
      keras_predicted += keras_found;
      keras_tp += lesion && keras_found;
    }
    counts[n] = {tp, predicted - tp, truth - tp, P - truth - predicted + tp, keras_tp, keras_predicted - keras_tp};
  }
}

template void segmentation_counts(Device&, PixelCounts*, Values<const float>, const float*, Index);
template void segmentation_counts(Device&, PixelCounts*, Values<const double>, const double*, Index);

}  // namespace attnunet::cpu
