#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// concat of a [pixels, Ca] and b [pixels, Cb]; inputs a, b.
template <class B>
LayerCase concat_case(typename B::Device& device, Index pixels, Index Ca, Index Cb, std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "concat " + std::to_string(Ca) + "+" + std::to_string(Cb);
  result.inputs = {random_array("a", pixels * Ca, random), random_array("b", pixels * Cb, random)};
  result.forward = [&device, pixels, Ca, Cb](const std::vector<Array>& inputs) {
    const auto a = upload<B>(device, inputs[0]);
    const auto b = upload<B>(device, inputs[1]);
    auto y = poisoned<B>(device, pixels * (Ca + Cb));
    concat_forward(device, values(y.data(), pixels, Ca + Cb), values(a.data(), pixels, Ca),
                   values(b.data(), pixels, Cb));
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, pixels, Ca, Cb](const std::vector<Array>&, const std::vector<Array>& d_outputs) {
    const auto dy = upload<B>(device, d_outputs[0]);
    auto da = poisoned<B>(device, pixels * Ca);
    auto db = poisoned<B>(device, pixels * Cb);
    concat_backward(device, gradients(da.data(), pixels, Ca), gradients(db.data(), pixels, Cb),
                    gradients(dy.data(), pixels, Ca + Cb));
    return std::vector<Array>{download<B>(device, "a", da), download<B>(device, "b", db)};
  };
  return result;
}

}  // namespace attnunet::gradcheck
