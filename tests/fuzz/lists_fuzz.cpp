// Bytes as the two list files, parted by the first zero byte: a split of what they name, no case on both sides, or an
// Error.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>

#include "common/core/error.h"
#include "common/data/split.h"
#include "fuzz/memory_file.h"

namespace {

using namespace attnunet;

// Names only: what the lists are looked up in. One name is in two classes, others differ in little.
data::Dataset named_dataset() {
  data::Dataset dataset{"/proc/self/fd/none", {}, {}};
  const auto add = [&](const std::string& class_name, const std::string& name) {
    dataset.cases.push_back({name, class_name, dataset.root / class_name / (name + ".png"), {}});
  };
  for (const char* name : {"a", "ab", "benign (1)", "benign (2)", "benign (10)", "twice"}) add("benign", name);
  for (const char* name : {"malignant (1)", "twice"}) add("malignant", name);
  return dataset;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const data::Dataset dataset = named_dataset();
  const auto* parting = static_cast<const std::uint8_t*>(size == 0 ? nullptr : std::memchr(bytes, 0, size));
  const std::size_t first = parting == nullptr ? size : static_cast<std::size_t>(parting - bytes);
  const std::size_t rest = parting == nullptr ? size : first + 1;
  const MemoryFile train(bytes, first), val(bytes + rest, size - rest);
  data::SplitOptions options;
  options.train_list = train.path();
  options.val_list = val.path();
  try {
    const data::Split split = data::make_split(dataset, options);
    std::set<std::size_t> named(split.train.begin(), split.train.end());
    named.insert(split.val.begin(), split.val.end());
    const bool right = !split.train.empty() && !split.val.empty() &&
                       named.size() == split.train.size() + split.val.size() && *named.rbegin() < dataset.cases.size();
    if (!right) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
