#include <algorithm>

#include "cuda/gemm_thin.h"
#include "cuda/gemm_tile.h"
#include "cuda/kernel.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda::gemm {
namespace {

using Spread = Tile<spread_rows, 32, 1, 8, 4, 4>;

template <int R, bool with_statistics>
__global__ void __launch_bounds__(Spread::threads)
    spread_kernel(Windows<float> x, ThinWeights<const float*> w, Output<float> output, TileStatistics statistics) {
  constexpr int taps = R * R;
  const int tile_row = static_cast<int>(blockIdx.x);
  const int thread_row = static_cast<int>(threadIdx.x) / Spread::across;
  const int first_column = static_cast<int>(threadIdx.x) % Spread::across * 4;
  const int first_row = tile_row * Spread::rows + 4 * thread_row;
  const int column_0 = static_cast<int>(blockIdx.y) * Spread::columns;

  float weights[taps][4];
  ATTNUNET_UNROLL
  for (int tap = 0; tap < taps; ++tap) {
    ATTNUNET_UNROLL
    for (int j = 0; j < 4; ++j) {
      const int k = column_0 + first_column + j;
      weights[tap][j] = k < output.K ? w.w[k * w.channel + tap * w.tap] : 0.0f;
    }
  }
  float sum[Spread::own_rows][4] = {};
  ATTNUNET_UNROLL
  for (int i = 0; i < Spread::own_rows; ++i) {
    const auto window = x.window(first_row + i / 4 * (4 * Spread::down) + i % 4, x.count);
    ATTNUNET_UNROLL
    for (int tap = 0; tap < taps; ++tap) {
      float value;
      load_or_zero(value, x.at(window, {tap / R, tap % R, 0}));
      ATTNUNET_UNROLL
      for (int j = 0; j < 4; ++j) sum[i][j] = fma(value, weights[tap][j], sum[i][j]);
    }
  }
  write_out<Spread>(output, sum, first_row, column_0 + first_column, 0);
  if (with_statistics)
    tile_statistics<Spread>(statistics, output, sum, tile_row, first_row, column_0, thread_row, first_column);
}

template <int R, bool with_statistics, class M>
void launch_spread(Device<M>& device, const Windows<float>& x, const ThinWeights<const float*>& w,
                   const Output<float>& output, const TileStatistics& statistics) {
  const dim3 grid(blocks_for(x.count, Spread::rows), blocks_for(output.K, Spread::columns));
  launch(device, {"spread", grid, Spread::threads}, spread_kernel<R, with_statistics>, x, w, output, statistics);
}

constexpr int collect_threads = 256, collect_lanes = 4;

__global__ void __launch_bounds__(collect_threads)
    collect_kernel(Output<float> output, const float* x, const float* w, int C, int stride) {
  const Index pixel = thread_of_grid() / collect_lanes, pixels = output.rows;
  const int lane = static_cast<int>(threadIdx.x) % collect_lanes;
  float sum = 0;
  if (pixel < pixels) {
    for (int c = 4 * lane; c < C; c += 4 * collect_lanes) {
      const float4 a = *reinterpret_cast<const float4*>(x + pixel * stride + c);
      const float4 b = *reinterpret_cast<const float4*>(w + c);
      sum = fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
    }
  }
  sum += warp_shuffle_xor(sum, 1);
  sum += warp_shuffle_xor(sum, 2);
  if (lane == 0 && pixel < pixels) {
    float* to = output.row(static_cast<int>(pixel), 0);
    const float value = output.bias != nullptr ? sum + *output.bias : sum;
    *to = activated(output.add ? *to + value : value, output.activation);
  }
}

constexpr int weights_threads = 256, most_groups = 64;

// Threads (lane, group of 4 channels): group fastest, so that a warp reads consecutive memory.
template <int R>
__global__ void __launch_bounds__(weights_threads)
    thin_weights_kernel(ThinWeights<float*> out, Index per_chunk, const float* wide, int channels, int stride,
                        Windows<float> thin, int chunk) {
  constexpr int taps = R * R;
  ATTNUNET_SHARED(float, lane_sums, [taps][weights_threads * 4]);
  const int left = channels / 4 - static_cast<int>(blockIdx.y) * most_groups;
  const int groups = left < most_groups ? left : most_groups, lanes = weights_threads / groups;
  const int thread = static_cast<int>(threadIdx.x), lane = thread / groups;
  const int first_channel = static_cast<int>(blockIdx.y) * most_groups * 4;
  const int begin = static_cast<int>(blockIdx.x) * chunk, end = begin + chunk < thin.count ? begin + chunk : thin.count;

  float sum[taps][4] = {};
  if (lane < lanes) {
    auto window = thin.window(begin + lane, end);
    const float* from = wide + (Index{begin + lane} * stride + first_channel + thread % groups * 4);
    for (; window.left > 0; thin.advance(window, lanes), from += Index{lanes} * stride) {
      const float4 four = *reinterpret_cast<const float4*>(from);
      ATTNUNET_UNROLL
      for (int tap = 0; tap < taps; ++tap) {
        float value;
        load_or_zero(value, thin.at(window, {tap / R, tap % R, 0}));
        sum[tap][0] = fma(four.x, value, sum[tap][0]);
        sum[tap][1] = fma(four.y, value, sum[tap][1]);
        sum[tap][2] = fma(four.z, value, sum[tap][2]);
        sum[tap][3] = fma(four.w, value, sum[tap][3]);
      }
    }
  }
  ATTNUNET_UNROLL
  for (int tap = 0; tap < taps; ++tap)
    *reinterpret_cast<float4*>(&lane_sums[tap][4 * thread]) =
        make_float4(sum[tap][0], sum[tap][1], sum[tap][2], sum[tap][3]);
  ATTNUNET_SYNCTHREADS();
  const int wide_channels = 4 * groups;
  for (int i = thread; i < taps * wide_channels; i += weights_threads) {
    const int tap = i / wide_channels, channel = i - tap * wide_channels;
    float total = lane_sums[tap][channel];
    for (int other = 1; other < lanes; ++other) total += lane_sums[tap][other * wide_channels + channel];
    out.w[blockIdx.x * per_chunk + (first_channel + channel) * out.channel + tap * out.tap] = total;
  }
}

Index thin_chunk(Index pixels) {
  constexpr Index blocks = 1024, shortest = 256;
  return std::max(shortest, (pixels + blocks - 1) / blocks);
}

}  // namespace

template <class M>
void spread(Device<M>& device, const Windows<float>& x, const ThinWeights<const float*>& w,
            const Output<float>& output) {
  if (x.R == 1)
    launch_spread<1, false>(device, x, w, output, {});
  else
    launch_spread<3, false>(device, x, w, output, {});
}

template <class M>
void spread(Device<M>& device, const Windows<float>& x, const ThinWeights<const float*>& w, const Output<float>& output,
            const TileStatistics& statistics) {
  launch_spread<3, true>(device, x, w, output, statistics);
}

template <class M>
void collect(Device<M>& device, const Output<float>& output, Values<const float> x, const float* w) {
  launch(device, {"collect", blocks_for(output.rows, collect_threads / collect_lanes), collect_threads}, collect_kernel,
         output, x.data, w, to_int(x.channels), to_int(x.stride));
}

template <class M>
Index thin_weights_workspace(const Device<M>&, Index weights, Index pixels) {
  const Index chunk = thin_chunk(pixels);
  return weight_gradient_workspace((pixels + chunk - 1) / chunk, weights);
}

template <class M, Meaning meaning>
void thin_weights(Device<M>& device, const ThinWeights<float*>& out, TensorView<const float, meaning> wide,
                  const Windows<float>& thin, float* workspace) {
  const Index channels = wide.channels;
  const Index chunk = thin_chunk(thin.count), chunks = (thin.count + chunk - 1) / chunk;
  const Index weights = channels * thin.R * thin.R;
  ThinWeights<float*> partials = out;
  if (chunks > 1) partials.w = workspace;
  const dim3 grid(static_cast<unsigned>(chunks), blocks_for(channels, most_groups * 4));
  const auto kernel = thin.R == 1 ? thin_weights_kernel<1> : thin_weights_kernel<3>;
  launch(device, {"thin_weights", grid, weights_threads}, kernel, partials, weights, wide.data, to_int(channels),
         to_int(wide.stride), thin, to_int(chunk));
  add_weight_gradients(device, out.w, partials.w, chunks, weights);
}

template void spread(ThisDevice&, const Windows<float>&, const ThinWeights<const float*>&, const Output<float>&);
template void spread(ThisDevice&, const Windows<float>&, const ThinWeights<const float*>&, const Output<float>&,
                     const TileStatistics&);
template void collect(ThisDevice&, const Output<float>&, Values<const float>, const float*);
template Index thin_weights_workspace(const ThisDevice&, Index, Index);
template void thin_weights(ThisDevice&, const ThinWeights<float*>&, Values<const float>, const Windows<float>&, float*);
template void thin_weights(ThisDevice&, const ThinWeights<float*>&, Gradients<const float>, const Windows<float>&,
                           float*);

}  // namespace attnunet::cuda::gemm
