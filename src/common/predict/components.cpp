#include "common/predict/components.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace attnunet {
namespace {

struct Component {
  std::size_t area = 0;
  bool stays = true;
};

}  // namespace

void keep_components(data::Grey& mask, std::size_t min_area, std::size_t largest) {
  if (min_area == 0 && largest == 0) return;
  const auto at = [&](int x, int y) {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) + static_cast<std::size_t>(x);
  };
  std::vector<std::uint32_t> labels(mask.pixels.size(), 0);  // from 1, in the order of their first pixels
  std::vector<Component> components;
  std::vector<std::pair<int, int>> open;  // pixels whose neighbours are to be looked at
  const auto visit = [&](int x, int y) {
    const std::size_t i = at(x, y);
    if (mask.pixels[i] == 0 || labels[i] != 0) return;
    labels[i] = static_cast<std::uint32_t>(components.size());
    ++components.back().area;
    open.emplace_back(x, y);
  };
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x) {
      if (mask.pixels[at(x, y)] == 0 || labels[at(x, y)] != 0) continue;
      components.emplace_back();
      visit(x, y);
      while (!open.empty()) {
        const auto [column, row] = open.back();
        open.pop_back();
        for (int ny = std::max(row - 1, 0); ny <= std::min(row + 1, mask.height - 1); ++ny)
          for (int nx = std::max(column - 1, 0); nx <= std::min(column + 1, mask.width - 1); ++nx) visit(nx, ny);
      }
    }

  for (Component& one : components) one.stays = one.area >= min_area;
  if (largest > 0) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < components.size(); ++i)
      if (components[i].stays) order.push_back(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return components[a].area > components[b].area; });
    for (std::size_t rank = largest; rank < order.size(); ++rank) components[order[rank]].stays = false;
  }
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] != 0 && !components[labels[i] - 1].stays) mask.pixels[i] = 0;
}

}  // namespace attnunet
