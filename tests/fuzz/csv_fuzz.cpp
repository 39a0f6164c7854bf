// Bytes as a CSV file of cases: the cases of its right rows and a line for each wrong one, or an Error. Files that
// exist have absolute names here, such as /proc/self/exe.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>

#include "common/core/error.h"
#include "common/data/layouts.h"
#include "fuzz/memory_file.h"

namespace {

using namespace attnunet;

bool is_right(const data::Found& found) {
  std::map<std::string, data::Part> groups;
  std::set<std::filesystem::path> images;
  for (const auto& [one, long_name, place] : found.cases) {
    if (one.image.empty() || one.masks.size() != 1 || !(one.mm_per_pixel >= 0)) return false;
    if (!images.insert(one.image.lexically_normal()).second) return false;
    if (place.find("..") == 0 || (!place.empty() && place.front() == '/')) return false;
    if (!one.group.empty() && groups.emplace(one.group, one.part).first->second != one.part) return false;
  }
  for (const data::Problem& problem : found.problems)
    if (problem.text.empty() || problem.text.find_first_of("\n\r") != std::string::npos) return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const MemoryFile file(bytes, size);
  try {
    if (!is_right(data::scan_csv(file.path()))) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
