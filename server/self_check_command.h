// attendant-server --self-check: loads every model, checks it, says how it went, and serves nobody.
// Thread-safety: one thread.
#ifndef ATTENDANT_SERVER_SELF_CHECK_COMMAND_H_
#define ATTENDANT_SERVER_SELF_CHECK_COMMAND_H_

#include <ostream>

#include "server/models/model_loader.h"
#include "server/server_config.h"

namespace attendant {

// How this config loads models, for so many workers.
EmbedderLoader::Options ToLoaderOptions(const ServerConfig& config, int workers);

// A table for each model on out. The exit status: 0 when all is well, else 1.
int RunSelfCheck(const ServerConfig& config, std::ostream& out);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SELF_CHECK_COMMAND_H_
