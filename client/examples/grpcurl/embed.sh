#!/bin/bash
# Embeds two sentences and prints how similar they are. Usage: embed.sh [HOST:PORT]
#
# No stubs and no .proto: the server's reflection tells grpcurl what there is. Needs grpcurl and python3.
set -euo pipefail
address=${1:-127.0.0.1:50051}

grpcurl -plaintext -max-time 10 "$address" grpc.health.v1.Health/Check | grep -q '"SERVING"'
grpcurl -plaintext -max-time 10 -d '{
  "items": [{"text": "A cat sleeps on the warm windowsill."}, {"text": "The kitten naps in the sunshine."}]
}' "$address" attendant.v1.EmbeddingService/Embed | python3 -c '
import hashlib, json, struct, sys
response = json.load(sys.stdin)
a, b = (result["embedding"]["values"] for result in response["results"])
similarity = sum(x * y for x, y in zip(a, b))  # vectors have length 1
checksum = hashlib.sha256(struct.pack(f"<{len(a)}f", *a)).hexdigest()
print("{}: {} dimensions, similarity {:.4f}, sha256 {}".format(response["model"], len(a), similarity, checksum))'
