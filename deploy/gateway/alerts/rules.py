"""When an alert is to fire: rules that are told what happened and when, and know no clock.

Times are in seconds by any clock that does not go backwards.
"""

import math
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule finds.

    Attributes:
        firing: whether the alert is to fire.
        value: what was measured; None if there is nothing to measure.
        threshold: what it is compared with.
    """

    firing: bool
    value: float | None
    threshold: float


@dataclass(slots=True)
class ErrorsInARow:
    """Fire at so many errors without a success between them, until there is one."""

    threshold: int
    _row: int = 0

    def fail(self) -> None:
        """Count an error."""
        self._row += 1

    def succeed(self) -> None:
        """End the row."""
        self._row = 0

    def read(self) -> Reading:
        """Return how long the row is."""
        return Reading(self._row >= self.threshold, float(self._row), float(self.threshold))


@dataclass(slots=True)
class _Bucket:
    second: int
    count: int = 0
    total: float = 0.0


class SlidingWindow:
    """Count and sum of the latest values, kept by the second, so that memory does not grow with their number.

    Args:
        length_s: how many seconds it covers, the present one included.
    """

    def __init__(self, length_s: int) -> None:
        self._length_s = length_s
        self._buckets: deque[_Bucket] = deque(maxlen=length_s)

    def add(self, now: float, value: float) -> None:
        """Take a value."""
        second = int(now)
        if not self._buckets or self._buckets[-1].second != second:
            self._buckets.append(_Bucket(second))
        bucket = self._buckets[-1]
        bucket.count += 1
        bucket.total += value

    def sums(self, now: float) -> tuple[int, float]:
        """Return how many values there are, and their sum."""
        while self._buckets and self._buckets[0].second <= int(now) - self._length_s:
            self._buckets.popleft()
        return sum(bucket.count for bucket in self._buckets), math.fsum(bucket.total for bucket in self._buckets)


@dataclass(slots=True)
class _Hold:
    """Keep an alert firing for some time after its cause has gone, so that a value at its limit does not flap."""

    seconds: float
    _latest_cause: float = -math.inf

    def extend(self, now: float, *, is_cause: bool) -> bool:
        """Return whether there is a cause, or was one just now."""
        if is_cause:
            self._latest_cause = now
        return now - self._latest_cause < self.seconds


class MeanAbove:
    """Fire while the mean of a window is above a limit.

    It begins when the window has enough values, since a few say little. It ends when the mean has not been above the
    limit for a sixth of the window; an empty window has no mean, and so it ends, too, where nobody asks any more.

    Args:
        threshold: the limit.
        window_s: the window's length.
        at_least: how many values are enough.
    """

    def __init__(self, threshold: float, *, window_s: int, at_least: int) -> None:
        self._threshold = threshold
        self._at_least = at_least
        self._window = SlidingWindow(window_s)
        self._hold = _Hold(window_s / 6)
        self._firing = False

    def add(self, now: float, value: float) -> None:
        """Take a value."""
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
    """Fire when a trouble has lasted for so long, until it is over."""

    threshold: float
    _since: float | None = None

    def read(self, now: float, *, is_trouble: bool) -> Reading:
        """Return how long it has lasted, in seconds."""
        if not is_trouble:
            self._since = None
        elif self._since is None:
            self._since = now
        lasted = 0.0 if self._since is None else now - self._since
        return Reading(is_trouble and lasted >= self.threshold, lasted, self.threshold)


class Losses:
    """Fire while something is lost or blocked, and for some time after.

    Args:
        hold_s: for how long after.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold = _Hold(hold_s)
        self._lost = 0

    def read(self, now: float, *, lost: int, is_blocked: bool) -> Reading:
        """Return how many were lost since the start."""
        firing = self._hold.extend(now, is_cause=is_blocked or lost > self._lost)
        self._lost = lost
        return Reading(firing, float(lost), 0.0)


@dataclass(slots=True)
class Missing:
    """Fire while something that was there is not."""

    _was_there: bool = False

    def read(self, *, is_there: bool) -> Reading:
        """Return 1 if it is there, else 0."""
        self._was_there = self._was_there or is_there
        return Reading(self._was_there and not is_there, float(is_there), 1.0)
