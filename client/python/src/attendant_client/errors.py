"""What goes wrong, as exceptions: each carries the gRPC code, the server's message and the field that is wrong.

They are also the built-in exceptions that fit (ValueError, TimeoutError, ...), so that code which knows nothing of
Attendant handles them as it would expect.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError

from attendant_client._contract import rpc

# A hint beyond a day is no hint.
_LONGEST_HINT_S = 86_400.0


class AttendantError(Exception):
    """A call, or one of its items, that failed."""

    code: grpc.StatusCode
    message: str
    field: str  # the path of what is wrong, such as "items[3].tokens.input_ids[7]", or empty
    index: int | None  # of the item that failed, when it is one item's fault
    retry_after: float | None  # seconds after which the server wants to be asked again

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        field: str = "",
        index: int | None = None,
        retry_after: float | None = None,
        where: str = "",
    ) -> None:
        self.code = code
        self.message = message
        self.field = field
        self.index = index
        self.retry_after = retry_after
        parts = [part for part in (where, code.name, field if field not in message else "", message) if part]
        super().__init__(": ".join(parts))


class InvalidArgumentError(AttendantError, ValueError):
    """The request or an item is wrong; the field says where."""


class NotFoundError(AttendantError, LookupError):
    """There is no such model."""


class AuthenticationError(AttendantError, PermissionError):
    """No valid API key (UNAUTHENTICATED), or one that does not open this (PERMISSION_DENIED)."""


class UnavailableError(AttendantError, ConnectionError):
    """The server cannot be reached, drains, or loads the model; trying again did not help."""


class ResourceExhaustedError(AttendantError):
    """The server has too much to do for this call's deadline, or a quota or limit is used up."""


class DeadlineExceededError(AttendantError, TimeoutError):
    """The time was over before the answer was there."""


class ModelChangedError(AttendantError):
    """The model was changed on the way: vectors of two fingerprints must not be mixed."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"the model's fingerprint is {found}, not {expected}; vectors of the two must not be mixed",
        )
        self.expected = expected
        self.found = found


_CLASSES: dict[grpc.StatusCode, type[AttendantError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: AuthenticationError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def make_error(code: grpc.StatusCode, message: str, **details: Any) -> AttendantError:
    """The exception of the class that belongs to this code."""
    return _CLASSES.get(code, AttendantError)(code, message, **details)


def from_item_status(status: Any, index: int) -> AttendantError:
    """status: an ItemStatus; index: where the item is in what the caller gave, which the field then says, too."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    field, message = _renumbered(status.field, index), status.message
    if field != status.field:
        message = message.replace(_item_of(status.field), _item_of(field))
    return make_error(code, message, field=field, index=index)


def from_rpc_error(error: grpc.RpcError, where: str) -> AttendantError:
    """where: what was being done, such as "Embed at 127.0.0.1:50051"."""
    if not hasattr(error, "code"):
        return AttendantError(grpc.StatusCode.UNKNOWN, str(error), where=where)
    field, retry_after = _details(error)
    return make_error(error.code(), error.details() or "", field=field, retry_after=retry_after, where=where)


def _item_of(field: str) -> str:
    return field[: field.index("]") + 1] if field.startswith("items[") and "]" in field else ""


def _renumbered(field: str, index: int) -> str:
    item = _item_of(field)
    return f"items[{index}]{field[len(item) :]}" if item else field


def _details(error: Any) -> tuple[str, float | None]:
    """The field that the server names, and its hint when to come again in seconds."""
    field, hint = "", None
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            field, hint = _rich_details(value, hint)
        elif key == "grpc-retry-pushback-ms" and hint is None:
            hint = _pushback(value)
    return field, hint


def _pushback(value: Any) -> float | None:
    try:
        milliseconds = int(value)
    except ValueError:
        return None
    return None if milliseconds < 0 else min(milliseconds / 1000, _LONGEST_HINT_S)


def _rich_details(value: bytes, hint: float | None) -> tuple[str, float | None]:
    field = ""
    try:
        for detail in rpc.Status.FromString(value).details:
            kind = detail.type_url.rpartition("/")[2]
            if kind == "google.rpc.RetryInfo":
                delay = rpc.RetryInfo.FromString(detail.value).retry_delay
                hint = min(max(0.0, delay.seconds + delay.nanos / 1e9), _LONGEST_HINT_S)
            elif kind == "google.rpc.BadRequest":
                violations = rpc.BadRequest.FromString(detail.value).field_violations
                field = violations[0].field if violations else field
    except DecodeError:  # a proxy's own, perhaps; no reason to hide the error itself
        pass
    return field, hint
