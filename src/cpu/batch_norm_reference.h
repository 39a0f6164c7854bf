// The batch norm of batch_norm.h as plain loops, one channel after the other: the method to read first, the one that
// the tests hold the faster one against, and what --conv reference runs.
//
// Sums are kept in double, in the order of the loops, on one thread.
#pragma once

#include "common/core/batch_norm_views.h"

namespace attnunet::cpu {

// Parameters as in batch_norm.h.

template <class T>
void batch_norm_reference_statistics(BatchStatistics<T> batch, RunningStatistics<T> running, Const<Values<T>> x);

template <class T>
void batch_norm_reference_forward(Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                                  Const<Values<T>> x, Const<BatchNormParameters<T>> parameters);

template <class T>
void batch_norm_reference_backward(Gradients<T> dx, BatchNormParameters<T> d_parameters, Const<Gradients<T>> dy,
                                   const BatchNormSaved<T>& saved);

template <class T>
void batch_norm_reference_inference_forward(Values<T> y, Const<Values<T>> x, Const<BatchNormParameters<T>> parameters,
                                            Const<RunningStatistics<T>> running);

template <class T>
void batch_norm_reference_inference_backward(Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                             Const<Gradients<T>> dy, Const<Values<T>> x,
                                             Const<BatchNormParameters<T>> parameters,
                                             Const<RunningStatistics<T>> running);

}  // namespace attnunet::cpu
