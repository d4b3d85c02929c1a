"""curl: the commands of docs/api.md, and gzip both ways. Usage: curl_client.py GRPC_HOST:PORT HTTP_HOST:PORT"""

import gzip
import json
import pathlib
import re
import subprocess
import sys

import numpy as np

from service import TEXTS, check, native_vectors

API = pathlib.Path(__file__).resolve().parents[3] / "docs" / "api.md"


def shell(command, stdin=b""):
    run = subprocess.run(["bash", "-c", command], input=stdin, capture_output=True, timeout=60, check=False)
    check(run.returncode == 0, f"{command}: {run.stderr.decode()}")
    return run.stdout


def documented(http_address):
    text = re.sub(r"\\\n\s*", "", API.read_text(encoding="utf-8"))
    commands = re.findall(r"^ {4}(curl .*)$", text, re.MULTILINE)
    check(len(commands) >= 8, "commands in docs/api.md")
    for command in commands:
        answer = json.loads(shell(command.replace("127.0.0.1:8080", http_address) + " -sS --fail-with-body"))
        check(answer and "error" not in answer, command)


def compressed(http_address, expected):
    body = gzip.compress(json.dumps({"inputs": TEXTS}).encode())
    answer = shell(f"curl -sS --fail-with-body --compressed http://{http_address}/embed -H 'Content-Encoding: gzip' "
                   "-H 'Content-Type: application/json' -H 'Expect: 100-continue' --data-binary @-", body)
    rows = np.array(json.loads(answer), dtype=np.float32)
    check(rows.tobytes() == expected.tobytes(), "other bytes than attendant.v1's")


def main(grpc_address, http_address):
    documented(http_address)
    compressed(http_address, native_vectors(grpc_address))


if __name__ == "__main__":
    main(*sys.argv[1:])
