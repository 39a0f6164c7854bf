# The hot files: src/cpu and the kernels of src/cuda, the latter for the simulator and for GPUs.

# src/cpu for one instruction set. Only these files include Eigen, all with the same flags, so that no inline function of
# Eigen exists in two versions that the linker could mix.
function(attnunet_add_cpu_objects set title)
  attnunet_suffix(suffix ${set})
  file(GLOB sources CONFIGURE_DEPENDS src/cpu/*.cpp)
  add_library(attnunet_cpu_${suffix} OBJECT ${sources})
  # Multiply and add contract to FMA (GCC's default where the instruction set has it). Eigen's own threading stays off:
  # our loops are the parallel ones. Its packed operands may take 512 KB of stack before it turns to malloc.
  # -fno-math-errno, -fno-trapping-math: sqrt and comparisons may become vector instructions; no result changes.
  target_compile_options(attnunet_cpu_${suffix} PRIVATE -march=${set} -fno-math-errno -fno-trapping-math)
  target_compile_definitions(attnunet_cpu_${suffix} PRIVATE EIGEN_DONT_PARALLELIZE EIGEN_STACK_ALLOCATION_LIMIT=524288
                                                            ATTNUNET_INSTRUCTION_SET="${title}")
  target_link_libraries(attnunet_cpu_${suffix} PRIVATE attnunet_options Eigen3::Eigen OpenMP::OpenMP_CXX)
  # What may be inlined decides where multiply and add contract: each file alone, whichever way the rest is built.
  set_target_properties(attnunet_cpu_${suffix} PROPERTIES UNITY_BUILD OFF)
endfunction()

file(GLOB cuda_sources CONFIGURE_DEPENDS src/cuda/*.cu)
file(GLOB engine_sources CONFIGURE_DEPENDS src/cuda/sim/*.cpp src/cuda/simulator.cpp)

# Kernels as the host's compiler takes them: each in a file that includes it. path: below the include folder.
function(attnunet_simulated_sources result path)
  set(simulated)
  foreach(source ${ARGN})
    get_filename_component(name ${source} NAME_WE)
    if(NOT name STREQUAL gpu)  # the GPU's memory and copies
      file(CONFIGURE OUTPUT simulator/${path}/${name}.cpp CONTENT "#include \"${path}/${name}.cu\"\n")
      list(APPEND simulated ${CMAKE_CURRENT_BINARY_DIR}/simulator/${path}/${name}.cpp)
    endif()
  endforeach()
  set(${result} ${simulated} PARENT_SCOPE)
endfunction()
attnunet_simulated_sources(simulated_sources cuda ${cuda_sources})

# The simulator for one instruction set. Multiply-adds contract nowhere by themselves (src/cuda/kernel.h), but kernels
# call fma: without the instruction it is a slow library function. -O2: they run as fast as with -O3 and compile faster.
function(attnunet_add_simulator set)
  attnunet_suffix(suffix ${set})
  add_library(attnunet_simulator_${suffix} OBJECT ${simulated_sources} ${engine_sources})
  target_compile_definitions(attnunet_simulator_${suffix} PRIVATE ATTNUNET_SIMULATOR)
  target_compile_options(attnunet_simulator_${suffix} PRIVATE -march=${set} -ffp-contract=off $<$<CONFIG:Release>:-O2>)
  target_link_libraries(attnunet_simulator_${suffix} PRIVATE attnunet_options Threads::Threads)
  target_precompile_headers(attnunet_simulator_${suffix} PRIVATE <algorithm> <cmath> <functional> <string> <vector>)
  foreach(name gemm_ffma gemm_tensor_core)  # as long as the rest of a batch
    set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/simulator/cuda/${name}.cpp PROPERTIES
                                SKIP_UNITY_BUILD_INCLUSION ON)
  endforeach()
  if(Boost_FOUND)
    target_link_libraries(attnunet_simulator_${suffix} PRIVATE Boost::context)
  else()
    target_compile_definitions(attnunet_simulator_${suffix} PRIVATE ATTNUNET_UCONTEXT)
  endif()
endfunction()
if(ATTNUNET_SANITIZE MATCHES thread)
  # Between two stacks no instrumented call may return: it would be taken off the wrong one's record.
  set_source_files_properties(src/cuda/sim/fiber.cpp PROPERTIES
                              COMPILE_OPTIONS -fno-sanitize=thread COMPILE_DEFINITIONS ATTNUNET_TSAN
                              SKIP_PRECOMPILE_HEADERS ON)
endif()

set(simulator_sets)
foreach(set ${instruction_sets})
  if(has_copies)
    attnunet_add_cpu_objects(${set} ${set})
    attnunet_simulator_set(simulator_set ${set})
  else()
    attnunet_add_cpu_objects(${set} "${instruction_sets_text}")
    set(simulator_set ${set})
  endif()
  list(APPEND simulator_sets ${simulator_set})
endforeach()
list(REMOVE_DUPLICATES simulator_sets)
foreach(set ${simulator_sets})
  attnunet_add_simulator(${set})
endforeach()

if(have_cuda)
  set(units ${cuda_sources})
  if(CMAKE_UNITY_BUILD)
    # CMake itself joins no CUDA files. nvcc takes over a second to start; the two kept apart take the longest.
    set(together)
    foreach(source ${cuda_sources})
      if(NOT source MATCHES "/gemm_(ffma|tensor_core)[.]cu$")
        list(REMOVE_ITEM units ${source})
        string(APPEND together "#include \"${source}\"\n")
      endif()
    endforeach()
    file(CONFIGURE OUTPUT together.cu CONTENT "${together}" @ONLY)
    list(PREPEND units ${CMAKE_BINARY_DIR}/together.cu)
  endif()
  add_library(attnunet_cuda STATIC ${units})
  target_compile_options(attnunet_cuda PRIVATE ${cuda_options})
  target_link_libraries(attnunet_cuda PUBLIC attnunet_options)
  target_link_libraries(attnunet_libraries INTERFACE attnunet_cuda)
endif()
