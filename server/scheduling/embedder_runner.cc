// Apart from the scheduler, so that only those who run a real engine link one.
#include <memory>
#include <span>

#include "server/scheduling/batch_runner.h"

namespace attendant {
namespace {

class EmbedderSession final : public BatchRunner::Session {
 public:
  explicit EmbedderSession(const Embedder* embedder) : embedder_(embedder), workspace_(embedder->NewWorkspace()) {}

  void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned, Team* team) override {
    embedder_->Run(tasks, *workspace_, abandoned, team);
  }

 private:
  const Embedder* embedder_;
  WorkspacePtr workspace_;
};

}  // namespace

std::unique_ptr<BatchRunner::Session> EmbedderRunner::NewSession() {
  return std::make_unique<EmbedderSession>(embedder_);
}

}  // namespace attendant
