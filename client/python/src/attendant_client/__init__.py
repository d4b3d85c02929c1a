"""Client of Attendant, a gRPC server that turns text into embeddings on CPUs.

from attendant_client import Client
with Client("127.0.0.1:50051") as client:
    vectors = client.encode(["A cat sleeps.", "The kitten naps."])  # NumPy, (2, dimension)
"""

from attendant_client.aio import AsyncClient
from attendant_client.client import Client
from attendant_client.errors import (
    AttendantError,
    AuthenticationError,
    DeadlineExceededError,
    InvalidArgumentError,
    ModelChangedError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from attendant_client.types import (
    Attention,
    Connection,
    Embeddings,
    Limits,
    ModelInfo,
    Ranking,
    RetryPolicy,
    Similarities,
    TextPair,
    Tls,
    Token,
    TokenIds,
    TokenizedItem,
)

__all__ = [
    "AsyncClient",
    "AttendantError",
    "Attention",
    "AuthenticationError",
    "Client",
    "Connection",
    "DeadlineExceededError",
    "Embeddings",
    "InvalidArgumentError",
    "Limits",
    "ModelChangedError",
    "ModelInfo",
    "NotFoundError",
    "Ranking",
    "ResourceExhaustedError",
    "RetryPolicy",
    "Similarities",
    "TextPair",
    "Tls",
    "Token",
    "TokenIds",
    "TokenizedItem",
    "UnavailableError",
]
