"""Embeddings of Attendant for LlamaIndex: pip install 'attendant-client[llama-index]'.

from attendant_client.llama_index import AttendantEmbedding
Settings.embed_model = AttendantEmbedding(target="127.0.0.1:50051")
"""

from __future__ import annotations

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from attendant_client._per_loop import ClientPerLoop
from attendant_client.client import Client

# LlamaIndex waits for each batch before it sends the next; the client cuts this into requests that go out side by side.
_BATCH_ITEMS = 512


class AttendantEmbedding(BaseEmbedding):
    """Queries and texts get the model's own prompts for them, where it has some."""

    target: str | None = Field(default=None, description="HOST:PORT; None: $ATTENDANT_SERVER, else 127.0.0.1:50051")
    connection: dict[str, Any] = Field(
        default_factory=dict,
        exclude=True,
        description="what Client takes by name: api_key, tls, timeout, ...; not serialised",
    )
    encode_options: dict[str, Any] = Field(
        default_factory=dict, description="what encode() takes by name: normalize_embeddings, truncate_dim, model, ..."
    )
    embed_batch_size: int = Field(
        default=_BATCH_ITEMS, gt=0, le=2048, description="texts that LlamaIndex hands over at a time"
    )

    _client: Client = PrivateAttr()
    _clients: ClientPerLoop = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._client = Client(self.target, **self.connection)
        self._clients = ClientPerLoop(self.target, self.connection)

    @classmethod
    def class_name(cls) -> str:
        return "AttendantEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return _row(self._client.encode_query(query, **self.encode_options))

    def _get_text_embedding(self, text: str) -> list[float]:
        return _row(self._client.encode_document(text, **self.encode_options))

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return _rows(self._client.encode_document(texts, **self.encode_options))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return _row(await self._clients.get().encode_query(query, **self.encode_options))

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return _row(await self._clients.get().encode_document(text, **self.encode_options))

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return _rows(await self._clients.get().encode_document(texts, **self.encode_options))


def _rows(vectors: Any) -> list[list[float]]:
    rows: list[list[float]] = vectors.tolist()
    return rows


def _row(vector: Any) -> list[float]:
    row: list[float] = vector.tolist()
    return row
