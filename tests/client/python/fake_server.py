"""An in-process gRPC server with the contract's messages, whose answers a test decides; and both clients behind one
face."""

import asyncio
import concurrent.futures
import threading

import grpc
import numpy as np
from attendant_client import AsyncClient, Client, _contract

pb, rpc, health = _contract.pb, _contract.rpc, _contract.health
DIMENSION = 8
FINGERPRINT = "f00d"


def vector(text):
    """What the fake makes of a text: a vector that tells one text from another."""
    return np.random.default_rng(list(text.encode()) or [0]).standard_normal(DIMENSION).astype(np.float32)


def embed(request, fingerprint=FINGERPRINT):
    """The answer of a server to which nothing has happened. A blank text fails alone, as in the real one."""
    response = pb.EmbedResponse(model="fake", model_fingerprint=fingerprint)
    for index, item in enumerate(request.items):
        result = response.results.add()
        if item.WhichOneof("input") == "text" and not item.text.strip():
            result.status.code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            result.status.field = f"items[{index}].text"
            result.status.message = f"items[{index}].text: the text is empty or blank"
            continue
        encoding = request.options.encoding
        if encoding in (pb.ENCODING_BINARY, pb.ENCODING_UBINARY):
            bits = np.packbits(vector(item.text) > 0)
            result.embedding.packed = bytes(bits if encoding == pb.ENCODING_UBINARY else bits ^ 0x80)
            result.embedding.encoding = encoding
            result.embedding.shape.append(DIMENSION)
            continue
        rows = 3 if request.options.output == pb.OUTPUT_TOKENS else 1
        result.embedding.values.extend(np.tile(vector(item.text), rows))
        result.embedding.shape.extend([rows, DIMENSION] if rows > 1 else [DIMENSION])
        result.tokens_used = len(item.text)
    return response


def refuse(context, code, message="no", *, retry_after_s=None, field=None, pushback_ms=None):
    """Ends the call with a status and details as the server puts them."""
    status = rpc.Status(code=code.value[0], message=message)
    if retry_after_s is not None:
        info = rpc.RetryInfo()
        info.retry_delay.seconds, info.retry_delay.nanos = int(retry_after_s), int(retry_after_s % 1 * 1e9)
        status.details.add(type_url="type.googleapis.com/google.rpc.RetryInfo", value=info.SerializeToString())
    if field is not None:
        bad = rpc.BadRequest()
        bad.field_violations.add(field=field, description=message)
        status.details.add(type_url="type.googleapis.com/google.rpc.BadRequest", value=bad.SerializeToString())
    trailers = [("grpc-status-details-bin", status.SerializeToString())]
    if pushback_ms is not None:
        trailers.append(("grpc-retry-pushback-ms", str(pushback_ms)))
    context.set_trailing_metadata(trailers)
    context.abort(code, message)


class FakeServer:
    """embed, attention: functions of (request, context) that a test replaces; `requests` has the Embed requests as they
    came."""

    def __init__(self):
        self.embed = lambda request, context: embed(request)
        self.attention = lambda request, context: iter(())
        self.model = pb.Model(
            name="fake",
            fingerprint=FINGERPRINT,
            dimension=DIMENSION,
            hidden_size=DIMENSION,
            max_tokens=32,
            state=pb.MODEL_STATE_READY,
            pooling=[pb.POOLING_MEAN],
            prompts={"query": "q: ", "passage": "p: "},
            limits=pb.Limits(max_items_per_request=10, max_message_bytes=1 << 20),
        )
        self.requests, self.metadata = [], []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self):
        self._server.stop(None).wait()

    def _on_embed(self, request, context):
        with self.lock:
            self.requests.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer = self.embed(request, context)
            return answer if isinstance(answer, bytes) else answer.SerializeToString()
        finally:
            with self.lock:
                self.under_way -= 1

    def _handlers(self):
        def unary(function, request, as_it_is=False):
            return grpc.unary_unary_rpc_method_handler(
                function,
                request_deserializer=request.FromString,
                response_serializer=None if as_it_is else lambda message: message.SerializeToString(),
            )

        return grpc.method_handlers_generic_handler(
            "attendant.v1.EmbeddingService",
            {
                "Embed": unary(self._on_embed, pb.EmbedRequest, as_it_is=True),
                "GetModel": unary(lambda request, context: self.model, pb.GetModelRequest),
                "GetAttention": grpc.unary_stream_rpc_method_handler(
                    lambda request, context: self.attention(request, context),
                    request_deserializer=pb.GetAttentionRequest.FromString,
                    response_serializer=lambda message: message.SerializeToString(),
                ),
            },
        )


class Blocking:
    """An AsyncClient with a loop of its own, so that one test says what both clients must do."""

    def __init__(self, *arguments, **options):
        self._client = AsyncClient(*arguments, **options)
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name):
        method = getattr(self._client, name)
        return lambda *arguments, **options: self._loop.run_until_complete(method(*arguments, **options))

    def close(self):
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


class BothClients:
    """Mix into a TestCase: its tests run with each client. `make` is WithClient's or WithAsyncClient's."""

    def client(self, *arguments, **options):
        client = self.make(*arguments, **options)
        self.addCleanup(client.close)
        return client


class WithClient:
    make = Client


class WithAsyncClient:
    make = Blocking
