"""Parse time ranges and divide them into buckets."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from itertools import takewhile
from zoneinfo import ZoneInfo

from deploy.gateway.report.errors import UsageError

MAX_DAYS = 400
"""The longest range that can be drawn by day."""

_FITTED = timedelta(hours=24)
_SHORTEST = timedelta(minutes=15)
_BUCKETS = 120
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
_DAYS = (1, 2, 7)
_AGO = re.compile(r"(\d{1,7})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MIDNIGHT = time()


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The half-open range [since, until) of aware times in ``zone``."""

    since: datetime
    until: datetime
    zone: tzinfo

    @property
    def bucket(self) -> timedelta:
        """The length of a bucket.

        It is the shortest step that divides the range into at most 120 buckets.
        """
        length = self.until - self.since
        steps = [timedelta(minutes=number) for number in _MINUTES] + [timedelta(days=number) for number in _DAYS]
        return next((step for step in steps if length <= _BUCKETS * step), steps[-1])

    def bucket_starts(self) -> tuple[datetime, ...]:
        """Return the starts of the buckets.

        They are aligned to midnight in ``zone``; the first may be before ``since``.
        """
        days = self.bucket // timedelta(days=1)
        if days:
            return self._midnights(days)
        start = _midnight(self.since.date(), self.zone)
        start += (self.since - start) // self.bucket * self.bucket
        count = -((start - self.until) // self.bucket)
        return tuple(local(start + number * self.bucket, self.zone) for number in range(count))

    def day_starts(self) -> tuple[datetime, ...]:
        """Return the starts of the days in ``zone``.

        Days may have 23 or 25 hours.
        """
        return self._midnights(1)

    def _midnights(self, days: int) -> tuple[datetime, ...]:
        midnights = _every(self.since.date(), days, self.zone)
        return tuple(takewhile(lambda start: start < self.until, midnights))


def time_range(since: str, until: str | None = None, zone: str | None = None, now: datetime | None = None) -> TimeRange:
    """Parse a time range.

    Args:
        since: a time before now, as ``90m``, ``24h``, ``7d`` or ``2w``, or a time in ISO 8601; without an offset, it is
            in ``zone``.
        until: the same; by default now.
        zone: a name of the IANA time zone database, such as ``Asia/Shanghai``; by default this machine's zone.
        now: the current time; by default the clock's.

    Raises:
        UsageError: an argument is invalid, or the range is empty or longer than 400 days.
    """
    now = now or datetime.now(UTC)
    place = read_zone(zone)
    start = _moment("since", since, now, place)
    end = _moment("until", until, now, place) if until else now
    if start >= end:
        msg = f"the range is empty: since ({start.isoformat()}) must lie before until ({end.isoformat()})"
        raise UsageError(msg)
    if end - start > timedelta(days=MAX_DAYS):
        msg = f"the range is {(end - start).days} days long; choose one of at most {MAX_DAYS}"
        raise UsageError(msg)
    return TimeRange(local(start, place), local(end, place), place)


def fitted_range(extent: tuple[datetime, datetime] | None, zone: tzinfo, now: datetime | None = None) -> TimeRange:
    """Return the range that fits a log.

    It begins with a young log and has the last 24 hours of an older one; if that is long past, those before its end.

    Args:
        extent: the times of the first and the last line; None if there is no line.
        zone: the zone of days and times.
        now: the current time; by default the clock's.
    """
    now = now or datetime.now(UTC)
    first, last = extent or (now - _FITTED, now)
    # One minute more than the last line, which the half-open range would exclude.
    until = now if now - last < _FITTED else last + timedelta(minutes=1)
    since = min(max(first, until - _FITTED), until - _SHORTEST)
    return TimeRange(local(since.replace(second=0, microsecond=0), zone), local(until, zone), zone)


def local(moment: datetime, zone: tzinfo) -> datetime:
    """Convert a time to a zone with a fixed offset.

    Python compares and subtracts times of the same zone by wall clock, which is wrong in the hour that occurs twice in
    autumn, but correct with fixed offsets.
    """
    shown = moment.astimezone(zone)
    return shown.replace(tzinfo=timezone(shown.utcoffset() or timedelta()))


def read_zone(name: str | None) -> tzinfo:
    """Return a time zone by name.

    The default is this machine's.

    Raises:
        UsageError: the zone does not exist.
    """
    if name is None:
        return _local_zone()
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # a folder, a path, and ZoneInfoNotFoundError
        msg = f"unknown time zone {name!r}; write a name such as Asia/Shanghai or UTC"
        raise UsageError(msg) from error


def zone_name(zone: tzinfo, at: datetime) -> str:
    """Return a zone's name in the database or its offset."""
    return getattr(zone, "key", None) or f"UTC{at.astimezone(zone).isoformat()[-6:]}"


def _moment(name: str, text: str, now: datetime, zone: tzinfo) -> datetime:
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        msg = f"{name} {text!r} is not a time; write 90m, 24h, 7d, 2w or a time such as 2026-04-05T10:00:00+08:00"
        raise UsageError(msg) from error


def _local_zone() -> tzinfo:
    """Return this machine's time zone.

    It has daylight-saving rules; if they cannot be read, it is the current offset.
    """
    try:
        if name := os.environ.get("TZ", "").removeprefix(":"):
            return ZoneInfo(name)
        with open("/etc/localtime", "rb") as rules:  # noqa: PTH123 - ZoneInfo needs a file object
            return ZoneInfo.from_file(rules, key=_localtime_name())
    except (OSError, ValueError, KeyError):
        return datetime.now(UTC).astimezone().tzinfo or UTC


def _localtime_name() -> str | None:
    """Return the zone name that /etc/localtime links to."""
    target = os.path.realpath("/etc/localtime")
    return target.partition("zoneinfo/")[2] or None


def _every(day: date, days: int, zone: tzinfo) -> Iterator[datetime]:
    while True:
        yield _midnight(day, zone)
        day += timedelta(days=days)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return local(datetime.combine(day, _MIDNIGHT, zone), zone)
