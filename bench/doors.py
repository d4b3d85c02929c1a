"""The same load through gRPC and over HTTP, from the same client. Usage: doors.py SERVER_BINARY MODEL_DIR [SECONDS]

h2load (Debian: nghttp2-client) speaks both, with little CPU of its own. 64 connections with one request under way on
each; texts of some 50 tokens, one a request and 32 a request. Prints requests a second, HTTP's share of gRPC's, and
what a request costs the server in CPU time, which other work on the machine hardly changes.
"""

import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

import grpc_tools.protoc

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONNECTIONS = 64
# Ten tokens of the default model's vocabulary, five times; with the two special ones 52.
TEXT = " ".join(["the small cat sleeps on a warm window sill today"] * 5)


def start(binary, model, directory):
    ports = pathlib.Path(directory) / "ports"
    server = subprocess.Popen([binary, "--model", model, "--grpc-address", "127.0.0.1:0",
                               "--http-address", "127.0.0.1:0", "--metrics-address", "off", "--port-file", ports,
                               "--log-level", "error", "--default-timeout-ms", "0", "--no-share-identical-items"])
    while not ports.exists():
        if server.poll() is not None:
            raise RuntimeError("the server has not started")
        time.sleep(0.05)
    return server, dict(line.split("=") for line in ports.read_text().split())


def grpc_body(directory, texts):
    """An EmbedRequest as HTTP/2 carries it: not compressed, its length, its bytes."""
    if grpc_tools.protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={directory}",
                               str(ROOT / "proto/attendant/v1/embedding.proto")]):
        raise RuntimeError("protoc refused the contract")
    sys.path.insert(0, directory)
    from attendant.v1 import embedding_pb2  # pylint: disable=import-error,import-outside-toplevel
    message = embedding_pb2.EmbedRequest(items=[{"text": text} for text in texts]).SerializeToString()
    return struct.pack(">BI", 0, len(message)) + message


def cpu_seconds(server):
    user, system = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def rate(server, seconds, url, body_file, arguments):
    """Requests a second, and CPU milliseconds of the server for each."""
    before = cpu_seconds(server)
    command = ["h2load", "--duration", str(seconds), "--warm-up-time", "1", "-c", str(CONNECTIONS), "-m", "1"]
    run = subprocess.run([*command, "-d", body_file, *arguments, url], capture_output=True, text=True, check=True)
    finished = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed", run.stdout)
    if finished is None or int(finished[2]) != int(finished[1]) or finished[3] != "0":
        raise RuntimeError(run.stdout)
    # The count leaves out the second of warming up, the CPU time does not.
    cpu = (cpu_seconds(server) - before) * seconds / (seconds + 1)
    return float(re.search(r"finished in .*?, ([\d.]+) req/s", run.stdout)[1]), 1000 * cpu / int(finished[1])


def main(binary, model, seconds=8):
    seconds = int(seconds)
    with tempfile.TemporaryDirectory() as directory:
        server, ports = start(binary, model, directory)
        try:
            print(f"{'texts':<6} {'door':<12} {'requests/s':>10} {'of gRPC':>8} {'CPU ms':>8}")
            for count in (1, 32):
                texts = [TEXT] * count
                bodies = {"grpc": grpc_body(directory, texts),
                          "base64": json.dumps({"input": texts, "encoding_format": "base64"}).encode(),
                          "float": json.dumps({"input": texts}).encode()}
                rates = {name: [] for name in bodies}
                # In turns, so that what else the machine does is everybody's.
                for name in [*bodies] * 2:
                    file = pathlib.Path(directory) / name
                    file.write_bytes(bodies[name])
                    if name == "grpc":
                        url = f"http://127.0.0.1:{ports['grpc']}/attendant.v1.EmbeddingService/Embed"
                        arguments = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
                    else:
                        url = f"http://127.0.0.1:{ports['http']}/v1/embeddings"
                        arguments = ["--h1", "-H", "content-type: application/json"]
                    rates[name].append(rate(server, seconds, url, file, arguments))
                best = {name: max(each for each, _ in values) for name, values in rates.items()}
                cpu = {name: min(each for _, each in values) for name, values in rates.items()}
                for name in bodies:
                    print(f"{count:<6} {name:<12} {best[name]:10.1f} {best[name] / best['grpc']:8.2f} {cpu[name]:8.2f}")
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
