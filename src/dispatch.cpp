// The start of a program that serves every x86-64 machine: it holds the host's code once for each instruction set
// (CMakeLists.txt, attnunet_add_copy), and this chooses one. Compiled, as all common code is, for any x86-64.
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
// src/main.cpp's main, of each copy.
int attnunet_main_x86_64_v4(int argc, char** argv);
int attnunet_main_x86_64_v3(int argc, char** argv);
int attnunet_main_x86_64(int argc, char** argv);
}

int main(int argc, char** argv) {
  struct {
    const char* name;
    bool here;  // the processor has it, and the system keeps its registers
    int (*main)(int, char**);
  } const sets[] = {
      {"x86-64-v4", __builtin_cpu_supports("x86-64-v4") != 0, attnunet_main_x86_64_v4},
      {"x86-64-v3", __builtin_cpu_supports("x86-64-v3") != 0, attnunet_main_x86_64_v3},
      {"x86-64", true, attnunet_main_x86_64},
  };
  const char* asked = std::getenv("ATTNUNET_CPU");
  for (const auto& set : sets) {
    if (asked != nullptr ? std::strcmp(asked, set.name) != 0 : !set.here) continue;
    if (set.here) return set.main(argc, argv);
    std::fprintf(stderr, "attnunet: ATTNUNET_CPU=%s: this processor lacks that instruction set\n", asked);
    return 2;
  }
  std::fprintf(stderr, "attnunet: ATTNUNET_CPU=%s: not one of x86-64-v4, x86-64-v3, x86-64\n", asked);
  return 2;
}
