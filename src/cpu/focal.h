// Focal loss on logits (Lin et al. 2017, eq. 5), the mean over pixels.
//
// Shapes     logits z, target t in [0, 1]: N images of P pixels; p = sigmoid(z); loss [N], the mean over each image's
//            pixels. gamma >= 0, alpha in [0, 1] (of lesion pixels).
// Forward    Lin et al. have, for t = 0 or 1,  FL = -alpha_t (1 - p_t)^gamma log p_t,  with p_t = p and alpha_t = alpha
//            where t = 1, and p_t = 1 - p and alpha_t = 1 - alpha where t = 0. Linear in t between the two, as bce is:
//              l = -alpha t (1 - p)^gamma log p - (1 - alpha) (1 - t) p^gamma log(1 - p).
//            With s(z) = log(1 + e^z) = max(z, 0) + log1p(e^-|z|), which cannot overflow (src/cpu/bce.h), and
//            1 - p = sigmoid(-z):
//              log p = -s(-z),   log(1 - p) = -s(z),
//              l = alpha t (1 - p)^gamma s(-z) + (1 - alpha) (1 - t) p^gamma s(z).
//            No logarithm of 0, and nothing cancels: no term is negative. gamma = 0 and alpha = 1/2 is bce / 2.
// Saved      logits and target.
// Backward   of the mean over all N P pixels. ds(z)/dz = p and ds(-z)/dz = -(1 - p). With
//              d(1 - p)^gamma/dz = gamma (1 - p)^(gamma-1) (-p (1 - p)) = -gamma p (1 - p)^gamma,
//              dp^gamma/dz       = gamma p^(gamma-1) p (1 - p)          =  gamma (1 - p) p^gamma
//            the product rule gives
//              dl/dz = -alpha t (1 - p)^gamma (1 - p + gamma p s(-z))
//                      + (1 - alpha) (1 - t) p^gamma (p + gamma (1 - p) s(z)),   dz = dl/dz / (N P).
//            Smooth everywhere, for gamma < 1 too: p (1 - p) cancels what would be infinite in dl/dp. Since
//            -p log p <= 1/e, |dl/dz| <= 1 + gamma/e. (Lin et al., appendix B, for t = 1:
//            (1 - p)^gamma (gamma p log p + p - 1).)
// Sums are kept in double, a row of fixed length each, added in order: no float32 chain, the same bits for any threads.
// Proof      tests/focal_test.cpp
#pragma once

#include "common/core/focal_options.h"
#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// logits and d_logits are dense: N images of P pixels. target [N, P].

/// loss [N] from the logits and targets of N images.
template <class T>
void focal_forward(Device& device, double* loss, Const<Values<T>> logits, const T* target, Index N,
                   const FocalOptions& options);

/// Gradient of the mean over all N P pixels.
template <class T>
void focal_backward(Device& device, Gradients<T> d_logits, Const<Values<T>> logits, const T* target,
                    const FocalOptions& options);

}  // namespace attnunet::cpu
