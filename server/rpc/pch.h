// Precompiled for the files that hold reactors: gRPC's headers cost most of their compile time. Never included by hand.
#ifndef ATTENDANT_SERVER_RPC_PCH_H_
#define ATTENDANT_SERVER_RPC_PCH_H_

#include <grpcpp/grpcpp.h>

#include "attendant/v1/embedding.grpc.pb.h"

#endif  // ATTENDANT_SERVER_RPC_PCH_H_
