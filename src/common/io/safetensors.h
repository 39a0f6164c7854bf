// The safetensors format (Hugging Face): named arrays and a table of strings.
//
//   8 bytes    header length L, little-endian
//   L bytes    JSON {"__metadata__": {key: string},
//                    NAME: {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, ..}
//   the rest   the arrays, C-contiguous; offsets count from here, leave no gap and end with the file
//
// Arrays are written in float32. Those in float64, float16 and bfloat16 are read too; a file may have arrays of other
// types beside them.
// What we write has the same bytes for the same contents: metadata sorted by key, tensors in the order they are given,
// compact JSON, padded with spaces so that the arrays start on a multiple of 8.
// What we read may come from anywhere and is believed only where it is consistent: the header is taken apart event by
// event (no tree is built, so neither depth nor length can exhaust memory), and no length is allocated before it was
// found to lie inside the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/core/geometry.h"

namespace attnunet {

struct StoredTensor {
  std::string name;
  std::vector<Index> shape;
  std::uint64_t begin = 0, end = 0;  ///< bytes of the data; set by the reader
  std::string dtype = "F32";         ///< as the file names it
  /// Product of the shape.
  Index size() const;
};

/// `fill(i, values)` is called for each tensor in turn and writes its size() values.
/// Throws Error where the file cannot be written (the old one stays) or a string is not UTF-8.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata,
                       const std::vector<StoredTensor>& tensors, const std::function<void(std::size_t, float*)>& fill);

class SafetensorsReader {
 public:
  /// Reads and checks the header. Throws Error, one line naming the file, where anything in it is not as above.
  explicit SafetensorsReader(const std::filesystem::path& path);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// By name.
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  /// Reads the tensor's size() values; float64 is rounded. Throws Error if it holds no floating-point numbers of 16, 32
  /// or 64 bits.
  void read(const StoredTensor& tensor, float* values);

 private:
  std::filesystem::path path_;
  std::ifstream file_;
  std::uint64_t data_start_ = 0;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace attnunet
