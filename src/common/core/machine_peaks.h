#pragma once

namespace attnunet {

/// What a device can do at best, measured: the yardsticks beside which `bench` puts every layer.
struct MachinePeaks {
  double gigaflops = 0;         ///< float32 multiply-adds from registers, two operations each
  double gigabytes_second = 0;  ///< copying memory far larger than the caches, bytes read plus bytes written
};

}  // namespace attnunet
