// Bytes as a safetensors file and as a checkpoint; text that begins with a brace as a checkpoint's configuration and as
// its case list, other text as its metric sums. Each is taken or is an Error; what was taken says the same when it is
// written.
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "common/core/error.h"
#include "common/io/safetensors.h"
#include "common/train/checkpoint.h"
#include "fuzz/memory_file.h"

namespace {

using namespace attnunet;

void read_tensors(const std::filesystem::path& path) {
  SafetensorsReader reader(path);
  for (const auto& [name, tensor] : reader.tensors()) {
    std::vector<float> values(static_cast<std::size_t>(tensor.size()));
    reader.read(tensor, values.data());
  }
}

template <class Work>
void allow_errors(Work&& work) {
  try {
    work();
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  allow_errors([&] {
    const std::string first = deciding_json(parse_deciding_json(text));
    if (deciding_json(parse_deciding_json(first)) != first) std::abort();
  });
  allow_errors([&] {
    const std::string first = MetricSums::from_text(text).to_text();
    if (MetricSums::from_text(first).to_text() != first) std::abort();
  });
  allow_errors([&] {
    const std::string first = CaseList::from_text(text).to_text();
    if (CaseList::from_text(first).to_text() != first) std::abort();
  });
  const MemoryFile file(bytes, size);
  allow_errors([&] { read_tensors(file.path()); });
  allow_errors([&] { load_checkpoint(file.path()); });
  return 0;
}
