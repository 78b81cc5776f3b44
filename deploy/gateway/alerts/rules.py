"""Decide when an alert fires.

Rules have no clock; times are arguments, in seconds of any monotonic clock.
"""

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of a rule.

    Attributes:
        firing: whether the alert fires.
        value: the measured value; None without data.
        threshold: the limit.
    """

    firing: bool
    value: float | None
    threshold: float


@dataclass(slots=True)
class ErrorsInARow:
    """Fire after consecutive errors until a success."""

    threshold: int
    _row: int = 0

    def fail(self) -> None:
        """Count an error."""
        self._row += 1

    def succeed(self) -> None:
        """Reset the count."""
        self._row = 0

    def read(self) -> Reading:
        """Return the number of consecutive errors."""
        return Reading(self._row >= self.threshold, float(self._row), float(self.threshold))


@dataclass(slots=True)
class _Bucket:
    second: int
    count: int = 0
    total: float = 0.0


class SlidingWindow:
    """The count and sum of a sliding window.

    Values are aggregated by second to bound the memory.

    Args:
        length_s: the length in seconds, including the current one.
    """

    def __init__(self, length_s: int) -> None:
        self._length_s = length_s
        self._buckets: deque[_Bucket] = deque(maxlen=length_s)

    def add(self, now: float, value: float) -> None:
        """Add a value."""
        second = int(now)
        if not self._buckets or self._buckets[-1].second != second:
            self._buckets.append(_Bucket(second))
        bucket = self._buckets[-1]
        bucket.count += 1
        bucket.total += value

    def sums(self, now: float) -> tuple[int, float]:
        """Return count and sum of the values."""
        while self._buckets and self._buckets[0].second <= int(now) - self._length_s:
            self._buckets.popleft()
        return sum(bucket.count for bucket in self._buckets), math.fsum(bucket.total for bucket in self._buckets)


@dataclass(slots=True)
class _Hold:
    """Prevent flapping of an alert.

    The alert keeps firing for some time after its cause.
    """

    seconds: float
    _latest_cause: float = -math.inf

    def extend(self, now: float, *, is_cause: bool) -> bool:
        """Return whether a cause occurred within the hold time."""
        if is_cause:
            self._latest_cause = now
        return now - self._latest_cause < self.seconds


class MeanAbove:
    """Fire while a window's mean is above a limit.

    It starts only if the window has enough values. It ends when the mean has not been above the limit for a sixth of
    the window; an empty window has no mean, so the alert also ends without requests.

    Args:
        threshold: the limit.
        window_s: the window's length.
        at_least: the minimum number of values.
    """

    def __init__(self, threshold: float, *, window_s: int, at_least: int) -> None:
        self._threshold = threshold
        self._at_least = at_least
        self._window = SlidingWindow(window_s)
        self._hold = _Hold(window_s / 6)
        self._firing = False

    def add(self, now: float, value: float) -> None:
        """Add a value."""
        self._window.add(now, value)

    def read(self, now: float) -> Reading:
        """Return the mean."""
        count, total = self._window.sums(now)
        mean = total / count if count else None
        is_enough = count >= self._at_least or self._firing
        is_above = mean is not None and mean > self._threshold
        self._firing = self._hold.extend(now, is_cause=is_enough and is_above)
        return Reading(self._firing, mean, self._threshold)


@dataclass(slots=True)
class Lasting:
    """Fire while a problem exceeds a duration."""

    threshold: float
    _since: float | None = None

    def read(self, now: float, *, is_trouble: bool) -> Reading:
        """Return the duration in seconds."""
        if not is_trouble:
            self._since = None
        elif self._since is None:
            self._since = now
        lasted = 0.0 if self._since is None else now - self._since
        return Reading(is_trouble and lasted >= self.threshold, lasted, self.threshold)


class Losses:
    """Fire while losses occur or writing is blocked.

    Args:
        hold_s: how long it fires after its cause.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold = _Hold(hold_s)
        self._lost = 0

    def read(self, now: float, *, lost: int, is_blocked: bool) -> Reading:
        """Return the losses since the start."""
        firing = self._hold.extend(now, is_cause=is_blocked or lost > self._lost)
        self._lost = lost
        return Reading(firing, float(lost), 0.0)


@dataclass(slots=True)
class Missing:
    """Fire while something has disappeared."""

    _was_there: bool = False

    def read(self, *, is_there: bool) -> Reading:
        """Return 1 if it is present, else 0."""
        self._was_there = self._was_there or is_there
        return Reading(self._was_there and not is_there, float(is_there), 1.0)
