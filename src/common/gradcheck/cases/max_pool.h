#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// max_pool of x, shape `in`.
template <class B>
LayerCase max_pool_case(typename B::Device& device, Shape in, std::uint64_t seed) {
  const Index out_pixels = in.N * (in.H / 2) * (in.W / 2), out = out_pixels * in.C;
  Random random(seed);
  LayerCase result;
  result.name = "max_pool " + std::to_string(in.H) + "x" + std::to_string(in.W);
  result.inputs = {random_array("x", in.size(), random)};
  result.forward = [&device, in, out, out_pixels](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    auto y = poisoned<B>(device, out);
    typename B::template Buffer<std::uint8_t> argmax(device, out);
    max_pool_forward(device, values(y.data(), out_pixels, in.C), argmax.data(), values(x.data(), in), in);
    std::vector<std::uint8_t> chosen(static_cast<std::size_t>(out));
    copy_to_host(device, chosen.data(), argmax.data(), out);
    return Forward{{download<B>(device, "y", y)}, chosen};
  };
  result.backward = [&device, in, out, out_pixels](const std::vector<Array>& inputs,
                                                   const std::vector<Array>& d_outputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto dy = upload<B>(device, d_outputs[0]);
    auto y = poisoned<B>(device, out);
    auto dx = poisoned<B>(device, in.size());
    typename B::template Buffer<std::uint8_t> argmax(device, out);
    max_pool_forward(device, values(y.data(), out_pixels, in.C), argmax.data(), values(x.data(), in), in);
    max_pool_backward(device, gradients(dx.data(), in), gradients(dy.data(), out_pixels, in.C), argmax.data(), in,
                      Write::set);
    return std::vector<Array>{download<B>(device, "x", dx)};
  };
  return result;
}

}  // namespace attnunet::gradcheck
