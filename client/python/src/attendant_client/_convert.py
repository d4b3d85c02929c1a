"""Between the plain values and the messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from attendant_client._contract import pb, wire
from attendant_client.errors import AttendantError, InvalidArgumentError, from_item_status
from attendant_client.types import (
    Attention,
    Item,
    Limits,
    ModelInfo,
    Ranking,
    Similarities,
    TextPair,
    Token,
    TokenIds,
    TokenizedItem,
)

_POOLINGS = ("mean", "cls", "max", "mean_sqrt_len", "weighted_mean", "last_token")
_STATES = ("", "LOADING", "READY", "DRAINING", "FAILED")
_OUTPUTS = {"pooled": pb.OUTPUT_POOLED, "tokens": pb.OUTPUT_TOKENS}
_TRUNCATIONS = {
    "error": pb.TRUNCATION_ERROR,
    "end": pb.TRUNCATION_END,
    "start": pb.TRUNCATION_START,
    "window": pb.TRUNCATION_WINDOW,
}
# Name: (number, type of the answer's elements).
ENCODINGS = {
    "float32": (pb.ENCODING_FLOAT32, "<f4"),
    "float16": (pb.ENCODING_FLOAT16, "<f2"),
    "int8": (pb.ENCODING_INT8, "<i1"),
    "uint8": (pb.ENCODING_UINT8, "<u1"),
    "binary": (pb.ENCODING_BINARY, "<i1"),
    "ubinary": (pb.ENCODING_UBINARY, "<u1"),
}
_REDUCTIONS = {"mean": pb.HEAD_REDUCTION_MEAN, "max": pb.HEAD_REDUCTION_MAX}
_FUNCTIONS = {
    "cosine": pb.SIMILARITY_FUNCTION_COSINE,
    "dot": pb.SIMILARITY_FUNCTION_DOT,
    "euclidean": pb.SIMILARITY_FUNCTION_EUCLIDEAN,
    "manhattan": pb.SIMILARITY_FUNCTION_MANHATTAN,
}
_CLASSES = {"interactive": pb.SERVICE_CLASS_INTERACTIVE, "bulk": pb.SERVICE_CLASS_BULK}


def _invalid(message: str, field: str, index: int | None = None) -> InvalidArgumentError:
    return InvalidArgumentError(grpc.StatusCode.INVALID_ARGUMENT, message, field=field, index=index)


def _choice(table: Mapping[str, Any], options: Mapping[str, Any], name: str) -> Any:
    """The number for options[name]; 0 where it is left out or None."""
    value = options.get(name)
    if value is None:
        return 0
    if value not in table:
        raise _invalid(f"{value!r} is none of {', '.join(table)}", name)
    return table[value]


def to_item(item: Item, index: int) -> pb.Item:
    try:
        if isinstance(item, str):
            return pb.Item(text=item)
        if isinstance(item, np.ndarray) and item.dtype.kind == "f":
            return pb.Item(vector=pb.Vector(values=item.tolist()))
        if isinstance(item, TokenIds):
            return pb.Item(
                tokens=pb.TokenSequence(
                    input_ids=item.input_ids,
                    token_type_ids=item.token_type_ids,
                    add_special_tokens=item.add_special_tokens,
                )
            )
        if isinstance(item, TextPair):
            return pb.Item(pair=pb.TextPair(first=item.first, second=item.second))
        if isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], str):
            return pb.Item(pair=pb.TextPair(first=item[0], second=item[1]))
        if item is None or isinstance(item, (bytes, bytearray)):
            raise TypeError("text is str")  # protobuf would take None for nothing and bytes for numbers
        return pb.Item(tokens=pb.TokenSequence(input_ids=item))
    except UnicodeError as error:
        raise _invalid(f"the text cannot be encoded as UTF-8: {error}", f"items[{index}]", index) from None
    except (TypeError, ValueError) as error:
        raise _invalid(
            f"{type(item).__name__} is no text, pair of texts or sequence of 32-bit ids: {error}",
            f"items[{index}]",
            index,
        ) from None


def item_bytes(item: Item) -> int:
    """About the item's share of a request: of texts exact, of ids the most that vocabularies need."""
    if isinstance(item, str):
        return len(item) if item.isascii() else len(item.encode(errors="replace"))
    if isinstance(item, TextPair):
        return item_bytes(item.first) + item_bytes(item.second)
    if isinstance(item, TokenIds):
        return 5 * (len(item.input_ids) + len(item.token_type_ids))
    if isinstance(item, (tuple, list)) and item and isinstance(item[0], str):
        return sum(item_bytes(text) for text in item if isinstance(text, str))
    return 5 * len(item) if hasattr(item, "__len__") else 0


def set_prompt(message: Any, options: Mapping[str, Any]) -> None:
    name, text = options.get("prompt_name"), options.get("prompt")
    if name is not None and text is not None:
        raise _invalid("at most one of prompt and prompt_name", "prompt")
    if name is not None:
        message.prompt_name = name
    if text is not None:
        message.prompt_text = text


def to_embed_request(options: Mapping[str, Any]) -> pb.EmbedRequest:
    """The request of these options, without items."""
    numbers = {name: number for number, name in enumerate(_POOLINGS, 1)}
    embed = pb.EmbedOptions(
        truncation=_choice(_TRUNCATIONS, options, "truncation"), output=_choice(_OUTPUTS, options, "output")
    )
    for name in options.get("pooling") or ():
        embed.pooling.append(_choice(numbers, {"pooling": name}, "pooling"))
    if options.get("normalize") is not None:
        embed.normalize = options["normalize"]
    embed.encoding = _choice({name: number for name, (number, _) in ENCODINGS.items()}, options, "encoding")
    if options.get("ranges") is not None:
        minimum, maximum = np.asarray(options["ranges"], np.float32)
        embed.ranges.CopyFrom(pb.QuantizationRanges(minimum=minimum.tolist(), maximum=maximum.tolist()))
    embed.dimensions = options.get("dimensions") or 0
    embed.allow_untrained_dimensions = bool(options.get("allow_untrained_dimensions"))
    set_prompt(embed, options)
    return pb.EmbedRequest(
        model=options.get("model") or "", options=embed, service_class=_choice(_CLASSES, options, "service_class")
    )


def to_tokenize_request(items: Sequence[Item], options: Mapping[str, Any]) -> pb.TokenizeRequest:
    request = pb.TokenizeRequest(
        model=options.get("model") or "",
        items=[to_item(item, i) for i, item in enumerate(items)],
        truncation=_choice(_TRUNCATIONS, options, "truncation"),
    )
    set_prompt(request, options)
    return request


def _set_compare_options(request: Any, options: Mapping[str, Any]) -> None:
    request.model = options.get("model") or ""
    request.function = _choice(_FUNCTIONS, options, "function")
    request.truncation = _choice(_TRUNCATIONS, options, "truncation")
    request.dimensions = options.get("dimensions") or 0
    request.allow_untrained_dimensions = bool(options.get("allow_untrained_dimensions"))
    request.service_class = _choice(_CLASSES, options, "service_class")


def to_rank_request(query: Item, items: Sequence[Item], top_k: int, options: Mapping[str, Any]) -> pb.RankRequest:
    request = pb.RankRequest(
        query=to_item(query, 0), items=[to_item(item, index) for index, item in enumerate(items)], top_k=top_k
    )
    _set_compare_options(request, options)
    return request


def to_similarity_request(
    items: Sequence[Item], others: Sequence[Item], options: Mapping[str, Any]
) -> pb.SimilarityRequest:
    request = pb.SimilarityRequest(
        items=[to_item(item, index) for index, item in enumerate(items)],
        others=[to_item(item, index) for index, item in enumerate(others)],
    )
    _set_compare_options(request, options)
    return request


def to_attention_request(item: Item, options: Mapping[str, Any]) -> pb.GetAttentionRequest:
    request = pb.GetAttentionRequest(
        model=options.get("model") or "",
        item=to_item(item, 0),
        layers=options.get("layers") or (),
        heads=options.get("heads") or (),
        query_rows=options.get("query_rows") or (),
        head_reduction=_choice(_REDUCTIONS, options, "head_reduction"),
        truncation=_choice(_TRUNCATIONS, options, "truncation"),
        service_class=_choice(_CLASSES, options, "service_class"),
    )
    set_prompt(request, options)
    return request


def _is_whole(embedding: Any) -> bool:
    if embedding.encoding:
        return True  # the vector is in `packed`, which is bytes anyway
    size = 4
    for extent in embedding.shape:
        size *= extent
    return len(embedding.values) == size


def parse_embed_response(data: bytes) -> Any:
    """wire.EmbedResponse of these bytes.

    Floats may also come unpacked or in several packs, which every server may send and none does; a bytes field keeps
    only the last of them. The shape and the size tell, and then the ordinary parser is used.
    """
    message = wire.EmbedResponse.FromString(data)
    embeddings = [result.embedding for result in message.results if result.HasField("embedding")]
    # Shapes take most of the time, and vectors of one length need to be looked at once.
    if len({len(embedding.values) for embedding in embeddings}) == 1:
        embeddings = embeddings[:1]
    if message.ByteSize() == len(data) and all(map(_is_whole, embeddings)):
        return message
    ordinary = pb.EmbedResponse.FromString(data)
    for result, plain in zip(message.results, ordinary.results, strict=True):
        result.embedding.values = np.array(plain.embedding.values, dtype="<f4").tobytes()
    return message


def parse_attention_response(data: bytes) -> Any:
    """wire.GetAttentionResponse of these bytes; see parse_embed_response. Here the size tells whether anything was
    lost."""
    message = wire.GetAttentionResponse.FromString(data)
    if not message.values or message.ByteSize() != len(data):
        message.values = np.array(pb.GetAttentionResponse.FromString(data).values, dtype="<f4").tobytes()
    return message


def vector_bytes(embedding: Any) -> bytes:
    data: bytes = embedding.packed if embedding.encoding else embedding.values
    return data


def to_matrix(embedding: Any, dtype: str = "<f4") -> NDArray[Any]:
    """The embedding in its own shape, of bits in bytes; the array shares the message's bytes and is read-only."""
    values: NDArray[Any] = np.frombuffer(vector_bytes(embedding), dtype=dtype)
    shape = tuple(embedding.shape)
    if embedding.encoding in (pb.ENCODING_BINARY, pb.ENCODING_UBINARY):
        shape = (*shape[:-1], (shape[-1] + 7) // 8)
    if values.size != int(np.prod(shape)):
        raise AttendantError(grpc.StatusCode.INTERNAL, f"the server sent {values.size} numbers for the shape {shape}")
    return values.reshape(shape)


def to_tokens(tokens: Iterable[Any]) -> list[Token]:
    return [Token(token.id, token.text, token.special, token.type_id, token.start, token.end) for token in tokens]


def to_tokenized(result: Any, index: int) -> TokenizedItem:
    if result.status.code:
        return TokenizedItem([], error=from_item_status(result.status, index))
    return TokenizedItem(to_tokens(result.tokens), result.tokens_dropped)


def _failures(failures: Iterable[Any]) -> list[AttendantError]:
    return [from_item_status(failure.status, failure.index) for failure in failures]


def to_ranking(response: Any) -> Ranking:
    return Ranking(
        indices=np.array([result.index for result in response.results], np.int64),
        scores=np.array([result.score for result in response.results], np.float32),
        errors=_failures(response.failures),
        model=response.model,
        fingerprint=response.model_fingerprint,
    )


def parse_similarity_response(data: bytes) -> Any:
    """wire.SimilarityResponse of these bytes; see parse_attention_response."""
    message = wire.SimilarityResponse.FromString(data)
    if not message.values or message.ByteSize() != len(data):
        message.values = np.array(pb.SimilarityResponse.FromString(data).values, dtype="<f4").tobytes()
    return message


def to_similarities(response: Any) -> Similarities:
    values: NDArray[np.float32] = np.frombuffer(response.values, dtype="<f4")
    if values.size != response.rows * response.columns:
        raise AttendantError(grpc.StatusCode.INTERNAL, f"{values.size} values for {response.rows} x {response.columns}")
    return Similarities(
        values=values.reshape(response.rows, response.columns).copy(),
        errors=_failures(response.failures),
        others_errors=_failures(response.others_failures),
        model=response.model,
        fingerprint=response.model_fingerprint,
    )


def to_model_info(model: pb.Model) -> ModelInfo:
    limits = Limits(**{name: getattr(model.limits, name) for name in Limits.__dataclass_fields__})
    plain = {
        name: getattr(model, name)
        for name in ModelInfo.__dataclass_fields__
        if name not in ("state", "pooling", "prompts", "limits")
    }
    known = model.state if model.state < len(_STATES) else 0
    return ModelInfo(
        **plain,
        state=_STATES[known],
        pooling=[_POOLINGS[number - 1] for number in model.pooling],
        prompts=dict(model.prompts),
        limits=limits,
    )


def health_name(response: Any) -> str:
    names = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
    return names[response.status] if response.status < len(names) else "UNKNOWN"


class AttentionAssembler:
    """Puts the pieces of a GetAttention answer into one array."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._header: Any = None
        self._values = np.empty(0, dtype="<f4")
        self._filled = 0

    def add(self, chunk: Any) -> None:
        if chunk.HasField("header"):
            self._begin(chunk.header)
        piece = np.frombuffer(chunk.values, dtype="<f4")
        end = chunk.offset + piece.size
        if self._header is None or chunk.offset != self._filled or end > self._values.size:
            raise AttendantError(
                grpc.StatusCode.INTERNAL,
                f"a piece of the attention map is out of place: {piece.size} numbers at "
                f"{chunk.offset}, of {self._values.size}, {self._filled} there",
            )
        self._values[chunk.offset : end] = piece
        self._filled = end

    def _begin(self, header: Any) -> None:
        if self._header is not None or len(header.shape) != 4 or min(header.shape) < 0:
            raise AttendantError(grpc.StatusCode.INTERNAL, "the header of the attention map makes no sense")
        size = 4
        for extent in header.shape:
            size *= extent
        if size > self._max_bytes:
            raise AttendantError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"the attention map takes {size} bytes, more than this client's max_attention_bytes, {self._max_bytes}",
            )
        self._header = header
        self._values = np.empty(size // 4, dtype="<f4")

    def finish(self) -> Attention:
        if self._header is None or self._filled != self._values.size:
            raise AttendantError(
                grpc.StatusCode.INTERNAL, f"the attention map ends after {self._filled} of {self._values.size} numbers"
            )
        header = self._header
        return Attention(
            values=self._values.reshape(tuple(header.shape)),
            tokens=to_tokens(header.tokens),
            layers=list(header.layers),
            heads=list(header.heads),
            query_rows=list(header.query_rows),
            tokens_dropped=header.tokens_dropped,
            model=header.model,
            fingerprint=header.model_fingerprint,
        )
