// The start of the program: it holds the host's code once for each instruction set that it is built for
// (cmake/copies.cmake), and this chooses one. Compiled, as all common code is, for any x86-64.
#include <cstdio>
#include <cstdlib>
#include <cstring>

// The copies, best first: list.inc, which the build makes, names each to a macro ATTNUNET_COPY(set, main_of_copy).
extern "C" {
#define ATTNUNET_COPY(set, main_of_copy) int main_of_copy(int argc, char** argv);
#include <list.inc>
#undef ATTNUNET_COPY
}

int main(int argc, char** argv) {
  const struct {
    const char* name;
    bool here;  // the processor has it, and the system keeps its registers
    int (*main)(int, char**);
  } copies[] = {
#define ATTNUNET_COPY(set, main_of_copy) {set, __builtin_cpu_supports(set) != 0, main_of_copy},
#include <list.inc>
#undef ATTNUNET_COPY
  };
  const char* asked = std::getenv("ATTNUNET_CPU");
  for (const auto& copy : copies) {
    if (asked != nullptr ? std::strcmp(asked, copy.name) != 0 : !copy.here) continue;
    if (copy.here) return copy.main(argc, argv);
    std::fprintf(stderr, "attnunet: ATTNUNET_CPU=%s: this processor lacks that instruction set\n", asked);
    return 2;
  }
  std::fprintf(stderr, "attnunet: ");
  if (asked == nullptr)
    std::fprintf(stderr, "this processor lacks the instruction set that this build is for");
  else
    std::fprintf(stderr, "ATTNUNET_CPU=%s: not in this build", asked);
  for (const auto& copy : copies) std::fprintf(stderr, "%s %s", &copy == copies ? ", which has" : ",", copy.name);
  const bool for_one = sizeof copies == sizeof copies[0];
  std::fprintf(stderr, "%s\n", for_one ? "; `make dist` builds for every x86-64 processor" : "");
  return 2;
}
