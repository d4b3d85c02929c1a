"""LlamaIndex's OpenAI embeddings. Usage: llamaindex_client.py GRPC_HOST:PORT HTTP_HOST:PORT"""

import sys

import numpy as np
from llama_index.embeddings.openai import OpenAIEmbedding

from service import TEXTS, check, native_vectors


def main(grpc_address, http_address):
    expected = native_vectors(grpc_address)
    embedding = OpenAIEmbedding(api_base=f"http://{http_address}/v1", api_key="unused", model_name="all-MiniLM-L6-v2",
                                embed_batch_size=20)
    rows = np.array(embedding.get_text_embedding_batch(TEXTS), dtype=np.float32)
    check(rows.tobytes() == expected.tobytes(), "get_text_embedding_batch")
    query = np.array(embedding.get_query_embedding(TEXTS[3]), dtype=np.float32)
    check(query.tobytes() == expected[3].tobytes(), "get_query_embedding")


if __name__ == "__main__":
    main(*sys.argv[1:])
