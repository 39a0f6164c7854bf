# What every object is compiled with: the interface library attnunet_options, and of what nvcc compiles cuda_options.

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
if(ATTNUNET_SANITIZE)
  set(CMAKE_CXX_FLAGS_DEBUG "-g1 -O1")  # before what targets ask for, so that tests can have -O0
endif()

set(warnings -Wall -Wextra -Wpedantic -Wconversion)
# Multiply-adds contract nowhere by themselves (src/cuda/kernel.h). -Wpedantic would complain of what nvcc generates.
set(cuda_options -fmad=false -Xcompiler=-Wall,-Wextra,-Wconversion)
if(ATTNUNET_WERROR)
  list(APPEND warnings -Werror)
  list(APPEND cuda_options -Werror=all-warnings -Xcompiler=-Werror)
endif()

add_library(attnunet_options INTERFACE)
target_include_directories(attnunet_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(attnunet_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>")
if(has_copies)
  # Else static data of inline functions and templates would stay visible outside a copy (cmake/copies.cmake).
  target_compile_options(attnunet_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>")
endif()
if(have_cuda)
  target_compile_definitions(attnunet_options INTERFACE ATTNUNET_HAVE_CUDA)
endif()
if(ATTNUNET_SANITIZE)
  target_compile_options(attnunet_options INTERFACE -fsanitize=${ATTNUNET_SANITIZE} -fno-sanitize-recover=all
                                                    -fno-omit-frame-pointer)
  target_link_options(attnunet_options INTERFACE -fsanitize=${ATTNUNET_SANITIZE})
  # With sanitizers GCC 12 takes a variable in its own avx512fintrin.h for uninitialised (GCC bug 105593).
  target_compile_options(attnunet_options INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized)
endif()

# What the host's objects need besides each other.
add_library(attnunet_libraries INTERFACE)
target_link_libraries(attnunet_libraries INTERFACE attnunet_options CLI11::CLI11 nlohmann_json::nlohmann_json
                                                   ${LODEPNG_LIBRARY} JPEG::JPEG Threads::Threads
                                                   OpenMP::OpenMP_CXX ${CMAKE_DL_LIBS})
target_include_directories(attnunet_libraries SYSTEM INTERFACE ${STB_INCLUDE_DIR})
if(TIFF_FOUND)
  target_link_libraries(attnunet_libraries INTERFACE TIFF::TIFF)
  target_compile_definitions(attnunet_libraries INTERFACE ATTNUNET_HAVE_TIFF)
endif()
if(DCMTK_FOUND)
  target_link_libraries(attnunet_libraries INTERFACE DCMTK::dcmimage DCMTK::dcmjpeg DCMTK::dcmjpls)
  target_compile_definitions(attnunet_libraries INTERFACE ATTNUNET_HAVE_DCMTK)
endif()
if(ATTNUNET_HAVE_LIBDEFLATE)
  target_link_libraries(attnunet_libraries INTERFACE ${LIBDEFLATE_LIBRARY})
  target_compile_definitions(attnunet_libraries INTERFACE ATTNUNET_HAVE_LIBDEFLATE)
endif()
if(Boost_FOUND)
  target_link_libraries(attnunet_libraries INTERFACE Boost::context)
endif()
