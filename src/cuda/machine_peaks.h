// How the peaks of a GPU are measured, as src/cpu/machine_peaks.h does it for the processor: every thread keeps
// independent chains of multiply-adds in registers, and a large piece of memory is copied. The float32 rate is that of
// the CUDA cores: --precision tf32 and bf16 may exceed it. In the simulator the numbers are those of the simulator.
#pragma once

#include "common/core/machine_peaks.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// Takes less than a second and 1 GiB.
template <class M>
MachinePeaks measure_machine_peaks(Device<M>& device);

}  // namespace attnunet::cuda
