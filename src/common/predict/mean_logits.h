// The mean of logits over the networks of an ensemble and, with test-time augmentation, over the flips and turns that
// keep the size of the image, each turned back. Means of logits, as nnU-Net takes them, so that one threshold on logits
// holds with and without.
// Proof: tests/ensemble_test.cpp, tests/predict_test.cpp
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <vector>

#include "common/nn/attention_unet.h"
#include "common/predict/symmetries.h"
#include "common/train/checkpoint.h"

namespace attnunet {

template <class B>
class MeanLogits {
 public:
  using T = typename B::Scalar;

  /// For up to N images of that size at a time. `tapes`: whether forward and run are to be called; without, there are
  /// only networks. Members may differ in their architecture.
  MeanLogits(typename B::Device& device, const std::vector<Checkpoint>& members, Index N, const ImageSize& size,
             bool tta, bool tapes = true)
      : device_(device), size_(size), tta_(tta) {
    for (const Checkpoint& member : members) {
      const Architecture architecture = make_architecture(member.config.network);
      Member& added = members_.emplace_back(device, architecture);
      added.network.load({member.parameters.begin(), member.parameters.end()},
                         {member.statistics.begin(), member.statistics.end()});
      if (tapes) added.tape.emplace(device, architecture, N, size.height, size.width, Purpose::inference);
    }
  }

  /// The device memory of such an object.
  static Index bytes(const typename B::Device& device, const std::vector<Checkpoint>& members, Index N,
                     const ImageSize& size, bool tapes = true) {
    Index sum = 0;
    for (const Checkpoint& member : members) {
      const Architecture architecture = make_architecture(member.config.network);
      sum += AttentionUNet<B>::bytes(architecture, false);
      if (tapes)
        sum +=
            AttentionUNetTape<B>::planned_bytes(device, architecture, N, size.height, size.width, Purpose::inference);
    }
    return sum;
  }

  /// Of the first member.
  AttentionUNet<B>& network() { return members_.front().network; }
  AttentionUNetTape<B>& tape() { return *members_.front().tape; }

  /// From tape().input to tape().logits, as an AttentionUNet does it. One network without augmentation has its own
  /// bits.
  void forward(AttentionUNetTape<B>& tape, const Pass& pass) {
    if (members_.size() == 1 && !tta_) return network().forward(tape, pass);
    const Index count = tape.batch * size_.pixels();
    std::vector<T> input(static_cast<std::size_t>(count));
    copy_to_host(device_, input.data(), tape.input, count);
    const std::vector<float> mean = run({input.begin(), input.end()}, [] { return true; });
    const std::vector<T> logits(mean.begin(), mean.end());
    copy_to_device(device_, tape.logits, logits.data(), count);
  }

  /// Of images [n, height, width], 0 to 1, 1 <= n <= N. `first`: the logits of the first member for the images as they
  /// are, if they are known. go_on is asked between passes; where it says no, the result is empty.
  std::vector<float> run(const std::vector<float>& images, const std::function<bool()>& go_on,
                         const std::vector<float>& first = {}) {
    const auto pixels = static_cast<std::size_t>(size_.pixels());
    std::vector<double> sums(images.size(), 0.0);
    std::vector<float> turned(images.size());
    int passes = 0;
    for (Member& member : members_)
      for (int symmetry = 0; symmetry < (tta_ ? symmetries : 1); ++symmetry) {
        if (!keeps_size(symmetry, size_)) continue;
        if (passes > 0 && !go_on()) return {};
        const auto source = [&](std::size_t i) {
          return i / pixels * pixels + source_pixel(symmetry, i % pixels, size_);
        };
        for (std::size_t i = 0; i < images.size(); ++i) turned[i] = images[source(i)];
        const std::vector<float> logits = passes == 0 && !first.empty() ? first : logits_of(member, turned);
        for (std::size_t i = 0; i < images.size(); ++i) sums[source(i)] += static_cast<double>(logits[i]);
        ++passes;
      }
    std::vector<float> mean(images.size());
    for (std::size_t i = 0; i < images.size(); ++i) mean[i] = static_cast<float>(sums[i] / passes);
    return mean;
  }

 private:
  struct Member {
    AttentionUNet<B> network;
    std::optional<AttentionUNetTape<B>> tape;
    Member(typename B::Device& device, const Architecture& architecture) : network(device, architecture, false) {}
  };

  std::vector<float> logits_of(Member& member, const std::vector<float>& images) {
    const std::vector<T> input(images.begin(), images.end());
    const auto count = static_cast<Index>(images.size());
    member.tape->set_batch(count / size_.pixels());
    copy_to_device(device_, member.tape->input, input.data(), count);
    member.network.forward(*member.tape, {false, 0, 0});
    std::vector<T> logits(images.size());
    copy_to_host(device_, logits.data(), member.tape->logits, count);
    return {logits.begin(), logits.end()};
  }

  typename B::Device& device_;
  ImageSize size_;
  bool tta_;
  std::list<Member> members_;  // which do not move
};

}  // namespace attnunet
