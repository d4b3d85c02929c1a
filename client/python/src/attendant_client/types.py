"""The plain values that go into calls and come out of them. Names and meanings are those of embedding.proto."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, Union

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from attendant_client.errors import AttendantError

PoolingName = Literal["mean", "cls", "max", "mean_sqrt_len", "weighted_mean", "last_token"]
# "window": a text that is too long is embedded in overlapping windows, pooled into one vector; not for tokens and maps.
TruncationName = Literal["error", "end", "start", "window"]
EncodingName = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]
ServiceClassName = Literal["interactive", "bulk"]


@dataclass(frozen=True)
class TextPair:
    """Two texts that the model sees as one item; a tuple of two strings means the same."""

    first: str
    second: str


@dataclass(frozen=True)
class TokenIds:
    """Ids that the server uses as they are; add_special_tokens puts the model's own around them."""

    input_ids: Sequence[int]
    token_type_ids: Sequence[int] = ()
    add_special_tokens: bool = False


# A string is a text, a tuple of two strings a pair; a list or an array of integers are complete token ids. For rank()
# and similarity() an array of floats is a vector that was embedded before.
Item = Union[
    str, TextPair, "tuple[str, str]", TokenIds, Sequence[int], "NDArray[np.integer[Any]]", "NDArray[np.floating[Any]]"
]


class EmbedOptions(TypedDict, total=False):
    """What embed() takes by name beside the items; what is left out is as the model's own files say."""

    model: str  # empty: the server's default
    pooling: Sequence[PoolingName]  # several are concatenated in the order of sentence-transformers
    normalize: bool
    prompt_name: str
    prompt: str  # "" for none
    truncation: TruncationName
    output: Literal["pooled", "tokens"]
    encoding: EncodingName  # what the server writes; binary and ubinary: eight values to a byte
    ranges: NDArray[
        np.float32
    ]  # [2, dimension]: minimum and maximum of each, for int8 and uint8; unset: the model's own
    dimensions: int  # cuts vectors, then normalises them as above
    allow_untrained_dimensions: bool  # also where the model was not trained for that
    service_class: ServiceClassName  # unset: a job of several requests is bulk, a single request interactive
    batch_size: int  # items of one request at most
    timeout: float  # seconds for all of it; unset: as long as answers keep coming
    fingerprint: str  # of the model that must answer


class CompareOptions(TypedDict, total=False):
    """What rank() and similarity() take by name beside the items."""

    model: str
    function: Literal["cosine", "dot", "euclidean", "manhattan"]  # distances are negated; unset: the model's own
    truncation: TruncationName
    dimensions: int
    allow_untrained_dimensions: bool
    service_class: ServiceClassName
    timeout: float


class InputOptions(TypedDict, total=False):
    """What tokenize() takes by name beside the items."""

    model: str
    prompt_name: str
    prompt: str
    truncation: TruncationName
    timeout: float


class AttentionOptions(TypedDict, total=False):
    """What attention() takes by name beside the item; layers, heads and rows left out mean all."""

    model: str
    layers: Sequence[int]
    heads: Sequence[int]
    query_rows: Sequence[int]
    head_reduction: Literal["mean", "max"]
    prompt_name: str
    prompt: str
    truncation: TruncationName
    service_class: ServiceClassName
    timeout: float


class ConnectionOptions(TypedDict, total=False):
    """What a client takes by name beside the target; Connection says what is assumed where one is left out."""

    api_key: str | None
    tls: Tls | bool
    timeout: float
    progress_timeout: float
    max_in_flight: int
    max_message_bytes: int
    max_attention_bytes: int
    retry: RetryPolicy
    use_http_proxy: bool


@dataclass(frozen=True)
class RetryPolicy:
    max_attempts: int = 6  # the first included; 1: never try again
    initial_backoff: float = 0.1  # seconds
    max_backoff: float = 5.0
    multiplier: float = 2.0


@dataclass(frozen=True)
class Tls:
    """PEM texts or files' contents; authorities left out are those of the system."""

    authorities: bytes | None = None
    certificate: bytes | None = None  # this client's own, with its key, for servers that want one
    key: bytes | None = None
    server_name: str | None = None  # what the certificate must be for, when it is not the target's host

    @classmethod
    def from_files(
        cls,
        authorities: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
        server_name: str | None = None,
    ) -> Tls:
        """The contents of these PEM files."""

        def read(path: str | None) -> bytes | None:
            return None if path is None else pathlib.Path(path).read_bytes()

        return cls(read(authorities), read(certificate), read(key), server_name)


@dataclass(frozen=True)
class Connection:
    """Where the server is and how to talk to it."""

    target: str
    api_key: str | None = None  # None: $ATTENDANT_API_KEY, if there is one
    tls: Tls | bool = False  # True: with the system's authorities
    timeout: float = 30.0  # seconds for a call with all its attempts; in a job of many requests, for one of them
    progress_timeout: float = 60.0  # seconds without any answer after which a job of many requests fails
    max_in_flight: int = 8  # requests of one job under way
    max_message_bytes: int = 64 << 20
    max_attention_bytes: int = 256 << 20
    retry: RetryPolicy = RetryPolicy()
    use_http_proxy: bool = False  # a server on one's own network is rarely behind it

    def __post_init__(self) -> None:
        if not self.target:
            raise ValueError("target is empty; it should be HOST:PORT")
        for name in ("timeout", "progress_timeout", "max_in_flight", "max_message_bytes", "max_attention_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.retry.max_attempts < 1:
            raise ValueError("retry.max_attempts must be at least 1")
        # HTTP allows no other characters in a header, and gRPC's message about them does not say which header.
        if self.api_key and not all(" " < character <= "~" for character in self.api_key):
            raise ValueError("api_key must be of printable ASCII characters without spaces")
        if isinstance(self.tls, Tls) and (self.tls.certificate is None) != (self.tls.key is None):
            raise ValueError("tls.certificate and tls.key go together")


@dataclass
class Embeddings:
    """The vectors of a list of items, in its order."""

    # [items, dimension]; for output="tokens" a list of [tokens, hidden_size]. Failed items: NaN (0 in integers), or an
    # array of no rows.
    vectors: NDArray[Any] | list[NDArray[Any]]
    errors: list[AttendantError]  # of the items that failed; .index says which
    tokens_used: NDArray[np.int32]  # [items]
    tokens_dropped: NDArray[np.int32]  # [items], by truncation
    model: str
    fingerprint: str  # over everything that decides the numbers; vectors of two fingerprints must not be mixed
    ranges: NDArray[np.float32] | None = None  # [2, dimension]: the model's own, by which int8 and uint8 were made
    untrained_dimensions: bool = False  # vectors were cut to a size that the model was not trained for


@dataclass
class Ranking:
    """The items that are most like a query, best first."""

    indices: NDArray[np.int64]  # of the items
    scores: NDArray[np.float32]
    errors: list[AttendantError]  # of the items that have no score; .index says which
    model: str
    fingerprint: str


@dataclass
class Similarities:
    """How alike items are to others; NaN in the row or column of an item that failed."""

    values: NDArray[np.float32]  # [items, others]
    errors: list[AttendantError]  # of items
    others_errors: list[AttendantError]
    model: str
    fingerprint: str


class Token(NamedTuple):
    id: int
    text: str
    special: bool
    type_id: int
    start: int  # code points, half open; both 0 where the token has no place in a text
    end: int


@dataclass
class TokenizedItem:
    tokens: list[Token]
    tokens_dropped: int = 0
    error: AttendantError | None = None


@dataclass
class Attention:
    """Attention probabilities of one item."""

    values: NDArray[np.float32]  # [layers, heads, query_rows, tokens]; heads is 1 when reduced
    tokens: list[Token]
    layers: list[int]
    heads: list[int]  # those answered, or reduced over
    query_rows: list[int]
    tokens_dropped: int
    model: str
    fingerprint: str


@dataclass(frozen=True)
class Limits:
    """What the server accepts; 0: it does not say."""

    max_items_per_request: int = 0
    max_text_bytes: int = 0
    max_tokens_per_item: int = 0
    max_message_bytes: int = 0
    max_attention_bytes: int = 0
    max_in_flight_per_stream: int = 0


@dataclass(frozen=True)
class ModelInfo:
    name: str
    fingerprint: str
    state: str  # "LOADING", "READY", "DRAINING", "FAILED"
    state_reason: str
    is_default: bool
    architecture: str
    precision: str
    kernels: str
    dimension: int
    hidden_size: int
    num_layers: int
    num_heads: int
    vocab_size: int
    max_tokens: int
    normalize: bool
    pooling: list[str] = field(default_factory=list)
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str = ""
    limits: Limits = Limits()
    loaded_unix_ms: int = 0
