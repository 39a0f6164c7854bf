// Tables of text for the terminal: columns as wide as their widest cell, the first left-aligned, numbers to the right.
#pragma once

#include <string>
#include <vector>

#include "common/core/geometry.h"

namespace attnunet {

class Table {
 public:
  /// `left`: columns aligned to the left, counted from the first.
  explicit Table(std::vector<std::string> headings, std::size_t left = 1);
  /// As many cells as headings.
  void add(std::vector<std::string> cells);
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::size_t left_;
};

/// printf's %.*f.
std::string fixed(double value, int digits);
/// 1948503 -> "1,948,503"
std::string grouped(Index value);
/// "2 x 64 x 64 x 32"
std::string shape_text(const Shape& shape);

}  // namespace attnunet
