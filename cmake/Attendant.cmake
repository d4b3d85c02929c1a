# The two kinds of target the project has, so that every folder's CMakeLists.txt is a list of files and links.

# Warnings and include root, for every target of ours.
add_library(attendant_options INTERFACE)
target_include_directories(attendant_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(attendant_options INTERFACE -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wshadow=local -ffp-contract=off)

# In builds with ThreadSanitizer: what gRPC's core orders, for every program that links gRPC.
if(CMAKE_CXX_FLAGS MATCHES "fsanitize=thread")
  add_library(attendant_tsan_grpc OBJECT ${PROJECT_SOURCE_DIR}/tests/testing/tsan_grpc.cc)
  target_link_libraries(attendant_tsan_grpc PRIVATE attendant_options gRPC::grpc++ ${CMAKE_DL_LIBS})
else()
  add_library(attendant_tsan_grpc INTERFACE)
endif()

# attendant_library(NAME SOURCES a.cc ... LINKS attendant::other ...) makes target attendant::NAME.
function(attendant_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(attendant_${name} STATIC ${ARG_SOURCES})
  add_library(attendant::${name} ALIAS attendant_${name})
  target_link_libraries(attendant_${name} PUBLIC ${ARG_LINKS} PRIVATE attendant_options)
endfunction()

# attendant_test(NAME SOURCES a_test.cc ... LINKS ... [TIMEOUT seconds]) makes one gtest binary and one ctest entry.
function(attendant_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE attendant_options attendant_tsan_grpc ${ARG_LINKS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE ATTENDANT_TESTDATA="${PROJECT_SOURCE_DIR}/tests/testdata")
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT})
endfunction()

# attendant_fuzzer(NAME SOURCES a_fuzz.cc ... LINKS ... CORPUS dir): LLVMFuzzerTestOneInput.
# With ATTENDANT_BUILD_FUZZERS it is a libFuzzer binary; without, a plain binary that replays the corpus, run by ctest.
function(attendant_fuzzer name)
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE attendant_options attendant_tsan_grpc ${ARG_LINKS})
  if(ATTENDANT_BUILD_FUZZERS)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name}_replay COMMAND ${name} ${ARG_CORPUS})
    set_tests_properties(${name}_replay PROPERTIES TIMEOUT 120)
  endif()
endfunction()

# attendant_embed(TARGET path/of/header.h FILES a.html b.js): adds a .cc that defines what the header declares, the files'
# texts as constants kAHtml, kBJs.
function(attendant_embed target header)
  cmake_parse_arguments(ARG "" "" "FILES" ${ARGN})
  cmake_path(REPLACE_EXTENSION header ".cc" OUTPUT_VARIABLE source)
  set(out ${PROJECT_BINARY_DIR}/embedded/${source})
  list(TRANSFORM ARG_FILES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} "-DOUT=${out}" "-DHEADER=${header}" "-DFILES=${ARG_FILES}" -P ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    DEPENDS ${ARG_FILES} ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
