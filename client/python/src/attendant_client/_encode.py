"""encode(): the meaning of SentenceTransformer.encode, told as a job and what is done with its vectors afterwards.

What is done here and not in the server is what depends on all vectors together, or on the order of
sentence-transformers' own steps: there the model's normalisation comes first, then truncate_dim, then
normalize_embeddings; int8 and uint8 are scaled by the smallest and largest value that each dimension has in this very
call, where the server's own encodings never depend on what else is in the request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attendant_client.types import Embeddings, EmbedOptions, Item, TextPair, TokenIds

logger = logging.getLogger("attendant_client")

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
_OUTPUT_VALUES = ("sentence_embedding", "token_embeddings")
# The names that sentence-transformers looks for, in this order.
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class EncodePlan:
    """One call of encode()."""

    def __init__(
        self,
        sentences: Any,
        *,
        prompt_name: str | None,
        prompt: str | None,
        batch_size: int | None,
        show_progress_bar: bool | None,
        output_value: str,
        precision: str | None,
        convert_to_numpy: bool,
        convert_to_tensor: bool,
        normalize_embeddings: bool,
        truncate_dim: int | None,
        model: str,
        timeout: float | None,
        fingerprint: str | None,
        on_error: str,
    ) -> None:
        if output_value not in _OUTPUT_VALUES:
            raise ValueError(f"output_value {output_value!r} is none of {_OUTPUT_VALUES}")
        if precision is not None and precision not in PRECISIONS:
            raise ValueError(f"Precision {precision!r} is not supported, must be one of {PRECISIONS}")
        if truncate_dim is not None and truncate_dim <= 0:
            raise ValueError(f"truncate_dim must be a positive integer, got {truncate_dim}")
        if on_error not in ("raise", "nan"):
            raise ValueError(f"on_error {on_error!r} is neither 'raise' nor 'nan'")
        self._tokens = output_value == "token_embeddings"
        if on_error == "nan" and (self._tokens or precision not in (None, "float32")):
            raise ValueError("on_error='nan' needs float32 sentence embeddings: nothing else has a NaN")
        if prompt is not None and prompt_name is not None:
            logger.warning("both prompt and prompt_name are given: prompt_name is ignored")
            prompt_name = None
        self.single = isinstance(sentences, (str, TextPair, TokenIds))
        self.items: Sequence[Item] = [sentences] if self.single else _as_list(sentences)
        self._precision = precision or "float32"
        self._as_tensors = convert_to_tensor or not (convert_to_numpy or self._tokens)
        self._one_tensor = convert_to_tensor and not self._tokens
        self._normalize = normalize_embeddings and not self._tokens
        self._truncate_dim = None if self._tokens else truncate_dim
        self._raise = on_error == "raise"
        if show_progress_bar is None:
            show_progress_bar = logger.getEffectiveLevel() in (logging.INFO, logging.DEBUG)
        self._show_progress = show_progress_bar and bool(self.items)
        self.options: EmbedOptions = {"output": "tokens" if self._tokens else "pooled", "model": model}
        optional: dict[str, Any] = {
            "prompt_name": prompt_name,
            "prompt": prompt,
            "batch_size": batch_size,
            "timeout": timeout,
            "fingerprint": fingerprint,
            "normalize": True if self._normalize and self._truncate_dim is None else None,
        }
        if self._tokens:
            optional["normalize"] = False
        # Bits of whole vectors come from the server, a 32nd of the bytes; normalising moves no value across zero.
        self._bits_from_server = self._precision in ("binary", "ubinary") and self._truncate_dim is None
        if self._bits_from_server:
            optional["encoding"] = self._precision
        self.options.update({name: value for name, value in optional.items() if value is not None})  # type: ignore[typeddict-item]

    def progress(self) -> ProgressBar:
        return ProgressBar(len(self.items), self._show_progress)

    def finish(self, result: Embeddings) -> Any:
        if result.errors and self._raise:
            if len(result.errors) > 1:
                logger.error(
                    "%d of %d items failed; the first: %s", len(result.errors), len(self.items), result.errors[0]
                )
            raise result.errors[0]
        if not self.items:
            return self._empty()
        rows: Any = result.vectors
        if not self._bits_from_server:
            rows = _quantize_rows(rows, self._precision) if self._tokens else quantize(self._cut(rows), self._precision)
        if self._as_tensors:
            rows = _tensors(rows, one=self._one_tensor)
        return rows[0] if self.single else rows

    def _cut(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._truncate_dim is None:
            return vectors
        vectors = np.ascontiguousarray(vectors[:, : self._truncate_dim])
        if self._normalize:
            # As torch.nn.functional.normalize: a vector of zeros stays one.
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _empty(self) -> Any:
        if self._tokens or (self._as_tensors and not self._one_tensor):
            return []
        return _tensors([], one=True) if self._as_tensors else np.array([])


def _as_list(sentences: Any) -> list[Any]:
    if isinstance(sentences, list):
        return sentences
    if isinstance(sentences, np.ndarray):
        return list(sentences.tolist())
    if isinstance(sentences, Iterable):
        return list(sentences)
    raise TypeError(f"sentences must be a string or a sequence of strings, not {type(sentences).__name__}")


def quantize(vectors: NDArray[np.float32], precision: str) -> NDArray[Any]:
    """[items, dimension] as sentence-transformers' quantize_embeddings() makes it."""
    if precision == "float32":
        return vectors
    if precision in ("binary", "ubinary"):
        bits: NDArray[np.uint8] = np.packbits(vectors > 0, axis=-1)
        signed: NDArray[np.int8] = (bits ^ 0x80).view(np.int8)
        return bits if precision == "ubinary" else signed
    if len(vectors) < 2:
        raise ValueError(
            f"{precision} is scaled by the range of each dimension over all items of the call: one item has no range"
        )
    starts = vectors.min(axis=0)
    steps = (vectors.max(axis=0) - starts) / np.float32(255)
    scaled: NDArray[np.float32] = np.clip(
        np.floor((vectors - starts) / np.where(steps == 0, np.float32(1), steps)), 0, 255
    )
    return scaled.astype(np.uint8) if precision == "uint8" else (scaled - 128).astype(np.int8)


def _quantize_rows(rows: list[NDArray[np.float32]], precision: str) -> list[NDArray[Any]]:
    """Each of them, by ranges over all."""
    ends = np.cumsum([len(row) for row in rows])
    return np.split(quantize(np.concatenate(rows), precision), ends[:-1])


def _tensors(rows: Any, *, one: bool) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError("tensors need torch (pip install torch); convert_to_numpy=True does without") from None
    if one:
        return torch.from_numpy(rows) if len(rows) else torch.tensor([])
    return [torch.from_numpy(np.array(row)) for row in rows]


def prompt_for_query(prompts: dict[str, str]) -> str | None:
    return "query" if "query" in prompts else None


def prompt_for_document(prompts: dict[str, str]) -> str | None:
    return next((name for name in _DOCUMENT_PROMPTS if name in prompts), None)


class ProgressBar:
    """tqdm's bar where it is wanted and installed, else nothing."""

    def __init__(self, total: int, show: bool) -> None:
        self._done = 0
        self._bar: Any = None
        if show:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                logger.warning("there is no progress bar: tqdm is not installed")
            else:
                self._bar = tqdm(total=total, desc="Embedding", unit="item")

    def update(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(done - self._done)
        self._done = done

    def __enter__(self) -> Callable[[int], None]:
        return self.update

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
