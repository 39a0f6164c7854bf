// One layer at its real shape, alone: what `bench` prints line by line. Each layer runs on buffers of its own, so what
// the layer before left in the caches does not help it, and its work is that of a training step.
// Include the backend's operations.h before the place of instantiation.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "common/core/batch_norm_views.h"
#include "common/core/dropout_key.h"
#include "common/core/random.h"
#include "common/nn/layer_list.h"

namespace attnunet::app {

/// One direction of a layer.
struct Timing {
  double seconds = 0;  ///< the fastest of the repeats; 0 where the layer has nothing to do of its own
  double flops = 0;
  double bytes = 0;  ///< each operand read and each result written once
};

struct LayerTiming {
  Timing forward, backward;
};

namespace layer_timing {

template <class B>
using Tensor = typename B::template Buffer<typename B::Scalar>;

/// Normal numbers: zeros or denormal ones would make some processors faster or slower than real work does.
template <class B>
Tensor<B> random_tensor(typename B::Device& device, Index count) {
  using T = typename B::Scalar;
  Random random(1);
  std::vector<T> period(static_cast<std::size_t>(std::min<Index>(count, 4099)));
  for (T& value : period) value = static_cast<T>(random.normal());
  std::vector<T> host(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < host.size(); ++i) host[i] = period[i % period.size()];
  Tensor<B> tensor(device, count);
  copy_to_device(device, tensor.data(), host.data(), count);
  return tensor;
}

template <class Device>
double fastest(Device& device, int repeats, const std::function<void()>& work) {
  if (!work) return 0;
  work();
  device.synchronize();
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    device.synchronize();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

}  // namespace layer_timing

/// Multiplications and additions of the backward pass, counted as LayerInfo::forward_flops: a convolution is one
/// product for the gradient of its weights and, where needed, one for that of its input.
inline double backward_flops(const LayerInfo& layer) {
  return (layer.input_gradient ? 2 : 1) * layer.forward_flops;
}

/// Times the layer; backward is all that a training step asks of it (for a convolution the gradients of weights, bias
/// and, where needed, input).
template <class B>
LayerTiming time_layer(typename B::Device& device, const LayerInfo& layer, int repeats) {
  using T = typename B::Scalar;
  const Shape &in = layer.input, &out = layer.output;
  const Index n = out.size(), C = out.C, pixels = out.pixels();
  const Conv2dGeometry conv{in.N, in.H, in.W, in.C, C, layer.kernel};
  // Transposed convolution and multiply each write one half of the concatenated tensor.
  const bool half = layer.kind == LayerKind::conv_transpose2d || layer.kind == LayerKind::attention_multiply;
  const ConvTranspose2dGeometry up{in.N, in.H, in.W, in.C, C};
  const Dropout dropout{layer.dropout_rate, {1, 1, 1}};

  Index workspace_size = 0;
  if (layer.kind == LayerKind::conv2d)
    workspace_size = std::max(conv2d_workspace(device, conv), conv2d_statistics_workspace(device, conv));
  if (layer.kind == LayerKind::conv_transpose2d) workspace_size = conv_transpose2d_workspace(device, up);
  if (layer.kind == LayerKind::batch_norm)
    workspace_size =
        std::max(batch_norm_workspace(device, pixels, C), batch_norm_relu_dropout_workspace(device, pixels, C));
  layer_timing::Tensor<B> workspace(device, workspace_size);
  T* scratch = workspace.data();

  auto x = layer_timing::random_tensor<B>(device, in.size());
  auto y = layer_timing::random_tensor<B>(device, half ? 2 * n : n);
  auto dx = layer_timing::random_tensor<B>(device, in.size());
  auto dy = layer_timing::random_tensor<B>(device, half ? 2 * n : n);
  auto p = layer_timing::random_tensor<B>(device, layer.parameters);
  auto dp = layer_timing::random_tensor<B>(device, layer.parameters);
  auto saved = layer_timing::random_tensor<B>(device, 4 * C);
  const BatchStatistics<T> batch{saved.data(), saved.data() + C};
  const RunningStatistics<T> running{saved.data() + 2 * C, saved.data() + 3 * C};
  const Index stride = half ? 2 * C : C;
  const Values<T> x_values = values(x.data(), in), y_values = values(y.data(), pixels, C, stride);
  const Gradients<T> dx_gradients = gradients(dx.data(), in), dy_gradients = gradients(dy.data(), pixels, C, stride);
  const Index weights = layer.parameters - (layer.bias ? C : 0);
  T* bias = layer.bias ? p.data() + weights : nullptr;
  T* dbias = layer.bias ? dp.data() + weights : nullptr;

  const double value = sizeof(T);
  const double size_in = value * static_cast<double>(in.size()), size_out = value * static_cast<double>(n);
  const double size_p = value * static_cast<double>(layer.parameters);
  LayerTiming timing;
  Timing &f = timing.forward, &b = timing.backward;
  f.flops = layer.forward_flops;
  f.bytes = size_in + size_out + size_p;
  b.flops = backward_flops(layer);
  const auto time = [&](const std::function<void()>& forward, const std::function<void()>& backward) {
    f.seconds = layer_timing::fastest(device, repeats, forward);
    b.seconds = layer_timing::fastest(device, repeats, backward);
  };

  switch (layer.kind) {
    case LayerKind::conv2d:
      b.bytes = size_out + size_in + size_p + (layer.input_gradient ? size_out + size_in + size_p : 0);
      time(
          [&] {
            if (layer.fused)
              conv2d_statistics_forward(device, y_values, batch, running, x_values, p.data(), scratch, conv);
            else
              conv2d_forward(device, y_values, x_values, p.data(), {bias}, scratch, conv);
          },
          [&] {
            conv2d_backward_weights(device, dp.data(), dbias, dy_gradients, x_values, scratch, conv);
            if (layer.input_gradient)
              conv2d_backward_data(device, dx_gradients, dy_gradients, p.data(), scratch, conv, Write::set);
          });
      break;
    case LayerKind::conv_transpose2d:
      b.bytes = 2 * (size_in + size_out + size_p);
      time([&] { conv_transpose2d_forward(device, y_values, x_values, p.data(), bias, scratch, up); },
           [&] {
             conv_transpose2d_backward_weights(device, dp.data(), dbias, dy_gradients, x_values, scratch, up);
             conv_transpose2d_backward_data(device, dx_gradients, dy_gradients, p.data(), scratch, up, Write::set);
           });
      break;
    case LayerKind::batch_norm: {
      const BatchNormParameters<T> norm{p.data(), p.data() + C}, d_norm{dp.data(), dp.data() + C};
      const BatchNormSaved<T> for_backward{x_values, batch, norm};
      if (layer.fused) {
        b.bytes = 4 * size_in + 2 * size_p;
        time([&] { batch_norm_relu_dropout_forward(device, y_values, x_values, batch, norm, dropout); },
             [&] {
               batch_norm_relu_dropout_backward(device, dx_gradients, d_norm, dy_gradients, y_values, for_backward,
                                                dropout.rate, scratch);
             });
        break;
      }
      b.bytes = 3 * size_in + 2 * size_p;
      time([&] { batch_norm_forward(device, y_values, batch, running, x_values, norm, scratch); },
           [&] { batch_norm_backward(device, dx_gradients, d_norm, dy_gradients, for_backward, scratch); });
      break;
    }
    case LayerKind::relu:
      if (layer.fused) break;
      b.bytes = 3 * size_in;
      time([&] { relu_forward(device, y_values, y_values); },
           [&] { relu_backward(device, dy_gradients, dy_gradients, y_values); });
      break;
    case LayerKind::dropout:  // always part of a double convolution's batch norm
      break;
    case LayerKind::max_pool: {
      typename B::template Buffer<std::uint8_t> argmax(device, n);
      f.bytes += static_cast<double>(n);
      b.bytes = size_out + static_cast<double>(n) + 2 * size_in;  // the gradient is added to the skip's
      time([&] { max_pool_forward(device, y_values, argmax.data(), x_values, in); },
           [&] { max_pool_backward(device, dx_gradients, dy_gradients, argmax.data(), in, Write::add); });
      break;
    }
    case LayerKind::add:  // its gradient goes to both summands as it is
      f.bytes = 3 * size_in;
      time([&] { add_forward(device, y_values, y_values, x_values); }, nullptr);
      break;
    case LayerKind::sigmoid:
      b.bytes = 3 * size_in;
      time([&] { sigmoid_forward(device, y_values, x_values); },
           [&] { sigmoid_backward(device, dy_gradients, dy_gradients, y_values); });
      break;
    case LayerKind::attention_multiply: {
      auto alpha = layer_timing::random_tensor<B>(device, pixels);
      auto dalpha = layer_timing::random_tensor<B>(device, pixels);
      const double size_alpha = value * static_cast<double>(pixels);
      f.bytes += size_alpha;
      b.bytes = 3 * size_in + 2 * size_alpha;
      const Values<T> alpha_values = values(alpha.data(), pixels);
      time([&] { attention_multiply_forward(device, y_values, x_values, alpha_values); },
           [&] {
             attention_multiply_backward(device, dx_gradients, gradients(dalpha.data(), pixels), dy_gradients, x_values,
                                         alpha_values);
           });
      break;
    }
    case LayerKind::concat: {
      if (layer.activation_bytes == 0) break;  // its halves are written in place
      const Index first = in.C, second = C - first;
      f.bytes = b.bytes = 2 * size_in;
      time([&] { concat_forward(device, y_values, x_values, y_values.slice(first, second)); },
           [&] { concat_backward(device, dx_gradients, dy_gradients.slice(first, second), dy_gradients); });
      break;
    }
    case LayerKind::edge_pad:  // training does not ask for its gradient
      time([&] { edge_pad_forward(device, y_values, x_values, in, out.H, out.W); }, nullptr);
      break;
    case LayerKind::crop:
      f.bytes = 2 * size_out;
      b.bytes = size_in + size_out;
      time([&] { crop_forward(device, y_values, x_values, out, in.H, in.W); },
           [&] { crop_backward(device, dx_gradients, dy_gradients, out, in.H, in.W); });
      break;
  }
  return timing;
}

}  // namespace attnunet::app
