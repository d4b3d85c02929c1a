"""An embedding job: which items go into which request, what to do with each answer, when to stop. No I/O and no clock
in here; the synchronous and the asynchronous client drive the same job.

Items are cut into batches within the server's limits. A bounded number of batches is under way; an answer is put where
its items belong, in whatever order answers come. A refused batch is sent again after the server's hint or a growing
wait, and fewer batches are under way for a while (halved by a refusal, one more with each answer). The job fails when
something is wrong with the request itself, when nothing was answered for progress_timeout, or when its time is over.

All answers must have one fingerprint. If the model is swapped on the way the job fails with ModelChangedError: sending
the rest again would not help, since what is there already is the old model's, and the vectors that the caller has from
earlier calls are, too.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from attendant_client import _convert
from attendant_client._contract import pb
from attendant_client._retry import Backoff, is_retryable
from attendant_client.errors import AttendantError, DeadlineExceededError, ModelChangedError, from_item_status
from attendant_client.types import Connection, Embeddings, Item, ModelInfo, RetryPolicy

# Enough to fill the server's batches (512 tokens) several times over and to make the cost of a call small against that
# of its items; few enough that a bulk job's requests do not hold up each other. Measured: README.md.
DEFAULT_BATCH_ITEMS = 64
# Of a request or an answer, whichever is larger.
_MAX_BATCH_BYTES = 1 << 20


@dataclass
class Batch:
    first: int
    last: int  # exclusive
    attempts: int = 0


@dataclass(frozen=True)
class JobSettings:
    retry: RetryPolicy
    max_in_flight: int
    max_message_bytes: int
    request_timeout: float  # seconds for one request
    progress_timeout: float

    @classmethod
    def of(cls, connection: Connection) -> JobSettings:
        return cls(
            connection.retry,
            connection.max_in_flight,
            connection.max_message_bytes,
            connection.timeout,
            connection.progress_timeout,
        )


class Job:
    """One thread, or one event loop, drives a job: take() until None, then wait for an answer at most wait_s(), then
    on_answer() or on_error(), and so on until finished."""

    def __init__(
        self, items: Sequence[Item], options: Mapping[str, Any], model: ModelInfo, settings: JobSettings, now: float
    ) -> None:
        self._items = items
        self._template = _convert.to_embed_request(options)
        self._settings = settings
        self._expected = options.get("fingerprint")
        timeout = options.get("timeout")
        self._deadline = math.inf if timeout is None else now + timeout
        self._pooled = self._template.options.output != pb.OUTPUT_TOKENS
        self._batches = collections.deque(self._cut(options.get("batch_size"), model))
        self._again: collections.deque[Batch] = collections.deque()
        if self._template.service_class == 0 and len(self._batches) > 1:
            self._template.service_class = pb.SERVICE_CLASS_BULK
        self._under_way = 0
        self._allowed = settings.max_in_flight
        self._backoff = Backoff(settings.retry)
        self._send_after = self._last_progress = now
        self._trouble: AttendantError | None = None
        self._left = len(items)
        self.result = Embeddings(
            vectors=[],
            errors=[],
            tokens_used=np.zeros(len(items), np.int32),
            tokens_dropped=np.zeros(len(items), np.int32),
            model=model.name,
            fingerprint=model.fingerprint,
        )
        encoding = options.get("encoding")
        self._dtype = np.dtype(_convert.ENCODINGS[encoding][1] if encoding else "<f4")
        self._matrix: NDArray[Any] | None = None
        self._answered = False
        self._rows: list[NDArray[Any]] = [np.empty((0, 0), self._dtype)] * (0 if self._pooled else len(items))

    # ---- cutting

    def _cut(self, batch_size: int | None, model: ModelInfo) -> list[Batch]:
        if batch_size is not None and batch_size <= 0:
            raise ValueError(f"batch_size must be a positive integer, got {batch_size}.")
        limits = model.limits
        most_items = min(batch_size or DEFAULT_BATCH_ITEMS, limits.max_items_per_request or DEFAULT_BATCH_ITEMS)
        message_bytes = min(
            self._settings.max_message_bytes, limits.max_message_bytes or self._settings.max_message_bytes
        )
        most_bytes = min(_MAX_BATCH_BYTES, message_bytes // 2)
        vector_bytes = 4 * max(model.dimension, model.hidden_size * max(1, len(self._template.options.pooling)))
        batches, first, size = [], 0, 0
        for index, item in enumerate(self._items):
            in_request = _convert.item_bytes(item)
            vectors = 1 if self._pooled else min(in_request + 4, model.max_tokens or in_request + 4)
            added = max(in_request + 16, vectors * vector_bytes)
            if index > first and (index - first >= most_items or size + added > most_bytes):
                batches.append(Batch(first, index))
                first, size = index, 0
            size += added
        if first < len(self._items):
            batches.append(Batch(first, len(self._items)))
        return batches

    # ---- sending

    @property
    def finished(self) -> bool:
        return self._left == 0

    @property
    def single(self) -> bool:
        """There is one batch only, and nothing to be done beside it."""
        return len(self._batches) == 1

    @property
    def items_done(self) -> int:
        return len(self._items) - self._left

    def take(self, now: float) -> Batch | None:
        """The next batch to be sent now."""
        if self._under_way >= self._allowed or now < self._send_after or not (self._again or self._batches):
            return None
        if self._under_way == 0 and self._trouble is None:
            self._last_progress = now  # idle until now: the wait for progress starts here
        batch = (self._again or self._batches).popleft()
        batch.attempts += 1
        self._under_way += 1
        return batch

    def request(self, batch: Batch) -> pb.EmbedRequest:
        request = pb.EmbedRequest()
        request.CopyFrom(self._template)
        items = self._items[batch.first : batch.last]
        try:
            if set(map(type, items)) != {str}:
                raise TypeError
            for text in items:  # the usual case, without a second message for each item
                request.items.add().text = text  # type: ignore[assignment]
        except (TypeError, UnicodeError):
            del request.items[:]
            request.items.extend(_convert.to_item(item, index) for index, item in enumerate(items, batch.first))
        return request

    def request_timeout(self, now: float) -> float:
        return max(0.0, min(self._settings.request_timeout, self._deadline - now))

    def wait_s(self, now: float) -> float:
        """The longest wait for an answer before take() or check() have something to say."""
        until = min(self._deadline, self._last_progress + self._settings.progress_timeout)
        if (self._again or self._batches) and self._under_way < self._allowed:
            until = min(until, self._send_after)
        return max(0.0, until - now)

    def check(self, now: float) -> None:
        """Raises when the time is over."""
        over = now >= self._deadline
        if self.finished or not (over or now >= self._last_progress + self._settings.progress_timeout):
            return
        if self._trouble is not None:
            raise self._trouble  # explains more than the clock does
        what = (
            "the time for the whole job is over"
            if over
            else f"the server has answered nothing for {self._settings.progress_timeout:g} s"
        )
        raise DeadlineExceededError(
            grpc.StatusCode.DEADLINE_EXCEEDED, f"{what}; {self.items_done} of {len(self._items)} items are done"
        )

    # ---- answers

    def on_error(self, batch: Batch, error: AttendantError, now: float) -> None:
        """Plans another attempt, or raises."""
        self._under_way -= 1
        # A server that has answered may be restarting and is given progress_timeout, like one that says when to come
        # again.
        never_there = error.code != grpc.StatusCode.RESOURCE_EXHAUSTED and not self._answered
        if not is_retryable(error) or (never_there and batch.attempts >= self._settings.retry.max_attempts):
            raise error
        self._put_off(batch, error, now)

    def _put_off(self, batch: Batch, error: AttendantError, now: float) -> None:
        self._again.append(batch)
        self._trouble = error
        if now < self._send_after:  # sent before the refusal that set this wait: the same trouble, not more of it
            self._send_after = max(self._send_after, now + (error.retry_after or 0.0))
            return
        self._allowed = max(1, self._allowed // 2)
        self._send_after = now + self._backoff.next_wait(error.retry_after)

    def on_answer(self, batch: Batch, response: Any, now: float) -> None:
        """response: a wire.EmbedResponse."""
        self._under_way -= 1
        results = response.results
        if len(results) != batch.last - batch.first:
            raise AttendantError(
                grpc.StatusCode.INTERNAL, f"the server sent {len(results)} results for {batch.last - batch.first} items"
            )
        self._check_fingerprint(response)
        failed = [index for index, result in enumerate(results) if result.HasField("status") and result.status.code]
        unavailable = grpc.StatusCode.UNAVAILABLE.value[0]
        if batch.attempts < self._settings.retry.max_attempts:
            for index in failed:
                if results[index].status.code == unavailable:
                    self._put_off(batch, from_item_status(results[index].status, batch.first + index), now)
                    return
        self.result.errors += [from_item_status(results[index].status, batch.first + index) for index in failed]
        self._place(batch, results, failed)
        self._left -= len(results)
        self._last_progress = now
        self._answered = True
        self._trouble = None
        self._backoff.reset()
        self._allowed = min(self._allowed + 1, self._settings.max_in_flight)

    def _check_fingerprint(self, response: Any) -> None:
        found = response.model_fingerprint
        expected = self._expected or found
        if found != expected:
            raise ModelChangedError(expected, found)
        self._expected = expected
        self.result.model, self.result.fingerprint = response.model, found
        self.result.untrained_dimensions = response.untrained_dimensions
        if response.HasField("ranges"):
            self.result.ranges = np.array([response.ranges.minimum, response.ranges.maximum], np.float32)

    def _check_encoding(self, embedding: Any) -> None:
        asked = self._template.options.encoding
        if embedding.encoding != asked:
            message = f"the answer is in encoding {embedding.encoding}, not {asked}; the server may be too old"
            raise AttendantError(grpc.StatusCode.UNIMPLEMENTED, message)

    def _empty_matrix(self, columns: int) -> NDArray[Any]:
        """Of rows as those of failed items are."""
        nothing = np.nan if self._dtype.kind == "f" else 0
        return np.full((len(self._items), columns), nothing, self._dtype.newbyteorder("="))

    def _place(self, batch: Batch, results: Any, failed: list[int]) -> None:
        self.result.tokens_used[batch.first : batch.last] = [result.tokens_used for result in results]
        self.result.tokens_dropped[batch.first : batch.last] = [result.tokens_dropped for result in results]
        if len(failed) == len(results):
            return
        good = [index for index in range(len(results)) if index not in failed] if failed else range(len(results))
        self._check_encoding(results[good[0]].embedding)
        if not self._pooled:
            for index in good:
                self._rows[batch.first + index] = _convert.to_matrix(results[index].embedding, self._dtype.str)
            return
        vectors = [_convert.vector_bytes(results[index].embedding) for index in good]
        columns = len(vectors[0]) // self._dtype.itemsize
        if self._matrix is None:
            self._matrix = self._empty_matrix(columns)
        if set(map(len, vectors)) != {self._dtype.itemsize * self._matrix.shape[1]}:
            raise AttendantError(grpc.StatusCode.INTERNAL, "the server sent vectors of several dimensions")
        rows = np.frombuffer(b"".join(vectors), self._dtype).reshape(len(vectors), columns)
        if failed:
            self._matrix[np.setdiff1d(np.arange(batch.first, batch.last), np.add(failed, batch.first))] = rows
        else:
            self._matrix[batch.first : batch.last] = rows

    def finish(self, dimension: int) -> Embeddings:
        """The result. dimension: of the model, for when no vector tells it."""
        self.result.errors.sort(key=lambda error: error.index or 0)
        if not self._pooled:
            self.result.vectors = self._rows
        elif self._matrix is None:
            self.result.vectors = self._empty_matrix(dimension)
        else:
            self.result.vectors = self._matrix
        return self.result
