"""Embeddings of Attendant for LangChain: pip install 'attendant-client[langchain]'.

from attendant_client.langchain import AttendantEmbeddings
store = InMemoryVectorStore(AttendantEmbeddings("127.0.0.1:50051"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from attendant_client._per_loop import ClientPerLoop
from attendant_client.client import Client
from attendant_client.types import ConnectionOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AttendantEmbeddings(Embeddings):
    """Queries and documents get the model's own prompts for them, where it has some.

    encode_options: what encode() takes by name (normalize_embeddings, truncate_dim, model, batch_size, ...), for every
    call. Other options: see Connection.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        encode_options: dict[str, Any] | None = None,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        self._options = dict(encode_options or {})
        self._client = Client(target, **connection)
        self._clients = ClientPerLoop(target, dict(connection))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return _rows(self._client.encode_document(list(texts), **self._options))

    def embed_query(self, text: str) -> list[float]:
        return _row(self._client.encode_query(text, **self._options))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return _rows(await self._clients.get().encode_document(list(texts), **self._options))

    async def aembed_query(self, text: str) -> list[float]:
        return _row(await self._clients.get().encode_query(text, **self._options))


def _rows(vectors: Any) -> list[list[float]]:
    rows: list[list[float]] = vectors.tolist()
    return rows


def _row(vector: Any) -> list[float]:
    row: list[float] = vector.tolist()
    return row
