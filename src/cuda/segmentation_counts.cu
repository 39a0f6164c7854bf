#include "cuda/kernel.h"
#include "cuda/reduce.h"
#include "cuda/segmentation_counts.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(most_threads_of_sum)
    segmentation_counts_kernel(PixelCounts* counts, const T* logits, const T* target, Index P) {
  const Index n = Index{blockIdx.x};
  int own_truth = 0, own_predicted = 0, own_tp = 0, own_keras_predicted = 0, own_keras_tp = 0;  // of a few pixels
  for (Index i = n * P + Index{threadIdx.x}; i < (n + 1) * P; i += blockDim.x) {
    const bool lesion = target[i] > T(0.5), found = logits[i] > T(0);
    const bool keras_found = static_cast<float>(logits[i]) >= keras_lesion_logit;
    own_truth += lesion;
    own_predicted += found;
    own_tp += lesion && found;
    own_keras_predicted += keras_found;
    own_keras_tp += lesion && keras_found;
  }
  const Index truth = block_sum(Index{own_truth}), predicted = block_sum(Index{own_predicted});
  const Index tp = block_sum(Index{own_tp}), keras_tp = block_sum(Index{own_keras_tp});
  const Index keras_predicted = block_sum(Index{own_keras_predicted});
  if (threadIdx.x == 0)
    counts[n] = {tp, predicted - tp, truth - tp, P - truth - predicted + tp, keras_tp, keras_predicted - keras_tp};
}

}  // namespace

template <class M, class T>
void segmentation_counts(Device<M>& device, PixelCounts* counts, Const<Values<T>> logits, const T* target, Index N) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
  launch(device, {"segmentation_counts", static_cast<unsigned>(N), threads_of_sum(P)}, segmentation_counts_kernel<T>,
         counts, logits.data, target, P);
}

template void segmentation_counts(ThisDevice&, PixelCounts*, Values<const float>, const float*, Index);
template void segmentation_counts(ThisDevice&, PixelCounts*, Values<const double>, const double*, Index);

}  // namespace attnunet::cuda
