// Tensors that are some columns of a wider one, as the halves of the decoder's concatenated tensor are.
#pragma once

#include <gtest/gtest.h>

#include <limits>

#include "common/gradcheck/layer_case.h"

namespace attnunet {

/// Columns first .. first + channels - 1 of pixels that are `stride` elements long.
struct Columns {
  Index first, channels, stride;

  bool contains(std::size_t i) const {
    const Index column = static_cast<Index>(i) % stride;
    return column >= first && column < first + channels;
  }
};

/// What the other columns hold: a number of its own for each element, exact in float32, that no layer makes by chance.
inline double sentinel(std::size_t i) {
  return 1e6 + static_cast<double>(i);
}

/// The columns of a wide tensor as a view.
template <class T>
Values<T> values(T* wide, Index pixels, const Columns& columns) {
  return {wide + columns.first, pixels, columns.channels, columns.stride};
}
template <class T>
Gradients<T> gradients(T* wide, Index pixels, const Columns& columns) {
  return {wide + columns.first, pixels, columns.channels, columns.stride};
}

/// The wide tensor with `own` in its columns.
inline gradcheck::Array widened(const gradcheck::Array& own, const Columns& columns) {
  const std::size_t pixels = own.values.size() / static_cast<std::size_t>(columns.channels);
  gradcheck::Array wide{own.name, std::vector<double>(pixels * static_cast<std::size_t>(columns.stride))};
  std::size_t next = 0;
  for (std::size_t i = 0; i < wide.values.size(); ++i)
    wide.values[i] = columns.contains(i) ? own.values.at(next++) : sentinel(i);
  return wide;
}

/// The wide tensor with NaN in its columns, for a layer to overwrite.
inline gradcheck::Array widened_nan(Index pixels, const Columns& columns) {
  const auto n = static_cast<std::size_t>(pixels * columns.channels);
  return widened({"", std::vector<double>(n, std::numeric_limits<double>::quiet_NaN())}, columns);
}

/// The columns of the wide tensor. That the others are as they were is expected here.
inline gradcheck::Array narrowed(const gradcheck::Array& wide, const Columns& columns) {
  gradcheck::Array own{wide.name, {}};
  std::size_t touched = 0;
  for (std::size_t i = 0; i < wide.values.size(); ++i) {
    if (columns.contains(i))
      own.values.push_back(wide.values[i]);
    else if (wide.values[i] != sentinel(i))
      ++touched;
  }
  EXPECT_EQ(touched, 0u) << wide.name << ": elements of other columns changed";
  return own;
}

}  // namespace attnunet
