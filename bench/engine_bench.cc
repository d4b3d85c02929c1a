// Embeds sequences of token ids through the scheduler, in process, and times it.
// Usage: engine_bench MODEL_DIRECTORY THREADS PRECISION. Run by bench/peers, with which it talks over standard streams:
// a line of input is the path of a file with one sequence a line (ids separated by spaces); the answer is one line,
// the seconds from submitting all of them to the last result.
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "engine/embedder.h"
#include "server/scheduling/cost_model.h"
#include "server/scheduling/scheduler.h"

namespace {

using Clock = std::chrono::steady_clock;

std::vector<attendant::TokenSequence> ReadSequences(const std::string& path) {
  std::vector<attendant::TokenSequence> sequences;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    attendant::TokenSequence sequence;
    std::istringstream ids(line);
    for (int32_t id; ids >> id;) sequence.input_ids.push_back(id);
    sequence.token_type_ids.assign(sequence.input_ids.size(), 0);
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

double TimeOnce(attendant::Scheduler& scheduler, const std::shared_ptr<attendant::ModelRuntime>& runtime,
                const std::vector<attendant::TokenSequence>& sequences) {
  std::mutex mutex;
  std::condition_variable finished;
  size_t left = sequences.size();
  attendant::WorkCall call;
  call.runtime = runtime;
  for (const attendant::TokenSequence& sequence : sequences) {
    call.items.push_back({.sequence = sequence,
                          .embed = attendant::EmbedSpec{.normalize = true},
                          .attention = std::nullopt,
                          .done = [&](const attendant::WorkResult& result) {
                            if (!result.status.ok()) std::abort();
                            const std::lock_guard lock(mutex);
                            if (--left == 0) finished.notify_one();
                          }});
  }
  const Clock::time_point start = Clock::now();
  if (!scheduler.Submit(std::move(call)).status.ok()) std::abort();
  std::unique_lock lock(mutex);
  finished.wait(lock, [&left] { return left == 0; });
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int threads = std::atoi(argv[2]);
  const auto embedder =
      attendant::Embedder::Load({.model_dir = argv[1], .precision = argv[3], .load_threads = threads});
  if (!embedder.ok()) {
    std::cerr << embedder.status() << "\n";
    return 1;
  }
  attendant::SchedulerOptions options;
  options.num_workers = threads;
  const attendant::ModelInfo& info = (*embedder)->info();
  const auto runtime = std::make_shared<attendant::ModelRuntime>(
      std::make_unique<attendant::EmbedderRunner>(embedder->get()), threads, info.num_layers);
  runtime->Calibrate(info.max_tokens, options.clock);
  options.max_queued_tokens = int64_t{1} << 40;
  options.max_queued_items = int64_t{1} << 40;
  attendant::Scheduler scheduler(options, nullptr);
  std::printf("%s\n", (*embedder)->info().kernels.c_str());
  std::fprintf(stderr, "%s: %s\n", (*embedder)->info().precision.c_str(), (*embedder)->info().precision_reason.c_str());
  std::fflush(stdout);
  for (std::string path; std::getline(std::cin, path);) {
    std::printf("%.6f\n", TimeOnce(scheduler, runtime, ReadSequences(path)));
    std::fflush(stdout);
  }
}
