#include "support/winograd.h"

#include <cmath>
#include <cstdlib>

namespace attnunet::winograd {
namespace {

constexpr double A[4][6] = {{1, 1, 1, 1, 1, 0}, {0, 1, 1, 2, 2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, 1, 8, 8, 1}};
constexpr double G[6][3] = {{1. / 4, 0, 0},
                            {1. / 6, 1. / 6, 1. / 6},
                            {1. / 6, 1. / 6, 1. / 6},
                            {1. / 24, 1. / 12, 1. / 6},
                            {1. / 24, 1. / 12, 1. / 6},
                            {0, 0, 1}};
constexpr double B[6][6] = {{4, 0, 5, 0, 1, 0}, {0, 4, 4, 1, 1, 0}, {0, 4, 4, 1, 1, 0},
                            {0, 2, 1, 2, 1, 0}, {0, 2, 1, 2, 1, 0}, {0, 4, 0, 5, 0, 1}};

std::size_t at(Index i) {
  return static_cast<std::size_t>(i);
}

/// Calls visit(tile, i, j, pixel) for the size x size pixels of every tile that lie in the image; the tile's own 4 x 4
/// start at (border, border).
template <class Visit>
void for_each_pixel(const Conv2dGeometry& g, Index size, Index border, const Visit& visit) {
  const Tiles tiles(g);
  for (Index t = 0; t < tiles.count; ++t)
    for (Index i = 0; i < size; ++i)
      for (Index j = 0; j < size; ++j) {
        const Index h = t / tiles.across % tiles.down * 4 + i - border, w = t % tiles.across * 4 + j - border;
        if (h >= 0 && h < g.H && w >= 0 && w < g.W) visit(t, i, j, (t / tiles.across / tiles.down * g.H + h) * g.W + w);
      }
}

/// |B^T| |d| |B| as [36][tiles][C].
Values inputs(const Conv2dGeometry& g, const Values& x) {
  const Index tiles = Tiles(g).count;
  Values V(at(36 * tiles * g.C));
  for_each_pixel(g, 6, 1, [&](Index t, Index i, Index j, Index pixel) {
    for (Index xi = 0; xi < 36; ++xi)
      for (Index c = 0; c < g.C; ++c)
        V[at((xi * tiles + t) * g.C + c)] += B[xi / 6][i] * B[xi % 6][j] * std::abs(x[at(pixel * g.C + c)]);
  });
  return V;
}

}  // namespace

Values forward_terms(const Conv2dGeometry& g, const Values& x, const Values& w, const Values& bias) {
  const Index tiles = Tiles(g).count;
  const Values V = inputs(g, x);
  Values U(at(36 * g.K * g.C)), M(at(36 * tiles * g.K)), y(at(g.pixels() * g.K));
  for (Index xi = 0; xi < 36; ++xi)
    for (Index k = 0; k < g.K; ++k)
      for (Index tap = 0; tap < 9; ++tap)
        for (Index c = 0; c < g.C; ++c)
          U[at((xi * g.K + k) * g.C + c)] +=
              G[xi / 6][tap / 3] * G[xi % 6][tap % 3] * std::abs(w[at((k * 9 + tap) * g.C + c)]);
  for (Index xi = 0; xi < 36; ++xi)
    for (Index t = 0; t < tiles; ++t)
      for (Index k = 0; k < g.K; ++k)
        for (Index c = 0; c < g.C; ++c)
          M[at((xi * tiles + t) * g.K + k)] += U[at((xi * g.K + k) * g.C + c)] * V[at((xi * tiles + t) * g.C + c)];
  for_each_pixel(g, 4, 0, [&](Index t, Index i, Index j, Index pixel) {
    for (Index k = 0; k < g.K; ++k) {
      double& sum = y[at(pixel * g.K + k)];
      sum = std::abs(bias[at(k)]);
      for (Index xi = 0; xi < 36; ++xi) sum += A[i][xi / 6] * A[j][xi % 6] * M[at((xi * tiles + t) * g.K + k)];
    }
  });
  return y;
}

Values backward_data_terms(const Conv2dGeometry& g, const Values& dy, const Values& w) {
  Values flipped(w.size());
  for (Index k = 0; k < g.K; ++k)
    for (Index tap = 0; tap < 9; ++tap)
      for (Index c = 0; c < g.C; ++c) flipped[at((c * 9 + 8 - tap) * g.K + k)] = w[at((k * 9 + tap) * g.C + c)];
  return forward_terms({g.N, g.H, g.W, g.K, g.C, 3}, dy, flipped, Values(at(g.C)));
}

Values backward_weights_terms(const Conv2dGeometry& g, const Values& dy, const Values& x) {
  const Index tiles = Tiles(g).count;
  const Values V = inputs(g, x);
  Values dM(at(36 * tiles * g.K)), dU(at(36 * g.K * g.C)), dw(at(g.weights()));
  for_each_pixel(g, 4, 0, [&](Index t, Index i, Index j, Index pixel) {
    for (Index xi = 0; xi < 36; ++xi)
      for (Index k = 0; k < g.K; ++k)
        dM[at((xi * tiles + t) * g.K + k)] += A[i][xi / 6] * A[j][xi % 6] * std::abs(dy[at(pixel * g.K + k)]);
  });
  for (Index xi = 0; xi < 36; ++xi)
    for (Index t = 0; t < tiles; ++t)
      for (Index k = 0; k < g.K; ++k)
        for (Index c = 0; c < g.C; ++c)
          dU[at((xi * g.K + k) * g.C + c)] += dM[at((xi * tiles + t) * g.K + k)] * V[at((xi * tiles + t) * g.C + c)];
  for (Index xi = 0; xi < 36; ++xi)
    for (Index k = 0; k < g.K; ++k)
      for (Index tap = 0; tap < 9; ++tap)
        for (Index c = 0; c < g.C; ++c)
          dw[at((k * 9 + tap) * g.C + c)] += G[xi / 6][tap / 3] * G[xi % 6][tap % 3] * dU[at((xi * g.K + k) * g.C + c)];
  return dw;
}

}  // namespace attnunet::winograd
