// Reads back what the .npy writer wrote, by the format's own description and nothing of the writer's.
#ifndef ATTENDANT_TESTS_CLIENT_NPY_READER_H_
#define ATTENDANT_TESTS_CLIENT_NPY_READER_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace attendant::cli {

template <typename T>
struct NpyArray {
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<T> values;
};

template <typename T>
NpyArray<T> ReadNpy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  const std::string bytes = content.str();
  NpyArray<T> array;
  if (bytes.size() < 10 || bytes.substr(0, 8) != std::string("\x93NUMPY\x01\x00", 8)) {
    ADD_FAILURE() << path << " is not an .npy file of version 1.0";
    return array;
  }
  const size_t header_bytes = static_cast<uint8_t>(bytes[8]) + 256 * static_cast<uint8_t>(bytes[9]);
  EXPECT_EQ((10 + header_bytes) % 64, 0u);
  const std::string header = bytes.substr(10, header_bytes);
  EXPECT_EQ(header.back(), '\n');
  std::smatch match;
  const std::regex pattern(R"(\{'descr': '([^']*)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \} *\n)");
  if (!std::regex_match(header, match, pattern)) {
    ADD_FAILURE() << "header " << header;
    return array;
  }
  array.dtype = match[1];
  std::stringstream sizes(match[2].str());
  for (std::string size; std::getline(sizes, size, ',');) {
    if (size.find_first_not_of(' ') != std::string::npos) array.shape.push_back(std::stoll(size));
  }
  array.values.resize((bytes.size() - 10 - header_bytes) / sizeof(T));
  if (!array.values.empty())
    std::memcpy(array.values.data(), bytes.data() + 10 + header_bytes, array.values.size() * sizeof(T));
  int64_t product = 1;
  for (const int64_t size : array.shape) product *= size;
  EXPECT_EQ(static_cast<size_t>(product), array.values.size());
  return array;
}

}  // namespace attendant::cli

#endif  // ATTENDANT_TESTS_CLIENT_NPY_READER_H_
