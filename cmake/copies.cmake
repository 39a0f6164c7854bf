# The program as one copy of the whole host side per instruction set, and src/dispatch.cpp, which chooses one when the
# program starts. With a single set that choice is whether the processor has it.

# Names the copies to src/dispatch.cpp.
set(copies)
foreach(set ${instruction_sets})
  attnunet_suffix(suffix ${set})
  string(APPEND copies "ATTNUNET_COPY(\"${set}\", attnunet_main_${suffix})\n")
endforeach()
file(CONFIGURE OUTPUT copies/list.inc CONTENT "${copies}")

add_executable(attnunet src/dispatch.cpp src/wait_policy.cpp)
target_include_directories(attnunet PRIVATE ${CMAKE_BINARY_DIR}/copies)
target_link_libraries(attnunet PRIVATE attnunet_libraries)

# One object file, build/copies/SET.o, of which others see its main alone, renamed. So nothing of it can be mixed with
# another copy's: neither our functions nor the inline ones of Eigen and the standard library, which each object brings
# and the linker otherwise takes from the first.
# Common code comes first: of an inline function that src/cpu has too the copy keeps common code's, for any x86-64. Common
# code may run before the program has chosen (constructors of global objects); src/cpu has no such.
foreach(set ${instruction_sets})
  attnunet_suffix(suffix ${set})
  attnunet_simulator_set(simulator ${set})
  attnunet_suffix(simulator ${simulator})
  set(parts attnunet_main attnunet_common attnunet_pixels attnunet_cpu_${suffix} attnunet_simulator_${simulator})
  set(objects)
  foreach(part ${parts})
    list(APPEND objects $<FILTER:$<TARGET_OBJECTS:${part}>,INCLUDE,[.]o$>)  # not its precompiled header
  endforeach()
  set(copy ${CMAKE_BINARY_DIR}/copies/${set})
  add_custom_command(
    OUTPUT ${copy}.o
    COMMAND ${CMAKE_LINKER} -r --force-group-allocation -o ${copy}.whole.o ${objects}
    COMMAND ${CMAKE_OBJCOPY} --redefine-sym main=attnunet_main_${suffix}
            --keep-global-symbol=attnunet_main_${suffix} ${copy}.whole.o ${copy}.o
    COMMAND ${CMAKE_COMMAND} -E rm ${copy}.whole.o
    DEPENDS ${objects}
    COMMENT "Linking the copy for ${set}"
    COMMAND_EXPAND_LISTS VERBATIM)
  target_sources(attnunet PRIVATE ${copy}.o)
  add_dependencies(attnunet ${parts})
endforeach()
