"""Compute the figures of a report from log lines."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Cancelled
from typing import Any, TypeVar

import duckdb

from deploy.gateway.report import sql
from deploy.gateway.report.database import MEMORY_LIMIT, THREADS, interrupted, open_database
from deploy.gateway.report.errors import ReportError, TimeLimitError
from deploy.gateway.report.figures import (
    Alert,
    Calls,
    Consistency,
    Drift,
    ErrorType,
    Event,
    Latency,
    RefusedRequests,
    Report,
    ResourceUsage,
    Source,
    Summary,
    Totals,
    summary_of,
)
from deploy.gateway.report.files import LogFile, open_logs
from deploy.gateway.report.time_range import TimeRange, local, zone_name

MAX_EVENTS = 20
"""The number of latest events to show."""

_EMPTY = Path(os.devnull)
_TRIES = 20

_Figures = TypeVar("_Figures")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a report.

    Attributes:
        threads: the number of threads.
        time_s: the timeout in seconds.
        cancelled: set to cancel the report.
    """

    threads: int = THREADS
    time_s: float = 600.0
    cancelled: Cancelled | None = None


def read_report(log: Path, time_range: TimeRange, limits: Limits = Limits()) -> Report:
    """Compute the figures of a range from the log files.

    Args:
        log: the gateway's log file or its folder; rotated and gzipped files are read as well.
        time_range: the range, with the zone of days and times.
        limits: the limits of the report.

    Raises:
        NoLogError: no log file exists.
        TimeLimitError: the report timed out or was cancelled.
        ReportError: a file cannot be read, or memory and disk are exhausted.
    """
    return _read(log, time_range, limits, _Reader.report)


def read_summary(log: Path, time_range: TimeRange, limits: Limits = Limits()) -> Summary:
    """Compute the summary of a range."""
    return _read(log, time_range, limits, _Reader.summary)


def _read(log: Path, time_range: TimeRange, limits: Limits, read: Callable[["_Reader"], _Figures]) -> _Figures:
    for _ in range(_TRIES):
        try:
            return _read_once(log, time_range, limits, read)
        except duckdb.PermissionException:
            # DuckDB resolves the link in /dev/fd, so that it no longer allows a file that is renamed meanwhile.
            continue
    msg = f"the log files at {log} are rotated all the time; rotate less often"
    raise ReportError(msg)


def _read_once(log: Path, time_range: TimeRange, limits: Limits, read: Callable[["_Reader"], _Figures]) -> _Figures:
    """Compute figures once.

    Raises:
        duckdb.PermissionException: a file was renamed or removed between two steps of DuckDB.
    """
    with open_logs(log, time_range.since) as files:
        try:
            with (
                open_database([_EMPTY, *(file.source for file in files)], limits.threads) as connection,
                interrupted(connection, limits.time_s, limits.cancelled) as check,
            ):
                return read(_Reader(connection, check, files, time_range))
        except duckdb.InterruptException as error:
            msg = f"the report was not ready within {limits.time_s:g} s; choose a shorter range"
            raise TimeLimitError(msg) from error
        except duckdb.OutOfMemoryException as error:
            msg = f"the range does not fit into {MEMORY_LIMIT} of memory and the disk; choose a shorter one"
            raise ReportError(msg) from error
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            reason = str(error).splitlines()[0]
            for file in reversed(files):  # /dev/fd/12 before /dev/fd/1
                reason = reason.replace(str(file.source), str(file.path))
            msg = f"the log at {log} cannot be read: {reason}"
            raise ReportError(msg) from error


class _Reader:
    """Read the figures of a range through a connection."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        check: Callable[[], None],
        files: Sequence[LogFile],
        time_range: TimeRange,
    ) -> None:
        self._connection = connection
        self._check = check
        self._range = time_range
        self._files = files
        self._starts = time_range.bucket_starts()
        self._days = time_range.day_starts()

    def report(self) -> Report:
        self._load()
        ((lines, unreadable),) = self._rows(sql.LINES)
        ((lost, drifts, alerts),) = self._rows(sql.EVENTS)
        return Report(
            since=self._range.since,
            until=self._range.until,
            timezone=zone_name(self._range.zone, self._range.until),
            bucket_minutes=self._range.bucket // timedelta(minutes=1),
            starts=self._starts,
            days=self._days,
            source=Source(len(self._files), lines, unreadable, lost),
            totals=self._totals(drifts, alerts),
            resources=tuple(ResourceUsage(self._starts[row[0]], *row[1:]) for row in self._rows(sql.RESOURCES)),
            latency=self._latency(by_bucket=False),
            latency_over_time=self._latency(by_bucket=True),
            errors=tuple(
                ErrorType(name, count, share, self._time(last_seen), example)
                for name, count, share, last_seen, example in self._rows(sql.ERRORS)
            ),
            refused=tuple(
                RefusedRequests(error_type, status_code, count, self._time(last_seen), example)
                for error_type, status_code, count, last_seen, example in self._rows(sql.REFUSED)
            ),
            calls_by_day=tuple(Calls(self._days[row[0]], *row[1:]) for row in self._rows(sql.BY_DAY)),
            calls_over_time=tuple(Calls(self._starts[row[0]], *row[1:]) for row in self._rows(sql.OVER_TIME)),
            alerts=tuple(
                Alert(name, fired, resolved, self._time(last_seen), status, value, threshold)
                for name, fired, resolved, last_seen, status, value, threshold in self._rows(sql.ALERTS)
            ),
            consistency=tuple(
                Consistency(model, version, checks, drifted, failed, self._time(last_seen), *latest)
                for model, version, checks, drifted, failed, last_seen, *latest in self._rows(sql.CONSISTENCY)
            ),
            drift_over_time=self._drift(),
            events=tuple(
                Event(self._time(row[0]), *row[1:]) for row in self._rows(sql.LATEST_EVENTS, {"most": MAX_EVENTS})
            ),
        )

    def summary(self) -> Summary:
        self._load()
        return summary_of(self._totals(0, 0), self._latency(by_bucket=False), self._drift())

    def _load(self) -> None:
        self._read(sql.CREATE, "none", [_EMPTY])
        for compression, is_gzip in (("none", False), ("gzip", True)):
            if sources := [file.source for file in self._files if file.is_gzip == is_gzip]:
                self._read(sql.LOAD, compression, sources)
        places = {"buckets": [_minute(start) for start in self._starts], "days": [_minute(day) for day in self._days]}
        self._execute(sql.PLACE, places)
        for statement in (sql.EVENT, sql.CALL, sql.ANSWERED, sql.WEIGHTED_QUANTILE):
            self._execute(statement)

    def _read(self, statement: str, compression: str, sources: Sequence[Path]) -> None:
        parameters = {
            "files": [str(source) for source in sources],
            "compression": compression,
            "columns": sql.COLUMNS,
            "since": _naive(self._range.since),
            "until": _naive(self._range.until),
        }
        self._execute(statement, parameters)

    def _totals(self, drifts: int, alerts: int) -> Totals:
        ((requests, sentences, success, low_confidence, failed, explanations, characters),) = self._rows(sql.TOTALS)
        minute, busiest = next(iter(self._rows(sql.BUSIEST)), (None, 0.0))
        return Totals(
            requests=requests,
            sentences=sentences,
            success_share=success,
            low_confidence_share=low_confidence,
            failed_share=failed,
            busiest_minute=None if minute is None else self._time(datetime.fromtimestamp(minute * 60, UTC)),
            busiest_minute_requests=busiest,
            drift_events=drifts,
            alert_events=alerts,
            explanations=explanations,
            characters=characters,
        )

    def _drift(self) -> tuple[Drift, ...]:
        return tuple(Drift(self._starts[row[0]], *row[1:]) for row in self._rows(sql.DRIFT))

    def _latency(self, *, by_bucket: bool) -> tuple[Latency, ...]:
        ((sampled,),) = self._rows(sql.SAMPLED)
        query = sql.SAMPLED_LATENCY if sampled else sql.LATENCY
        together, by_task = (self._rows(query, {"by_bucket": by_bucket, "by_task": task}) for task in (False, True))
        return tuple(
            Latency(None if bucket is None else self._starts[bucket], task, *figures, *percentiles)
            for bucket, task, *figures, percentiles in together + by_task
        )

    def _execute(self, statement: str, parameters: Mapping[str, object] | None = None) -> duckdb.DuckDBPyConnection:
        self._check()
        return self._connection.execute(statement, parameters)

    def _rows(self, query: str, parameters: dict[str, int] | None = None) -> list[tuple[Any, ...]]:
        return self._execute(query, parameters).fetchall()

    def _time(self, moment: datetime) -> datetime:
        return local(moment.replace(tzinfo=UTC), self._range.zone)


def _naive(moment: datetime) -> datetime:
    """Convert a time to DuckDB's TIMESTAMP, naive UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
