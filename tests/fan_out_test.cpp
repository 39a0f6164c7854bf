// The encoder's output feeds three consumers (pool, gate, product) and the upsampled tensor two (gate, concat). In a
// plain U-Net the encoder's output feeds two (pool, concat). A backward that drops one of these shares must fail the
// gradient check: a device whose operations drop one shows it.
#include "common/gradcheck/cases/attention_unet.h"
#include "cpu/operations.h"
#include "support/expect.h"

namespace attnunet {
namespace mutant {

enum class Dropped { nothing, pool, product, gate_of_skip, gate_of_up, concat, concat_of_skip };

struct Device : cpu::Device {
  Dropped dropped;
  explicit Device(Dropped what) : cpu::Device(1), dropped(what) {}
  cpu::Device& base() { return *this; }
};

// Overloads for this device win over those of cpu:: that its base class makes visible.
void max_pool_backward(Device& device, Gradients<double> dx, Gradients<const double> dy, const std::uint8_t* argmax,
                       const Shape& in, Write write) {
  if (device.dropped != Dropped::pool) max_pool_backward(device.base(), dx, dy, argmax, in, write);
}

void attention_multiply_backward(Device& device, Gradients<double> dx, Gradients<double> dalpha,
                                 Gradients<const double> dy, Values<const double> x, Values<const double> alpha) {
  attention_multiply_backward(device.base(), dx, dalpha, dy, x, alpha);
  if (device.dropped == Dropped::product) fill_zero(device.base(), dx.data, dx.size());
}

void concat_backward(Device& device, Gradients<double> da, Gradients<double> db, Gradients<const double> dy) {
  concat_backward(device.base(), da, db, dy);
  if (device.dropped == Dropped::concat_of_skip) fill_zero(device.base(), da.data, da.size());
}

void conv2d_backward_data(Device& device, Gradients<double> dx, Gradients<const double> dy, const double* w,
                          double* workspace, const Conv2dGeometry& g, Write write) {
  if (write == Write::add) {  // the gate's two projections: only that of up works on columns of the concatenated tensor
    const Dropped now = dx.is_dense() ? Dropped::gate_of_skip : Dropped::gate_of_up;
    if (now == device.dropped) return;
    // There the share of the concatenation lies already: set instead of add loses it.
    if (!dx.is_dense() && device.dropped == Dropped::concat) write = Write::set;
  }
  conv2d_backward_data(device.base(), dx, dy, w, workspace, g, write);
}

struct Backend : Cpu<double> {
  using Device = mutant::Device;
};

}  // namespace mutant

namespace TEST_FILE {

bool passes(mutant::Dropped dropped, Variant variant = Variant::attention3) {
  mutant::Device device(dropped);
  NetworkConfig config;
  config.variant = variant;
  config.base = 2;
  const auto network = gradcheck::attention_unet_case<mutant::Backend>(device, config, 1, 8, 16, Pass{true, 5, 3}, 11);
  bool all = true;
  for (const gradcheck::Result& result : gradcheck::check_network(network, 1)) all = all && result.passed();
  return all;
}

TEST(FanOut, EveryShareIsNeeded) {
  EXPECT_TRUE(passes(mutant::Dropped::nothing));
  EXPECT_FALSE(passes(mutant::Dropped::pool));
  EXPECT_FALSE(passes(mutant::Dropped::product));
  EXPECT_FALSE(passes(mutant::Dropped::gate_of_skip));
  EXPECT_FALSE(passes(mutant::Dropped::gate_of_up));
  EXPECT_FALSE(passes(mutant::Dropped::concat));
}

TEST(FanOut, EveryShareOfAPlainUNetIsNeeded) {
  EXPECT_TRUE(passes(mutant::Dropped::nothing, Variant::unet3));
  EXPECT_FALSE(passes(mutant::Dropped::pool, Variant::unet3));
  EXPECT_FALSE(passes(mutant::Dropped::concat_of_skip, Variant::unet3));
}

}  // namespace TEST_FILE
}  // namespace attnunet
