"""A client generated from TEI's protocol, as TEI documents it. Usage: tei_client.py HOST:PORT"""

import sys

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service import TEXTS, check, native_vectors, refused, stubs

tei, services = stubs("tei/v1/tei.proto")


def vector(response):
    return np.array(response.embeddings, dtype=np.float32)


def embed(channel, expected):
    stub = services.EmbedStub(channel)
    requests = [tei.EmbedRequest(inputs=text, truncate=True) for text in TEXTS]
    for request, row in zip(requests, expected):
        response, call = stub.Embed.with_call(request, timeout=60)
        check(vector(response).tobytes() == row.tobytes(), "other bytes than attendant.v1's")
        check(response.metadata.compute_tokens > 2 and response.metadata.inference_time_ns > 0, response.metadata)
        check(dict(call.initial_metadata())["x-compute-type"] == "cpu", "headers")
    streamed = list(stub.EmbedStream(iter(requests), timeout=60))
    check(np.stack([vector(response) for response in streamed]).tobytes() == expected.tobytes(), "stream")
    whole = vector(stub.Embed(tei.EmbedRequest(inputs=TEXTS[0], dimensions=expected.shape[1])))
    check(whole.tobytes() == expected[0].tobytes(), "all dimensions")
    # The default model was not trained for fewer, and the server was not told to cut all the same.
    refused(lambda: stub.Embed(tei.EmbedRequest(inputs=TEXTS[0], dimensions=8)), grpc.StatusCode.INVALID_ARGUMENT)
    check(list(stub.EmbedStream(iter(()), timeout=60)) == [], "an empty stream")
    rows = stub.EmbedAll(tei.EmbedAllRequest(inputs=TEXTS[0]))
    check(len(rows.token_embeddings) == rows.metadata.compute_tokens, "one vector per token")
    many = list(stub.EmbedAllStream(iter([tei.EmbedAllRequest(inputs=text) for text in TEXTS[:5]]), timeout=60))
    check(len(many) == 5, "EmbedAllStream")


def tokenize(channel):
    stub = services.TokenizeStub(channel)
    text = "and a few words more"
    tokens = stub.Tokenize(tei.EncodeRequest(inputs=text, add_special_tokens=True)).tokens
    check(tokens[0].special and not tokens[0].HasField("start") and tokens[-1].special, tokens)
    check(all(text[token.start:token.stop] == token.text for token in tokens[1:-1]), tokens)
    ids = [token.id for token in tokens]
    check(stub.Decode(tei.DecodeRequest(ids=ids, skip_special_tokens=True)).text == text, "decoded")
    encoded = list(stub.TokenizeStream(iter([tei.EncodeRequest(inputs=text)] * 3), timeout=60))
    check([len(response.tokens) for response in encoded] == [len(ids) - 2] * 3, "TokenizeStream")
    decoded = list(stub.DecodeStream(iter([tei.DecodeRequest(ids=ids[1:-1])] * 3), timeout=60))
    check([response.text for response in decoded] == [text] * 3, "DecodeStream")


def defects(channel):
    """What takes TEI down or misleads its callers."""
    stub = services.EmbedStub(channel)
    invalid, unimplemented = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED
    refused(lambda: stub.Embed(tei.EmbedRequest(inputs="a", truncation_direction=7)), invalid)
    refused(lambda: stub.EmbedAll(tei.EmbedAllRequest(inputs="a", truncation_direction=-1)), invalid)
    refused(lambda: stub.Embed(tei.EmbedRequest(inputs="")), invalid)
    refused(lambda: stub.Embed(tei.EmbedRequest(inputs="a", dimensions=0)), invalid)
    refused(lambda: stub.Embed(tei.EmbedRequest(inputs="word " * 5000)), invalid)
    refused(lambda: stub.EmbedSparse(tei.EmbedSparseRequest(inputs="a")), unimplemented)
    rerank, predict = services.RerankStub(channel), services.PredictStub(channel)
    refused(lambda: rerank.RerankStream(iter(())), unimplemented)
    refused(lambda: rerank.Rerank(tei.RerankRequest(query="a", texts=["b"])), unimplemented)
    refused(lambda: predict.Predict(tei.PredictRequest(inputs="a")), unimplemented)
    refused(lambda: list(predict.PredictStream(iter([tei.PredictRequest(inputs="a")]))), unimplemented)
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("Info", "Embed", "Tokenize", "Predict", "Rerank"):
        status = health.Check(health_pb2.HealthCheckRequest(service=f"tei.v1.{name}")).status
        serves = name not in ("Predict", "Rerank")
        check(status == (health_pb2.HealthCheckResponse.SERVING if serves else
                         health_pb2.HealthCheckResponse.NOT_SERVING), name)


def main(address):
    expected = native_vectors(address)
    with grpc.insecure_channel(address) as channel:
        info = services.InfoStub(channel).Info(tei.InfoRequest())
        check(info.model_type == tei.MODEL_TYPE_EMBEDDING and info.model_id and info.max_input_length > 2, info)
        embed(channel, expected)
        tokenize(channel)
        defects(channel)


if __name__ == "__main__":
    main(sys.argv[1])
