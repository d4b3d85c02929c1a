"""The package of client/python, and its adapters in the real LangChain and LlamaIndex. Usage: python_client.py
HOST:PORT"""

import asyncio
import sys

import numpy as np
from attendant_client import AsyncClient, Client
from attendant_client.langchain import AttendantEmbeddings
from attendant_client.llama_index import AttendantEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import Document, VectorStoreIndex
from service import TEXTS, check, native_vectors


def same(vectors, expected, what):
    check(
        np.asarray(vectors, dtype=np.float32).tobytes() == expected.tobytes(),
        f"{what}: other bytes than attendant.v1's",
    )


async def package(address, expected):
    with Client(address) as client:
        same(client.encode(TEXTS), expected, "encode")
        same(client.encode(TEXTS, batch_size=7), expected, "encode, batches of 7")
        same(client.encode(TEXTS[3]), expected[3], "encode, one")
    async with AsyncClient(address) as client:
        same(await client.encode(TEXTS, batch_size=7), expected, "encode of AsyncClient")


def langchain(address, expected):
    embeddings = AttendantEmbeddings(address)
    same(embeddings.embed_documents(TEXTS), expected, "embed_documents")
    same(embeddings.embed_query(TEXTS[3]), expected[3], "embed_query")
    for _ in range(2):  # a loop of its own each time
        same(asyncio.run(embeddings.aembed_documents(TEXTS)), expected, "aembed_documents")
        same(asyncio.run(embeddings.aembed_query(TEXTS[3])), expected[3], "aembed_query")
    store = InMemoryVectorStore(embeddings)
    store.add_texts(TEXTS)
    check(store.similarity_search(TEXTS[17], k=1)[0].page_content == TEXTS[17], "similarity_search")
    found = asyncio.run(store.asimilarity_search(TEXTS[18], k=1))
    check(found[0].page_content == TEXTS[18], "asimilarity_search")
    short = AttendantEmbeddings(address, encode_options={"truncate_dim": 8, "normalize_embeddings": True})
    check(abs(np.linalg.norm(short.embed_query("a")) - 1) < 1e-6 and len(short.embed_query("a")) == 8, "encode_options")


def llama_index(address, expected):
    model = AttendantEmbedding(target=address)
    same(model.get_text_embedding_batch(TEXTS), expected, "get_text_embedding_batch")
    same(model.get_text_embedding(TEXTS[3]), expected[3], "get_text_embedding")
    same(model.get_query_embedding(TEXTS[3]), expected[3], "get_query_embedding")
    for _ in range(2):
        same(asyncio.run(model.aget_text_embedding_batch(TEXTS)), expected, "aget_text_embedding_batch")
        same(asyncio.run(model.aget_query_embedding(TEXTS[3])), expected[3], "aget_query_embedding")
    check(
        "secret" not in AttendantEmbedding(target=address, connection={"api_key": "secret"}).to_json(),
        "the key is serialised",
    )
    index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS], embed_model=model)
    found = index.as_retriever(similarity_top_k=1).retrieve(TEXTS[17])
    check(found[0].text == TEXTS[17] and found[0].score > 0.999, found)


def main(address):
    expected = native_vectors(address)
    asyncio.run(package(address, expected))
    langchain(address, expected)
    llama_index(address, expected)


if __name__ == "__main__":
    main(sys.argv[1])
