"""Calls on a server as bytes: requests are encoded once, answers are compared byte by byte. Needs grpcio, no stubs."""

import grpc

SERVICE = "/attendant.v1.EmbeddingService/"
HEALTH = "/grpc.health.v1.Health/Check"
# What docs/api.md tells every client to have.
ROUND_ROBIN = """{"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [{"name": [{}], "retryPolicy": {
  "maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
  "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"]}}]}"""
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


def _varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """A field of protobuf's wire format: bytes and texts by length, whole numbers as varints."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def text_item(text):
    return field(1, text)


def ids_item(ids):
    return field(3, field(1, b"".join(_varint(number) for number in ids)))


def embed_request(items):
    """items: texts, or items as bytes."""
    return b"".join(field(2, item if isinstance(item, bytes) else text_item(item)) for item in items)


def stream_request(name, items):
    return field(1, name) + field(2, embed_request(items))


def attention_request(text):
    return field(2, text_item(text))


def fields(data):
    """[(number, bytes or int)] of a message, in order."""
    out, at = [], 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _read_varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = data[at : at + size], at + size
        else:
            size, at = _read_varint(data, at)
            value, at = data[at : at + size], at + size
        out.append((key >> 3, value))
    return out


def _read_varint(data, at):
    number, shift = 0, 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def results(response):
    """The EmbedResults of an EmbedResponse: [(code, vector's bytes)]."""
    found = []
    for number, value in fields(response):
        if number != 3:
            continue
        result = dict(fields(value))
        status = dict(fields(result.get(1, b"")))
        found.append((status.get(1, 0), dict(fields(result.get(2, b""))).get(1, b"")))
    return found


def channel(target, service_config=None, options=()):
    """Of an option that is given twice the first counts."""
    options = list(options) + OPTIONS + ([("grpc.service_config", service_config)] if service_config else [])
    return grpc.insecure_channel(target, options=options)


def unary(open_channel, method="Embed"):
    return open_channel.unary_unary(method if method.startswith("/") else SERVICE + method)


def embed_code(call, request, timeout):
    """Makes the call; (status code, answer or None)."""
    try:
        return grpc.StatusCode.OK, call(request, timeout=timeout)
    except grpc.RpcError as error:
        return error.code(), None


def healthy(target, timeout=1.0):
    """Whether health says SERVING within the timeout, on a connection of its own."""
    with channel(target) as own:
        code, answer = embed_code(unary(own, HEALTH), b"", timeout)
    return code == grpc.StatusCode.OK and dict(fields(answer)).get(1) == 1
