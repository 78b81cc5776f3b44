"""Define the retry policy and its budget."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from bert_mlm_client.errors import BertMlmError, InputError, OverloadedError, UnreachableError


@dataclass(frozen=True, slots=True)
class Retry:
    """Configure when and how often a request is retried.

    A request is retried after an `OverloadedError` (gRPC's UNAVAILABLE and RESOURCE_EXHAUSTED, HTTP's 503 and 429) and
    after an `UnreachableError`, never after another error. A connection may be lost after the server answered; Predict
    has no side effects, so that sending it twice is safe.

    The back-off before an attempt is random, up to a limit that doubles each time ("full jitter" of
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or the server's Retry-After if
    that is longer. All attempts and pauses together stay within the caller's timeout.

    A budget prevents a retry storm, as gRPC's retry throttling does
    (https://github.com/grpc/proposal/blob/master/A6-client-retries.md) and Finagle's RetryBudget: every success
    adds a part of a retry, and every retry takes a whole one. An immediate failover to another server is free, since it
    adds no load to any server.

    Attributes:
        attempts: the maximum number of attempts, the first one included.
        initial_s: the longest pause before the second attempt, in seconds.
        maximum_s: the longest pause before any attempt.
        budget: the retries that a success adds to the budget; 0.2 is one for every five.
        reserve: the maximum and initial budget.
    """

    attempts: int = 4
    initial_s: float = 0.05
    maximum_s: float = 2.0
    budget: float = 0.2
    reserve: float = 10.0

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: ``attempts`` is less than 1, or another value is negative.
        """
        if self.attempts < 1 or min(self.initial_s, self.maximum_s, self.budget, self.reserve) < 0:
            msg = f"{self} is invalid; give 1 attempt or more, and no negative value"
            raise InputError(msg)

    def allows(self, error: BertMlmError, attempts: int) -> bool:
        """Return whether to retry after this error."""
        return attempts < self.attempts and isinstance(error, (OverloadedError, UnreachableError))

    def pause_s(self, error: BertMlmError, attempts: int, uniform: Callable[[float, float], float]) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            error: the error of the last attempt.
            attempts: the number of attempts so far.
            uniform: returns a random number between two bounds, as `random.uniform` does.
        """
        limit = min(self.maximum_s, self.initial_s * 2 ** min(attempts - 1, 60))
        asked = error.retry_after_s if isinstance(error, OverloadedError) else None
        return max(uniform(0.0, limit), asked or 0.0)


class Budget:
    """Count the retries that a client may still make.

    Thread-safe.
    """

    def __init__(self, retry: Retry) -> None:
        self._saved = self._reserve = retry.reserve
        self._share = retry.budget
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Add a success's share of a retry."""
        if self._saved < self._reserve:
            with self._lock:
                self._saved = min(self._reserve, self._saved + self._share)

    def take(self) -> bool:
        """Take a retry and return whether the budget had one."""
        with self._lock:
            if self._saved < 1.0:
                return False
            self._saved -= 1.0
            return True
