"""Cohere's own package, version 2 of its API. Usage: cohere_client.py GRPC_HOST:PORT HTTP_HOST:PORT"""

import base64
import sys

import cohere
import numpy as np
from cohere.errors import BadRequestError, NotFoundError

from service import TEXTS, check, native_vectors


def main(grpc_address, http_address):
    expected = native_vectors(grpc_address)
    client = cohere.ClientV2(api_key="unused", base_url=f"http://{http_address}")
    model = "all-MiniLM-L6-v2"
    answer = client.embed(texts=TEXTS, model=model, input_type="search_document", embedding_types=["float"])
    rows = np.array(answer.embeddings.float_, dtype=np.float32)
    check(rows.tobytes() == expected.tobytes(), "other bytes than attendant.v1's")
    check(answer.texts == TEXTS and answer.meta.billed_units.input_tokens > 2 * len(TEXTS), answer.meta)
    both = client.embed(texts=TEXTS[:3], model=model, input_type="search_query", embedding_types=["float", "base64"])
    check(base64.b64decode(both.embeddings.base64[2]) == expected[2].tobytes(), "base64")
    small = client.embed(texts=TEXTS, model=model, input_type="clustering",
                         embedding_types=["int8", "uint8", "ubinary"])
    bits = np.packbits(expected > 0, axis=1)
    check(np.array_equal(np.array(small.embeddings.ubinary, dtype=np.uint8), bits), "ubinary")
    difference = np.array(small.embeddings.uint8, dtype=np.int32) - np.array(small.embeddings.int8, dtype=np.int32)
    check((difference == 128).all(), "int8 and uint8")
    for kind, arguments in ((BadRequestError, {"texts": [""], "model": model}),
                            (NotFoundError, {"texts": ["a"], "model": "embed-v4.0"})):
        try:
            client.embed(input_type="classification", embedding_types=["float"], **arguments)
        except kind as error:
            check("message" in error.body, error.body)
        else:
            raise AssertionError(f"answered instead of {kind.__name__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
