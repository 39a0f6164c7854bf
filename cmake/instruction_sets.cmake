# Which instruction sets the program is built for: sets `instruction_sets`, best first, and `has_copies`, whether the
# program consists of one copy per set (cmake/copies.cmake) or is linked plainly for a single -march.

set(ATTNUNET_CPU_ARCH best CACHE STRING "processors to build for: best (the best of x86-64-v4, x86-64-v3 and x86-64 that \
this machine has), all (all three: the program chooses when it starts) or a value of g++ -march")

# AVX-512; AVX2 with FMA; SSE2.
set(named_sets x86-64-v4 x86-64-v3 x86-64)

# x86-64-v4 -> x86_64_v4, for names of targets and symbols
function(attnunet_suffix result set)
  string(MAKE_C_IDENTIFIER ${set} suffix)
  set(${result} ${suffix} PARENT_SCOPE)
endfunction()

# The set that the simulator is compiled for in the copy of a set: AVX-512 gains it little, so it has two versions only.
function(attnunet_simulator_set result set)
  string(REPLACE x86-64-v4 x86-64-v3 simulator_set ${set})
  set(${result} ${simulator_set} PARENT_SCOPE)
endfunction()

# Those of the named sets that this machine has, as src/dispatch.cpp would find when the program starts.
function(attnunet_sets_of_this_machine result)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=native -E -dM -x c++ /dev/null OUTPUT_VARIABLE macros)
  set(have ${named_sets})
  foreach(need x86-64-v4/AVX512F x86-64-v4/AVX512BW x86-64-v4/AVX512CD x86-64-v4/AVX512DQ x86-64-v4/AVX512VL
               x86-64-v3/AVX2 x86-64-v3/FMA x86-64-v3/BMI x86-64-v3/BMI2 x86-64-v3/F16C x86-64-v3/LZCNT x86-64-v3/MOVBE)
    get_filename_component(set ${need} DIRECTORY)
    get_filename_component(macro ${need} NAME)
    if(NOT macros MATCHES "__${macro}__")
      list(REMOVE_ITEM have ${set})
    endif()
  endforeach()
  set(${result} ${have} PARENT_SCOPE)
endfunction()

# The named sets, and linking a copy for each, are a matter of GCC and ELF. Sanitizers want a plain link.
set(can_copy OFF)
if(CMAKE_SYSTEM_NAME STREQUAL Linux AND CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64 AND CMAKE_SIZEOF_VOID_P EQUAL 8
   AND CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12
   AND NOT ATTNUNET_SANITIZE)
  set(can_copy ON)
endif()

set(has_copies OFF)
if(NOT ATTNUNET_CPU_ARCH MATCHES "^(best|all)$")
  set(instruction_sets ${ATTNUNET_CPU_ARCH})
  if(can_copy AND ATTNUNET_CPU_ARCH IN_LIST named_sets)
    set(has_copies ON)
  endif()
elseif(NOT can_copy)
  set(instruction_sets native)
else()
  set(has_copies ON)
  set(instruction_sets ${named_sets})
  if(ATTNUNET_CPU_ARCH STREQUAL best)
    attnunet_sets_of_this_machine(instruction_sets)
    list(GET instruction_sets 0 instruction_sets)
  endif()
endif()

list(JOIN instruction_sets ", " instruction_sets_text)
if(instruction_sets STREQUAL native)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -march=native -Q --help=target OUTPUT_VARIABLE target_help ERROR_QUIET)
  if(target_help MATCHES "-march=[ \t]+([^ \t\n]+)")
    set(instruction_sets_text "native (${CMAKE_MATCH_1})")
  endif()
endif()
