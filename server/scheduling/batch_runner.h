// What the scheduler needs of an engine; a fake in the scheduler's tests.
#ifndef ATTENDANT_SERVER_SCHEDULING_BATCH_RUNNER_H_
#define ATTENDANT_SERVER_SCHEDULING_BATCH_RUNNER_H_

#include <memory>
#include <span>

#include "engine/embedder.h"

namespace attendant {

class BatchRunner {
 public:
  // One worker's private state: owned by that worker's thread.
  class Session {
   public:
    virtual ~Session() = default;
    // team (may be null): idle workers that share the work.
    virtual void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned, Team* team) = 0;
  };

  virtual ~BatchRunner() = default;
  virtual std::unique_ptr<Session> NewSession() = 0;
};

// The real one. The embedder must outlive it.
class EmbedderRunner final : public BatchRunner {
 public:
  explicit EmbedderRunner(const Embedder* embedder) : embedder_(embedder) {}
  std::unique_ptr<Session> NewSession() override;

 private:
  const Embedder* embedder_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_BATCH_RUNNER_H_
