#!/bin/bash
# Makes v1/*.pb.go from the contract; needs protoc. Run by `go generate`.
set -euo pipefail
cd "$(dirname "$0")"
GOBIN=$PWD/bin go install google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
PATH=$PWD/bin:$PATH protoc -I ../../../proto --go_out=. --go_opt=module=attendant \
  --go-grpc_out=. --go-grpc_opt=module=attendant attendant/v1/embedding.proto
