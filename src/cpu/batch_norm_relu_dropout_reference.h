// The operation of batch_norm_relu_dropout.h as plain loops: its three layers in turn, for each element. The method to
// read first, the one that the tests hold the faster one against, and what --conv reference runs.
#pragma once

#include "common/core/batch_norm_views.h"
#include "common/core/dropout_key.h"

namespace attnunet::cpu {

// Parameters as in batch_norm_relu_dropout.h.

template <class T>
void batch_norm_relu_dropout_reference_forward(Values<T> y, Const<Values<T>> x, Const<BatchStatistics<T>> batch,
                                               Const<BatchNormParameters<T>> parameters, const Dropout& dropout);

template <class T>
void batch_norm_relu_dropout_reference_backward(Gradients<T> dx, BatchNormParameters<T> d_parameters,
                                                Const<Gradients<T>> dy, Const<Values<T>> y,
                                                const BatchNormSaved<T>& saved, double rate);

}  // namespace attnunet::cpu
