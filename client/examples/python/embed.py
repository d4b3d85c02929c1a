"""Embeds two sentences and prints how similar they are. Usage: embed.py [HOST:PORT]

The stubs are made from the .proto at import, by grpcio-tools; a larger program generates them once with protoc.
"""

import pathlib
import sys

import grpc

sys.path.append(str(pathlib.Path(__file__).parents[3] / "proto"))
pb, services = grpc.protos_and_services("attendant/v1/embedding.proto")

address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
texts = ["A cat sleeps on the warm windowsill.", "The kitten naps in the sunshine."]

with grpc.insecure_channel(address) as channel:
    stub = services.EmbeddingServiceStub(channel)
    request = pb.EmbedRequest(items=[pb.Item(text=text) for text in texts], include_metadata=True)
    response = stub.Embed(request, timeout=10)  # seconds; the server drops what nobody waits for any more

vectors = []
for text, result in zip(texts, response.results):
    if result.status.code != 0:  # one bad item never fails its neighbours
        sys.exit(f"{text!r}: {result.status.message}")
    vectors.append(result.embedding.values)

similarity = sum(a * b for a, b in zip(*vectors))  # the default model's vectors have length 1
print(f"{response.model}: {len(vectors[0])} dimensions, similarity {similarity:.4f}, {response.metadata.total_us} us")
