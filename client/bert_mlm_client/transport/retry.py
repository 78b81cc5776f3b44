"""Asking again: after which errors, how soon, and how often at most."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from bert_mlm_client.errors import BertMlmError, InputError, OverloadedError, UnreachableError


@dataclass(frozen=True, slots=True)
class Retry:
    """When and how often a request is sent again.

    It is sent again after an `OverloadedError` (gRPC's UNAVAILABLE and RESOURCE_EXHAUSTED, HTTP's 503 and 429) and
    after an `UnreachableError`, never after another. A connection may be lost after the request was sent, and the
    server may have answered it; Predict changes nothing there, so that it may be asked twice.

    The pause before an attempt is random, up to a limit that doubles each time ("full jitter" of
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or what the server asks for with
    Retry-After if that is longer. All attempts and pauses together keep to the caller's timeout.

    A budget keeps many clients' retries from multiplying an outage, as gRPC's retry throttling does
    (https://github.com/grpc/proposal/blob/master/A6-client-retries.md) and Finagle's RetryBudget: every success saves
    up a part of a retry, and every retry takes a whole one. Going on to another server at once is free, since no server
    gets more to do by it.

    Attributes:
        attempts: how often a request is sent at most, the first time included.
        initial_s: the longest pause before the second attempt, in seconds.
        maximum_s: the longest pause before any attempt.
        budget: how many retries a success pays for; 0.2 is one for every five.
        reserve: how many retries can be saved up; that many are there at the beginning.
    """

    attempts: int = 4
    initial_s: float = 0.05
    maximum_s: float = 2.0
    budget: float = 0.2
    reserve: float = 10.0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: there is no attempt, or one of the others is negative.
        """
        if self.attempts < 1 or min(self.initial_s, self.maximum_s, self.budget, self.reserve) < 0:
            msg = f"{self} makes no sense; give 1 attempt or more, and nothing negative"
            raise InputError(msg)

    def allows(self, error: BertMlmError, attempts: int) -> bool:
        """Tell whether a request may be sent again that failed with this error, after so many attempts."""
        return attempts < self.attempts and isinstance(error, (OverloadedError, UnreachableError))

    def pause_s(self, error: BertMlmError, attempts: int, uniform: Callable[[float, float], float]) -> float:
        """Return how many seconds to wait after so many attempts.

        Args:
            error: what the last attempt ended with.
            attempts: how many there were.
            uniform: returns a random number between two, as `random.uniform` does.
        """
        limit = min(self.maximum_s, self.initial_s * 2 ** min(attempts - 1, 60))
        asked = error.retry_after_s if isinstance(error, OverloadedError) else None
        return max(uniform(0.0, limit), asked or 0.0)


class Budget:
    """The retries that a client has saved up. Threads may share it."""

    def __init__(self, retry: Retry) -> None:
        self._saved = self._reserve = retry.reserve
        self._share = retry.budget
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Add what a success pays for."""
        if self._saved < self._reserve:
            with self._lock:
                self._saved = min(self._reserve, self._saved + self._share)

    def take(self) -> bool:
        """Take a retry, or return False if there is none."""
        with self._lock:
            if self._saved < 1.0:
                return False
            self._saved -= 1.0
            return True
