// The small tokenizers of tests/testdata/tokenizer, which tests/parity/tokenizer_golden.py has made.
#ifndef ATTENDANT_TESTS_ENGINE_TOKENIZER_TEST_TOKENIZERS_H_
#define ATTENDANT_TESTS_ENGINE_TOKENIZER_TEST_TOKENIZERS_H_

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/tokenizer/tokenizer.h"

namespace attendant {

inline std::string ReadTestFile(const std::string& name) {
  std::ifstream file(std::string(ATTENDANT_TESTDATA) + "/tokenizer/" + name, std::ios::binary);
  if (!file) {
    std::cerr << "tests/testdata/tokenizer/" << name << " cannot be read\n";
    std::abort();
  }
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// uncased.json is whole; the others hold what is different from it.
inline nlohmann::json TestDefinition(const std::string& name) {
  nlohmann::json definition = nlohmann::json::parse(ReadTestFile("uncased.json"));
  if (name != "uncased.json") definition.update(nlohmann::json::parse(ReadTestFile(name)));
  return definition;
}

inline std::unique_ptr<Tokenizer> LoadTestTokenizer(const nlohmann::json& definition) {
  auto tokenizer = Tokenizer::FromJson(definition.dump());
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    std::abort();
  }
  return *std::move(tokenizer);
}

}  // namespace attendant

#endif  // ATTENDANT_TESTS_ENGINE_TOKENIZER_TEST_TOKENIZERS_H_
