# What the build is for, and how to get another.

set(backends "cpu, cuda-sim")
if(have_cuda)
  string(APPEND backends ", cuda ${CMAKE_CUDA_COMPILER_VERSION} (${gpus_text})")
endif()
message(STATUS "attnunet ${PROJECT_VERSION}: ${CMAKE_BUILD_TYPE} for ${instruction_sets_text}; backends: ${backends}")
if(ATTNUNET_SANITIZE)
  message(STATUS "attnunet: sanitizers ${ATTNUNET_SANITIZE}")
elseif(ATTNUNET_CPU_ARCH STREQUAL best)
  message(STATUS "attnunet: built for machines like this one; `make dist` builds for every x86-64 processor and GPU")
elseif(ATTNUNET_CPU_ARCH STREQUAL all)
  message(STATUS "attnunet: built for every x86-64 machine; `make` builds for this one alone, in less time")
endif()
