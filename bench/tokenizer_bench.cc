// Time to load a tokenizer and to tokenize the texts of standard input, one a line, on one thread.
// Usage: tokenizer_bench MODEL_DIRECTORY SECONDS < TEXTS. Run by tokenizer_bench.py. Output: one JSON object.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const Clock::time_point loading = Clock::now();
  const auto tokenizer = attendant::Tokenizer::Load(argv[1]);
  const double load_seconds = seconds_since(loading);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    return 1;
  }
  std::vector<std::string> texts;
  size_t bytes = 0;
  for (std::string line; std::getline(std::cin, line); texts.push_back(line)) bytes += line.size();
  const double seconds = std::atof(argv[2]);
  double best = 1e9;
  size_t tokens = 0;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point round = Clock::now();
    tokens = 0;
    for (const std::string& text : texts) tokens += (*tokenizer)->Encode(text, {}).input_ids.size();
    best = std::min(best, seconds_since(round));
  } while (seconds_since(start) < seconds);
  std::printf("{\"load_ms\": %.1f, \"bytes\": %zu, \"tokens\": %zu, \"best_seconds\": %.6f}\n", load_seconds * 1e3,
              bytes, tokens, best);
  return 0;
}
