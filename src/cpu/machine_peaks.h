// What this machine can do at best, measured: the yardsticks beside which `bench` puts every layer.
#pragma once

#include "cpu/device.h"

namespace attnunet::cpu {

struct MachinePeaks {
  double gigaflops = 0;         ///< float32 multiply-adds from registers, two operations each
  double gigabytes_second = 0;  ///< copying memory far larger than the caches, bytes read plus bytes written
};

/// Takes about a second and 256 MB.
MachinePeaks measure_machine_peaks(Device& device);

}  // namespace attnunet::cpu
