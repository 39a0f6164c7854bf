// How an image is recognised, whatever it is called and wherever it lies: the same image by a hash of its pixels, a
// near-duplicate by its thumbnail (similarity.h).
// Proof: tests/fingerprint_test.cpp
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <vector>

#include "common/data/dataset.h"
#include "common/data/similarity.h"

namespace attnunet::data {

struct Fingerprint {
  /// 64-bit FNV-1a hash, 16 hexadecimal digits, of width, height and luma of the image at its own size. Of a file that
  /// names the region of the picture (RawImage::region): of that region, since it is all that is trained on.
  std::string hash;
  Grey thumbnail;  ///< thumbnail_size x thumbnail_size
};

Fingerprint fingerprint_of(const Grey& image);

/// The fingerprints of a dataset's images (cases are indices into it). Each image is read once, when it is first asked
/// for, with several threads.
class Fingerprints {
 public:
  /// The dataset must outlive this.
  explicit Fingerprints(const Dataset& dataset) : dataset_(dataset), known_(dataset.cases.size()) {}

  /// Takes the fingerprint of an image that was read for another purpose, as its case's reading says, and so spares
  /// reading it here. May be called for several cases at the same time.
  void take(std::size_t one, const RawImage& file);
  /// Reads what has not been read yet. An image that cannot be read is none of the errors of this call.
  void read(const std::vector<std::size_t>& cases);
  /// Whether the image could be read.
  bool readable(std::size_t one);
  /// Throws the Error of an image that cannot be read.
  const Fingerprint& at(std::size_t one);
  /// Of the cases in their order. Throws the Error of the first that cannot be read.
  std::vector<Grey> thumbnails(const std::vector<std::size_t>& cases);
  /// Of all cases of the dataset.
  std::vector<Grey> thumbnails();

 private:
  struct Known {
    bool read = false;
    Fingerprint fingerprint;
    std::exception_ptr failure;
  };
  const Dataset& dataset_;
  std::vector<Known> known_;
};

}  // namespace attnunet::data
