// How the peaks of the processor are measured: independent chains of multiply-adds in registers, and a large copy.
#pragma once

#include "common/core/machine_peaks.h"
#include "cpu/device.h"

namespace attnunet::cpu {

/// Takes about a second and 256 MB.
MachinePeaks measure_machine_peaks(Device& device);

}  // namespace attnunet::cpu
