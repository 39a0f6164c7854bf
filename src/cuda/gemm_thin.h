// The products of convolutions with one channel on one side (the first layer's input, the output of psi and of the
// head): bound by memory, and as matrix products mostly padding. Each reads and writes every tensor once.
//
//   spread          y[p][k] = sum over taps of x[p + tap] w[k][tap]: one channel in, many out. Tiles of 256 pixels x 32
//                   channels; a thread keeps the weights of 4 channels in registers and makes them for 8 pixels. Also
//                   the data's gradient of a 1x1 convolution to one channel.
//   collect         y[p] = sum over c of x[p][c] w[c]: many channels in, one out, 1x1. Four lanes a pixel, 16 bytes
//                   each, then a tree over the lanes.
//   thin_weights    out[j][tap] = sum over pixels of wide[p][j] thin[p + tap]: either side's weights' gradient. A
//                   thread keeps 4 channels times all taps and walks over pixels of its chunk; its lanes are added in
//                   order, then the chunks. 36 KB of shared memory for that.
//
// Floor, in floats a pixel: spread 1 read and K written; collect C read and 1 written; thin_weights K (or C) and 1
// read. At 18 operations for each float of the wide side a GPU is done with them before memory is.
#pragma once

#include "cuda/implicit_gemm.h"

namespace attnunet::cuda::gemm {

/// Weights of one channel on one side, seen from the other: of channel k and tap t at w[k * channel + t * tap].
template <class Pointer>
struct ThinWeights {
  Pointer w;
  int channel, tap;
};

constexpr Index spread_rows = 256;  ///< of a tile, see TileStatistics

/// Windows of one channel. Runs of 4 channels of the output are aligned.
template <class M>
void spread(Device<M>& device, const Windows<float>& x, const ThinWeights<const float*>& w,
            const Output<float>& output);
/// The same with statistics; 3x3.
template <class M>
void spread(Device<M>& device, const Windows<float>& x, const ThinWeights<const float*>& w, const Output<float>& output,
            const TileStatistics& statistics);

/// x is [output.rows][C], all runs of 4 aligned.
template <class M>
void collect(Device<M>& device, const Output<float>& output, Values<const float> x, const float* w);

/// wide is [thin.count][channels], x or dy, all runs of 4 aligned.
template <class M, Meaning meaning>
void thin_weights(Device<M>& device, const ThinWeights<float*>& out, TensorView<const float, meaning> wide,
                  const Windows<float>& thin, float* workspace);
template <class M>
Index thin_weights_workspace(const Device<M>& device, Index weights, Index pixels);

}  // namespace attnunet::cuda::gemm
