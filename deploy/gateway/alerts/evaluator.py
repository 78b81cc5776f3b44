"""Evaluate the alerts.

They are evaluated at every request line and once a second.
"""

import asyncio
import logging
import socket
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from time import monotonic

from deploy.gateway.alerts.notice import Notice
from deploy.gateway.alerts.rules import ErrorsInARow, Lasting, Losses, MeanAbove, Missing, Reading
from deploy.gateway.alerts.table import ALERTS, AlertName
from deploy.gateway.alerts.webhook import Webhook
from deploy.gateway.consistency.check import Consistency
from deploy.gateway.log.json_lines import level_of
from deploy.gateway.log.lines import Alert, AlertStatus, Inference, UnhandledException
from deploy.gateway.log.resources import Resources
from deploy.gateway.log.writer import LineWriter
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.settings import Settings

INTERVAL_S = 1.0

_DESCRIBED = {one.name: one for one in ALERTS}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts of the gateway polled once a second.

    Attributes:
        watches: the status of each model.
        writers: the writers of the request log and of its copy on standard output.
        resources: returns the resource use, None before the first reading.
        checks: the sources of the latest drift of each model.
    """

    watches: Sequence[ModelWatch]
    writers: Sequence[LineWriter]
    resources: Callable[[], Resources | None]
    checks: Sequence[Consistency]


class Alerts:
    """Report alerts to log, metrics and webhook.

    The start and the end of each alert are reported once.

    Use it only in the event loop's thread.

    Attributes:
        firing: the start of each firing alert as Unix time.
        begun: the number of times each alert has fired.
    """

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        *,
        emit: Callable[[Alert], object],
        webhook: Webhook | None = None,
        clock: Callable[[], float] = monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the rules.

        Args:
            settings: the limits.
            sources: the functions to poll.
            emit: takes the log's lines.
            webhook: takes notices; None sends none.
            clock: a monotonic clock in seconds.
            wall_clock: returns the Unix time.
        """
        self.firing: dict[AlertName, float] = {}
        self.begun: Counter[AlertName] = Counter()
        self._model_name = settings.model_name
        self._instance = settings.instance or socket.gethostname()
        self._sources = sources
        self._emit = emit
        self._webhook = webhook
        self._clock = clock
        self._wall_clock = wall_clock
        window_s, at_least = settings.alert_window_s, settings.alert_min_sentences
        self._errors = ErrorsInARow(settings.alert_errors)
        self._latency = MeanAbove(settings.alert_latency_ms, window_s=window_s, at_least=at_least)
        self._low_confidence = MeanAbove(settings.alert_low_confidence, window_s=window_s, at_least=at_least)
        self._not_ready = Lasting(settings.alert_not_ready_s)
        self._losses = Losses(window_s)
        self._gpu = Missing()
        self._failing: set[AlertName] = set()

    def observe(self, line: Inference | UnhandledException) -> None:
        """Observe a request's line before sampling."""
        if level_of(line) == "ERROR":
            self._errors.fail()
            self._update("consecutive_errors", self._errors.read())
        elif isinstance(line, Inference) and line.status != "failed":
            self._errors.succeed()
            if "consecutive_errors" in self.firing:
                self._update("consecutive_errors", self._errors.read())
            now = self._clock()
            if line.task != "proofreading":  # which takes as long as its text
                self._latency.add(now, line.total_time_ms or 0.0)
            if line.task == "mask_prediction":
                self._low_confidence.add(now, line.status == "low_confidence")

    def evaluate(self) -> None:
        """Evaluate the windows and poll the sources."""
        now = self._clock()
        self._update("mean_latency", self._latency.read(now))
        self._update("low_confidence_share", self._low_confidence.read(now))
        with self._isolated("output_drift"):
            drifts = [check.drift for check in self._sources.checks if check.drift is not None]
            if drifts:
                distance, limit = max(drifts)  # all have the same limit
                self._update("output_drift", Reading(distance > limit, distance, limit))
        with self._isolated("model_not_ready"):
            is_trouble = any(watch.problem is not None for watch in self._sources.watches)
            self._update("model_not_ready", self._not_ready.read(now, is_trouble=is_trouble))
        with self._isolated("lost_log_lines"):
            states = [writer.status for writer in self._sources.writers]
            lost = sum(sum(state.lines_lost.values()) for state in states)
            is_blocked = any(state.problem for state in states)
            self._update("lost_log_lines", self._losses.read(now, lost=lost, is_blocked=is_blocked))
        with self._isolated("gpu_lost"):
            resources = self._sources.resources()
            if resources is not None:
                self._update("gpu_lost", self._gpu.read(is_there=resources.gpu is not None))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Evaluate every second and deliver notices within the block."""
        async with self._webhook.delivering() if self._webhook else nullcontext():
            evaluating = asyncio.create_task(self._run())
            try:
                yield
            finally:
                evaluating.cancel()
                with suppress(asyncio.CancelledError):
                    await evaluating

    async def _run(self) -> None:
        while True:
            self.evaluate()
            await asyncio.sleep(INTERVAL_S)

    @contextmanager
    def _isolated(self, name: AlertName) -> Iterator[None]:
        """Log an exception of an alert's source once.

        The other alerts are still evaluated.
        """
        try:
            yield
        except Exception:
            if name not in self._failing:
                logger.exception("The alert %s cannot be evaluated.", name)
            self._failing.add(name)
        else:
            self._failing.discard(name)

    def _update(self, name: AlertName, reading: Reading) -> None:
        started_at = self.firing.get(name)
        if reading.firing and started_at is None:
            self.firing[name] = started_at = self._wall_clock()
            self.begun[name] += 1
            self._report(name, reading, started_at, None)
        elif not reading.firing and started_at is not None:
            del self.firing[name]
            self._report(name, reading, started_at, self._wall_clock())

    def _report(self, name: AlertName, reading: Reading, started_at: float, ended_at: float | None) -> None:
        value, threshold = reading.value, reading.threshold
        status: AlertStatus = "firing" if ended_at is None else "resolved"
        self._emit(Alert(task=name, status=status, value=value, threshold=threshold))
        if self._webhook is None:
            return
        template = _DESCRIBED[name].begun if ended_at is None else _DESCRIBED[name].ended
        self._webhook.send(
            Notice(
                id=uuid.uuid4().hex,
                alert=name,
                status=status,
                value=value,
                threshold=threshold,
                model_name=self._model_name,
                gateway=self._instance,
                started_at=started_at,
                ended_at=ended_at,
                message=template.format(value=value, threshold=threshold),
            )
        )
