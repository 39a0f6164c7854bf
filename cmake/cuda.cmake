# nvcc, if there is one, and the GPUs to compile for: sets `have_cuda` and `gpus_text` and enables the language CUDA.
# Sets `tests_cuda`: whether tests of CUDA on GPUs are built. Without a GPU they would all be skipped; then only a build
# for other machines has them.

set(ATTNUNET_CUDA auto CACHE STRING "CUDA for GPUs: auto (if nvcc is found), on, off; the simulator is always built")
set(ATTNUNET_CUDA_ARCH present CACHE STRING "GPUs to compile for: present (those that nvidia-smi lists), all, or a list as \
in CMake's CUDA_ARCHITECTURES")

# The kernels use what compute capability 8.0 has and nothing that later ones add. 90 and 120 bring PTX as well, which
# the driver compiles when the program starts: GPUs of compute capability 10 take that of 90, later ones that of 120.
set(every_gpu 80-real 86-real 89-real 90 120)
# Without a GPU to ask: the machine code and the PTX of 8.0 run, compiled by the driver where need be, on all of them.
set(no_gpu 80)

# The compute capabilities of this machine's GPUs that nvcc knows and the kernels run on, as in "90".
function(attnunet_gpus_present result)
  set(present)
  find_program(NVIDIA_SMI nvidia-smi)
  mark_as_advanced(NVIDIA_SMI)
  if(NVIDIA_SMI)
    execute_process(COMMAND ${NVIDIA_SMI} --query-gpu=compute_cap --format=csv,noheader OUTPUT_VARIABLE lines ERROR_QUIET)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]+" present "${lines}")
    list(TRANSFORM present REPLACE "\\." "")
    list(REMOVE_DUPLICATES present)
    execute_process(COMMAND ${ATTNUNET_NVCC} --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET)
    foreach(gpu ${present})
      if(gpu LESS 80 OR NOT known MATCHES "sm_${gpu}\n")
        list(REMOVE_ITEM present ${gpu})
      endif()
    endforeach()
  endif()
  set(${result} "${present}" PARENT_SCOPE)
endfunction()

set(have_cuda OFF)
set(tests_cuda OFF)
if(NOT ATTNUNET_CUDA STREQUAL off AND NOT ATTNUNET_SANITIZE)  # sanitizers are for host code
  # Also where the toolkit's own folder is not on the PATH.
  find_program(ATTNUNET_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATH_SUFFIXES bin PATHS /usr/local/cuda/bin)
  if(ATTNUNET_NVCC)
    set(have_cuda ON)
    set(tests_cuda ON)
    if(ATTNUNET_CUDA_ARCH STREQUAL all)
      set(gpus ${every_gpu})
    elseif(ATTNUNET_CUDA_ARCH STREQUAL present)
      attnunet_gpus_present(gpus)
      if(NOT gpus)
        set(gpus ${no_gpu})
        set(tests_cuda OFF)
      endif()
    else()
      set(gpus ${ATTNUNET_CUDA_ARCH})
    endif()
    set(CMAKE_CUDA_COMPILER ${ATTNUNET_NVCC})
    set(CMAKE_CUDA_ARCHITECTURES ${gpus})
    set(CMAKE_CUDA_STANDARD 17)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    set(CMAKE_CUDA_EXTENSIONS OFF)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    enable_language(CUDA)
    set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")
    list(JOIN gpus ", " gpus_text)
  elseif(ATTNUNET_CUDA STREQUAL on)
    message(FATAL_ERROR "nvcc not found: install the CUDA toolkit, put nvcc on the PATH or set CUDA_HOME.")
  endif()
endif()
