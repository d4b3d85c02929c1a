"""What the worst requests cost a server for each byte that it receives. Usage:

    python3 tests/security/amplification.py --server BINARY --model DIRECTORY [--json FILE]

Starts a server for each request on free ports of the loopback and prints a table: bytes received, bytes answered, the
growth of the peak of resident memory beyond what an idle server has, and CPU time, each for a byte received; the CPU
also as a multiple of what ordinary English costs through Embed. Small requests are sent many at a time for the memory,
because the kernel counts pages. Ends with status 1 when something
is above the bound that docs/security.md promises. Needs grpcio.
"""

import argparse
import concurrent.futures
import dataclasses
import gzip
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import grpc

BOUND = 100
CALLERS = concurrent.futures.ThreadPoolExecutor(64)
SERVICE = "/attendant.v1.EmbeddingService/"
ENGLISH = ("The committee met on Tuesday to discuss the new library, which will open in spring if the weather allows. "
           "Most of the money comes from the county; the rest was collected by its readers. ") * 6


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, payload):
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def text_item(text, number=2):
    return field(number, field(1, text.encode()))


def ids_item(count):
    return field(2, field(3, field(1, bytes([100 % 128]) * count)))


@dataclasses.dataclass
class Case:
    name: str
    method: str
    request: bytes
    gzip: bool = False
    answer_asked_for: bool = False  # the answer is large because that is what was asked for


def cases():
    words = "a " * 250
    return [
        Case("ordinary English", "Embed", b"".join(text_item(ENGLISH) for _ in range(64))),
        Case("shortest words", "Embed", b"".join(text_item(words) for _ in range(64))),
        Case("ids, a byte each", "Embed", b"".join(ids_item(250) for _ in range(64))),
        Case("one letter each, 1024 items", "Embed", b"".join(text_item("a") for _ in range(1024)),
             answer_asked_for=True),
        Case("empty items, 1024", "Embed", field(2, b"") * 1024),
        Case("long prompt, short items", "Embed",
             b"".join(text_item("a") for _ in range(30)) + field(3, field(4, (b"a " * 2048)[:4000]))),
        Case("vectors of all tokens", "Embed", text_item(words) + field(3, field(6, 2)), answer_asked_for=True),
        Case("1 MiB without a space", "Embed", text_item("x" * (1 << 20))),
        Case("1 MiB of shortest words", "Embed", text_item("a " * (1 << 19))),
        Case("compressed zeros", "Embed", text_item("\0" * (30 << 20)), gzip=True),
        Case("shortest words", "Tokenize", b"".join(text_item(words) for _ in range(64))),
        Case("1 MiB of shortest words, pieces", "Tokenize", text_item("a.b,c;" * (1 << 17))),
        Case("empty items, 1024", "Tokenize", field(2, b"") * 1024),
        Case("three layers of a long text", "GetAttention",
             text_item(words) + b"".join(field(3, layer) for layer in range(3)), answer_asked_for=True),
        Case("nothing", "ListModels", b"", answer_asked_for=True),
        Case("nothing", "GetModel", b"", answer_asked_for=True),
        Case("unknown fields", "Embed", field(99, 1) * 300_000),
        Case("bytes that are no message", "Embed", b"\xff" * (1 << 20)),
        *http_cases(words),
    ]


def http_cases(words):
    embeddings, native = "/v1/embeddings", "/attendant/v1/Embed"
    body = lambda **fields: json.dumps(fields, separators=(",", ":")).encode()
    return [
        Case("ordinary English", embeddings, body(input=[ENGLISH] * 64)),
        Case("ids, two bytes each", embeddings, body(input=[[7] * 250] * 64, vocabulary="model")),
        Case("one letter each, 1024 texts", embeddings, body(input=["a"] * 1024), answer_asked_for=True),
        Case("vectors of all tokens", "/embed_all", body(inputs=words), answer_asked_for=True),
        Case("half a million ids", embeddings, body(input=[[7] * 500_000], vocabulary="model")),
        Case("a million brackets", embeddings, b"[" * 1_000_000),
        Case("a million empty lists", embeddings, b"[" + b"[]," * 333_333 + b"[]]"),
        Case("compressed spaces", embeddings, b" " * (30 << 20), gzip=True),
        # Each item is asked for, and answered with a status of its own; what that takes is reserved.
        Case("empty items, 1024", native, body(items=[{}] * 1024), answer_asked_for=True),
        Case("three layers of a long text", "/attendant/v1/GetAttention", body(item={"text": words}, layers=[0, 1, 2]),
             answer_asked_for=True),
        Case("pieces", "/tokenize", body(inputs="a.b,c;" * (1 << 15))),
    ]


class Server:
    def __init__(self, binary, model):
        self.directory = tempfile.TemporaryDirectory()
        ports = pathlib.Path(self.directory.name) / "ports"
        self.process = subprocess.Popen(
            [binary, "--model", model, "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0",
             "--metrics-address", "127.0.0.1:0",
             "--port-file", str(ports), "--log-level", "error", "--threads", "1", "--default-timeout-ms", "0"])
        while not ports.exists():
            if self.process.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.05)
        lines = dict(line.split("=") for line in ports.read_text().split())
        self.grpc_port, self.http_port, self.metrics_port = (int(lines[name]) for name in ("grpc", "http", "metrics"))

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.directory.cleanup()

    def cpu_seconds(self):
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def status_bytes(self, name):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(name + ":"))

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def post(port, case):
    headers = {"Content-Type": "application/json", **({"Content-Encoding": "gzip"} if case.gzip else {})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", case.method, gzip.compress(case.request) if case.gzip else case.request, headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return len(answer), "OK" if response.status == 200 else str(response.status)


def start(server, channel, case):
    """Returns a function that waits for (bytes answered, status code)."""
    if case.method.startswith("/"):
        return CALLERS.submit(post, server.http_port, case).result
    identity = lambda data: data
    options = {"timeout": 120, **({"compression": grpc.Compression.Gzip} if case.gzip else {})}
    if case.method == "GetAttention":
        answers = channel.unary_stream(SERVICE + case.method, identity, identity)(case.request, **options)
        wait = lambda: sum(len(chunk) for chunk in answers)
    else:
        future = channel.unary_unary(SERVICE + case.method, identity, identity).future(case.request, **options)
        wait = lambda: len(future.result())

    def finish():
        try:
            return wait(), "OK"
        except grpc.RpcError as error:
            return 0, error.code().name
    return finish


def call(server, channel, case, count=1):
    calls = [start(server, channel, case) for _ in range(count)]
    return [finish() for finish in calls][0]


def measure(arguments, case):
    server = Server(arguments.server, arguments.model)
    channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}",
                                    options=[("grpc.max_receive_message_length", -1)])
    try:
        # The head of a call in HTTP/2 and HPACK, first on its connection some 200 bytes, later 30.
        head = 200 if case.method.startswith("/") else 30
        received = head + (len(gzip.compress(case.request)) if case.gzip else len(case.request))
        at_a_time = max(1, min(64, (64 << 10) // received)) if "GetAttention" not in case.method else 1
        # What is allocated once; over HTTP, once for each connection: a thread.
        if case.method.startswith("/"):
            call(server, channel, Case("", "/embed", json.dumps({"inputs": ENGLISH}).encode()), at_a_time)
        else:
            call(server, channel, Case("", "Embed", text_item(ENGLISH)))
        server.reset_peak()
        before = server.status_bytes("VmRSS")
        answered, code = call(server, channel, case, at_a_time)
        memory = max(0, server.status_bytes("VmHWM") - before) / (received * at_a_time)
        cpu = server.cpu_seconds()
        rounds = 0
        # The clock of a process ticks every 10 ms.
        while rounds < 3 or (server.cpu_seconds() - cpu < 0.3 and rounds < 1000):
            call(server, channel, case)
            rounds += 1
        used = (server.cpu_seconds() - cpu) / rounds
    finally:
        channel.close()
        server.close()
    return {
        "rpc": case.method, "request": case.name, "code": code, "received_bytes": received, "answered_bytes": answered,
        "memory_per_byte": memory, "answer_per_byte": answered / received, "cpu_us_per_byte": used * 1e6 / received,
        "answer_asked_for": case.answer_asked_for,
    }


def measure_scrape(arguments):
    server = Server(arguments.server, arguments.model)
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    try:
        cpu = server.cpu_seconds()
        rounds = 200
        for _ in range(rounds):
            answered = len(urllib.request.urlopen(url).read())
        used = (server.cpu_seconds() - cpu) / rounds
    finally:
        server.close()
    received = 120
    return {
        "rpc": "HTTP", "request": "GET /metrics", "code": "OK", "received_bytes": received,
        "answered_bytes": answered, "memory_per_byte": 0.0, "answer_per_byte": answered / received,
        "cpu_us_per_byte": used * 1e6 / received, "answer_asked_for": True,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = [measure(arguments, case) for case in cases()] + [measure_scrape(arguments)]
    ordinary = rows[0]["cpu_us_per_byte"]
    print("| RPC | request | answered | received | memory per byte | answer per byte | CPU per byte | CPU against text |")
    print("|---|---|---|---|---|---|---|---|")
    failed = []
    for row in rows:
        row["cpu_ratio"] = row["cpu_us_per_byte"] / ordinary
        print(f"| {row['rpc']} | {row['request']} | {row['code']} | {row['received_bytes']} | "
              f"{row['memory_per_byte']:.1f} | {row['answer_per_byte']:.1f} | {row['cpu_us_per_byte']:.2f} us | "
              f"{row['cpu_ratio']:.2f} |")
        if row["cpu_ratio"] > BOUND or (row["memory_per_byte"] > BOUND and not row["answer_asked_for"]):
            failed.append(row)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    for row in failed:
        print(f"above {BOUND}: {row['rpc']}, {row['request']}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
