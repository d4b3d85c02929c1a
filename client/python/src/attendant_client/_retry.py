"""When to try a failed call again, and after how long: the rules of the C++ client (client/lib/retry.h).

UNAVAILABLE is tried again, CANCELLED by the other side, and RESOURCE_EXHAUSTED when the server said when. The n-th wait
is drawn from [base/2, base], base = min(max_backoff, initial_backoff * multiplier^n); with a hint of the server it is
the hint plus up to base/2, so that clients which were refused together do not come back together.
"""

from __future__ import annotations

import random

import grpc

from attendant_client.errors import AttendantError
from attendant_client.types import RetryPolicy


def is_retryable(error: AttendantError) -> bool:
    if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return True
    return error.code == grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_after is not None


class Backoff:
    """The waits of one series of failures."""

    def __init__(self, policy: RetryPolicy, randomness: random.Random | None = None) -> None:
        self._policy = policy
        self._random = randomness or random.Random()
        self.failures = 0
        self._base = policy.initial_backoff

    def next_wait(self, hint: float | None) -> float:
        """Seconds until the next attempt; grows with every call until reset()."""
        base = min(self._policy.max_backoff, self._base)
        self._base = base * self._policy.multiplier
        self.failures += 1
        half = self._random.uniform(0.0, 0.5) * base
        return base / 2 + half if hint is None else hint + half

    def reset(self) -> None:
        self.failures = 0
        self._base = self._policy.initial_backoff


class Attempts:
    """Decides after each failure of one call whether there is another attempt."""

    def __init__(self, policy: RetryPolicy, deadline: float) -> None:
        self._policy = policy
        self._deadline = deadline
        self._backoff = Backoff(policy)

    def wait_after(self, error: AttendantError, now: float) -> float:
        """Seconds to wait before trying again; raises the error when it is final, or waiting would outlast the
        deadline."""
        wait = self._backoff.next_wait(error.retry_after)
        if (
            not is_retryable(error)
            or self._backoff.failures >= self._policy.max_attempts
            or now + wait >= self._deadline
        ):
            raise error
        return wait
