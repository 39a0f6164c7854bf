#include "common/data/fingerprint.h"

#include <numeric>

#include "common/core/fnv.h"
#include "common/core/in_parallel.h"
#include "common/data/resize.h"
#include "common/data/sample.h"
#include "common/io/machine.h"

namespace attnunet::data {

Fingerprint fingerprint_of(const Grey& image) {
  Fnv hash;
  hash.take(std::to_string(image.width));
  hash.take(std::to_string(image.height));
  hash.take(image.pixels);
  return {hash.text(), resize_bilinear(image, thumbnail_size, thumbnail_size)};
}

// What is trained with decides how pixels are read, but not which images are the same: `Reading()` here and below.
void Fingerprints::take(std::size_t one, const RawImage& file) {
  Known& known = known_[one];
  if (known.read) return;
  known.fingerprint =
      fingerprint_of(dataset_.cases[one].reading.files.ignore_orientation ? image_of(oriented(file), Reading())
                                                                          : image_of(file, Reading()));
  known.read = true;
}

void Fingerprints::read(const std::vector<std::size_t>& cases) {
  std::vector<std::size_t> unread;
  for (const std::size_t one : cases)
    if (!known_[one].read) unread.push_back(one);
  if (unread.empty()) return;
  in_parallel(unread.size(), all_cores(), [&](std::size_t i) {
    Known& known = known_[unread[i]];
    try {
      Case one = dataset_.cases[unread[i]];
      one.reading = Reading();
      known.fingerprint = fingerprint_of(load_image(one));
    } catch (...) {
      known.failure = std::current_exception();
    }
    known.read = true;
  });
}

bool Fingerprints::readable(std::size_t one) {
  read({one});
  return known_[one].failure == nullptr;
}

const Fingerprint& Fingerprints::at(std::size_t one) {
  if (!readable(one)) std::rethrow_exception(known_[one].failure);
  return known_[one].fingerprint;
}

std::vector<Grey> Fingerprints::thumbnails(const std::vector<std::size_t>& cases) {
  read(cases);
  std::vector<Grey> result;
  for (const std::size_t one : cases) result.push_back(at(one).thumbnail);
  return result;
}

std::vector<Grey> Fingerprints::thumbnails() {
  std::vector<std::size_t> cases(dataset_.cases.size());
  std::iota(cases.begin(), cases.end(), std::size_t{0});
  return thumbnails(cases);
}

}  // namespace attnunet::data
