// Focal Tversky loss on logits (Salehi et al. 2017, 1 - T(alpha, beta); with an exponent: Abraham and Khan 2019, FTL).
//
// Shapes     logits z, target q in [0, 1]: N images of P pixels; p = sigmoid(z); loss [N].
// Forward    per image  I  = sum p q            lesion that is found
//                       FN = sum (1 - p) q      lesion that is missed: false negatives, with weight a
//                       FP = sum p (1 - q)      found where no lesion is: false positives, with weight b
//              TI = (I + e) / (I + e + a FN + b FP),   e = 1e-5,   loss = (1 - TI)^g.
//            With E = a FN + b FP and D = I + e + E:  TI = (D - E) / D, so
//              1 - TI = E / D,   loss = (E / D)^g.
//            E is a sum of products, none negative. 1 - p is computed as sigmoid(-z), so nothing cancels where the
//            prediction is nearly right. a = b = 1/2 and g = 1 is dice with s = 2 e. (Salehi et al. call b alpha and
//            a beta. Abraham and Khan call a alpha and b beta, and write 1 / gamma for g, with gamma = 4/3.)
//            e keeps an image without lesion defined: truth and prediction both empty give loss 0. Its loss is
//            b FP / (e + b FP), which stays close to 1 until sum p is of the size of e.
// Saved      sums [N,3] = I, FN, FP in double; logits and target.
// Backward   of the mean over images. With dI/dp_i = q_i, dFN/dp_i = -q_i and dFP/dp_i = 1 - q_i:
//              dE/dp_i = b (1 - q_i) - a q_i,   dD/dp_i = q_i + dE/dp_i.
//            Quotient rule, with D - E = I + e:
//              d(E/D)/dp_i = (D dE/dp_i - E dD/dp_i) / D^2
//                          = ((I + e) dE/dp_i - E q_i) / D^2
//                          = (b (I + e) (1 - q_i) - (a (I + e) + E) q_i) / D^2,
//              dloss/dp_i = g (E/D)^(g-1) d(E/D)/dp_i,
//              dp_i/dz_i = p_i (1 - p_i)          (src/cpu/sigmoid.h)
//              dz_i = (1/N) dloss/dp_i p_i (1 - p_i).
// Bound      If g < 1, (E/D)^(g-1) grows without bound as the prediction becomes right, but dz does not. No term of a
//            sum exceeds the sum: a (1 - p_i) q_i <= E, b p_i (1 - q_i) <= E and p_i q_i <= I. Therefore
//              |d(E/D)/dp_i| p_i (1 - p_i) <= 2 (I + e) E / D^2 = 2 TI (1 - TI),
//              |dz_i| <= (2 g / N) TI (1 - TI)^g,   which is 0 in the limit.
//            The code needs a rule only where the power itself overflows: dz = 0 where 1 - TI < 1e-200. With float32
//            logits that means E = 0, since the smallest p above 0 is 1e-45.
//            Smooth in z everywhere else; there are no kinks.
// Proof      tests/tversky_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "common/core/tversky_options.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// logits and d_logits are dense: N images of P pixels. target [N, P].

/// loss [N] and sums [N,3] from the logits and targets of N images.
template <class T>
void tversky_forward(Device& device, double* loss, double* sums, Const<Values<T>> logits, const T* target, Index N,
                     const TverskyOptions& options);

/// Gradient of the mean over the N images.
template <class T>
void tversky_backward(Device& device, Gradients<T> d_logits, const double* sums, Const<Values<T>> logits,
                      const T* target, Index N, const TverskyOptions& options);

}  // namespace attnunet::cpu
