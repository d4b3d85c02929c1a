"""TEI's HTTP routes with nothing but the standard library. Usage: tei_http_client.py GRPC_HOST:PORT HTTP_HOST:PORT"""

import http.client
import json
import sys

import numpy as np

from service import TEXTS, check, native_vectors


class Client:
    def __init__(self, address):
        self._connection = http.client.HTTPConnection(address, timeout=60)

    def call(self, path, body=None, status=200):
        """On one connection that is kept alive."""
        method = "GET" if body is None else "POST"
        self._connection.request(method, path, None if body is None else json.dumps(body),
                                 {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        text = response.read()
        check(response.status == status, f"{path}: {response.status} {text[:200]}")
        return json.loads(text) if text else None


def main(grpc_address, http_address):
    expected = native_vectors(grpc_address)
    tei = Client(http_address)
    rows = np.array(tei.call("/embed", {"inputs": TEXTS, "truncate": True}), dtype=np.float32)
    check(rows.tobytes() == expected.tobytes(), "other bytes than attendant.v1's")
    row = np.array(tei.call("/embed", {"inputs": TEXTS[0]}), dtype=np.float32)
    check(row.tobytes() == expected[0].tobytes(), "one text")
    tokens = tei.call("/tokenize", {"inputs": TEXTS[:2]})
    check(len(tokens) == 2 and tokens[0][0]["special"] and tokens[0][1]["text"] == "text", tokens[0][:2])
    again = tei.call("/embed", {"inputs": [[token["id"] for token in row] for row in tokens]})
    check(np.array(again, dtype=np.float32).tobytes() == expected[:2].tobytes(), "the ids of a text are the text")
    check(tei.call("/decode", {"ids": [token["id"] for token in tokens[0]]}) == [TEXTS[0]], "decode")
    per_token = tei.call("/embed_all", {"inputs": TEXTS[0]})
    check(len(per_token[0]) == len(tokens[0]), "one vector per token")
    info = tei.call("/info")
    check(info["model_type"] == {"embedding": {"pooling": "mean"}}, info)
    check(tei.call("/health") is None, "health")
    check(tei.call("/embed", {"inputs": []}, 400)["error_type"] == "Empty", "an empty batch")
    check(tei.call("/embed", {"inputs": "word " * 5000, "truncate": False}, 422)["error_type"] == "Validation", "long")
    check(tei.call("/rerank", {"query": "a", "texts": ["b"]}, 424)["error_type"] == "Backend", "rerank")


if __name__ == "__main__":
    main(*sys.argv[1:])
