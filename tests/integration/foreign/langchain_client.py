"""LangChain's OpenAI embeddings. Usage: langchain_client.py GRPC_HOST:PORT HTTP_HOST:PORT"""

import sys

import numpy as np
from langchain_openai import OpenAIEmbeddings

from service import TEXTS, check, native_vectors


def main(grpc_address, http_address):
    expected = native_vectors(grpc_address)
    # Without the last option it would send ids of OpenAI's vocabulary, which the server refuses to take for its own.
    embeddings = OpenAIEmbeddings(base_url=f"http://{http_address}/v1", api_key="unused", model="all-MiniLM-L6-v2",
                                  check_embedding_ctx_length=False)
    documents = np.array(embeddings.embed_documents(TEXTS), dtype=np.float32)
    check(documents.tobytes() == expected.tobytes(), "embed_documents")
    query = np.array(embeddings.embed_query(TEXTS[3]), dtype=np.float32)
    check(query.tobytes() == expected[3].tobytes(), "embed_query")


if __name__ == "__main__":
    main(*sys.argv[1:])
