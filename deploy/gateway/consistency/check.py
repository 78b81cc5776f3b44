"""Check the model's answers against those at export.

At intervals, the golden prompts of the served version's manifest are sent to the model, and the answers are compared
with the recorded ones. The engine that serves is unknown, so the drift is the distance to the nearer baseline.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, perf_counter, time
from typing import Literal

from bert_mlm_client import (
    DeadlineError,
    OverloadedError,
    ProtocolError,
    ServerTimeoutError,
    UnreachableError,
)

from deploy.gateway.consistency import golden_masks
from deploy.gateway.consistency.baseline import Baseline, BaselineError, Golden
from deploy.gateway.consistency.drift import Distribution, measure
from deploy.gateway.log.json_lines import iso_8601
from deploy.gateway.log.lines import Canary, Level
from deploy.gateway.model.watch import Client, ModelWatch
from deploy.gateway.telemetry.metrics import Metrics
from deploy.gateway.telemetry.recorder import Log

Status = Literal["success", "drift", "failed"]

POLL_S = 1.0
"""How often the due time is polled."""
JITTER = 0.1
"""The jitter as a share of the interval, so that many gateways do not check at the same time."""

# Without answers there is nothing to compare, and the readiness watch reports the problem.
_NOT_CHECKED = (BaselineError, UnreachableError, ServerTimeoutError, OverloadedError, DeadlineError)

_MOVED = (
    "{drift.mean:.1%} of the answers' probability has moved since the export, at one answer to {prompt} "
    "{drift.largest:.1%}; compare the served files with the digests in the version's manifest.json, and export again"
)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check.

    Attributes:
        status: ``success``; ``drift`` if the drift exceeds the threshold; ``failed`` without an answer to compare.
        threshold: drift above this is reported.
        checked_at: the time in UTC with milliseconds, ISO 8601.
        address: the model server that was checked.
        version: the version that answered; None if unknown.
        drift: the mean distance over all answers; None if the check failed.
        largest: the largest distance of an answer.
        prompt: the prompt of that answer.
        engine: the engine with the nearer baseline.
        precision: the precision of that engine's weights.
        error_type: the class of the error, if the check failed.
        error: the message of the drift or the error.
    """

    status: Status
    threshold: float
    checked_at: str
    address: str
    version: int | None = None
    drift: float | None = None
    largest: float | None = None
    prompt: str | None = None
    engine: str | None = None
    precision: str | None = None
    error_type: str | None = None
    error: str | None = None


class Consistency:
    """Check the model servers one by one.

    Args:
        clients: a client for each server, by address.
        watch: the source of the version that answers.
        folder: the folder of the versions with their manifests; None disables the checks.
        log: takes the lines.
        metrics: counts the checks.
        model_name: the model's name.
        interval_s: the interval of the checks.
        threshold: drift above this is a WARNING.
        golden: the golden prompts of the kind of model.
        clock: a monotonic clock in seconds.
        uniform: returns a random number between two.

    Attributes:
        latest: the latest check; of several servers, the worst result. None before the first.
    """

    def __init__(
        self,
        clients: Mapping[str, Client],
        watch: ModelWatch,
        folder: Path | None,
        log: Log,
        metrics: Metrics,
        *,
        model_name: str,
        interval_s: float,
        threshold: float,
        golden: Golden = golden_masks,
        clock: Callable[[], float] = monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clients = clients
        self._watch = watch
        self._folder = folder
        self._log = log
        self._metrics = metrics
        self._model_name = model_name
        self._interval_s = interval_s
        self._threshold = threshold
        self._golden = golden
        self._clock = clock
        self._uniform = uniform
        self._seen: int | None = None
        self._due = 0.0
        self._logged: dict[str, str | None] = {}
        self.latest: Check | None = None

    @property
    def drift(self) -> tuple[float, float] | None:
        """The latest drift with its threshold.

        None if it is unknown.
        """
        latest = self.latest
        return None if latest is None or latest.drift is None else (latest.drift, latest.threshold)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the checks within the block.

        A check is due when the model is ready, when the version changes, and at intervals.
        """
        running = asyncio.create_task(self._run()) if self._folder else None
        try:
            yield
        finally:
            if running:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

    async def _run(self) -> None:
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Check all servers if a check is due."""
        if self._folder is None:
            return
        version = self._watch.version if self._watch.ready else None
        is_due = self._clock() >= self._due or version != self._seen
        self._seen = version
        if version is None or not is_due:
            return
        self._due = self._clock() + self._interval_s * self._uniform(1 - JITTER, 1 + JITTER)
        found = [await self._check(self._folder, address, client) for address, client in self._clients.items()]
        checks = [check for check in found if check]
        self.latest = max(checks, key=_severity, default=self.latest)

    async def _check(self, folder: Path, address: str, client: Client) -> Check | None:
        """Check one server.

        Return None if its version changed meanwhile, as the new one is checked next.
        """
        check = partial(Check, threshold=self._threshold, checked_at=iso_8601(time()), address=address)
        began, version = perf_counter(), None
        level: Level | None = None
        try:
            version = await _newest(client)
            baseline = await asyncio.to_thread(self._golden.read_baseline, folder / str(version))
            answers = await self._golden.ask(client, baseline)
            _check_finite(answers)
            if await _newest(client) != version:
                return None
            found = self._compare(partial(check, version=version), baseline, answers)
        except Exception as error:  # noqa: BLE001 - a damaged model may cause any exception, and none may end the checks
            level = "WARNING" if isinstance(error, _NOT_CHECKED) else None
            found = check(status="failed", version=version, error_type=type(error).__name__, error=str(error))
        self._record(found, level, (perf_counter() - began) * 1000)
        return found

    def _compare(self, check: Callable[..., Check], baseline: Baseline, answers: Sequence[Distribution]) -> Check:
        drifts = {
            engine: measure(recorded, answers, baseline.distance) for engine, recorded in baseline.answers.items()
        }
        engine, drift = min(drifts.items(), key=lambda one: one[1].mean)
        has_moved = drift.mean > self._threshold
        prompt = baseline.prompt_of(drift.answer)
        return check(
            status="drift" if has_moved else "success",
            drift=drift.mean,
            largest=drift.largest,
            prompt=prompt,
            engine=engine,
            precision="int8" if engine == "onnx" else baseline.precision,
            error=_MOVED.format(drift=drift, prompt=prompt) if has_moved else None,
        )

    def _record(self, check: Check, level: Level | None, total_time_ms: float) -> None:
        """Count a check and write its line.

        A missing baseline is logged only once.
        """
        self._metrics.consistency_checks(check.status).inc()
        reason = check.error if check.error_type == BaselineError.__name__ else None
        was_logged = reason is not None and self._logged.get(check.address) == reason
        self._logged[check.address] = reason
        if was_logged:
            return
        self._log.write(
            Canary(
                level=level,
                status=check.status,
                model_name=self._model_name,
                model_version=check.version,
                total_time_ms=total_time_ms,
                value=check.drift,
                threshold=check.threshold,
                error_type=check.error_type,
                error=f"{check.address}: {check.error}" if check.error else None,
            )
        )


def _severity(check: Check) -> tuple[bool, bool, float]:
    return check.status == "drift", check.status == "failed", check.drift or 0.0


async def _newest(client: Client) -> int:
    """Return the newest available version.

    Raises:
        BaselineError: no version is available.
    """
    status = await client.model_status()
    if not status.available:
        msg = f"no version of {status.model} is available; there is nothing to check"
        raise BaselineError(msg)
    return max(version.version for version in status.available)


def _check_finite(answers: Sequence[Distribution]) -> None:
    """Reject NaN and infinite scores.

    Raises:
        ProtocolError: a score is infinite or NaN, which only a damaged model returns.
    """
    for answer in answers:
        for score in answer.values():
            if not math.isfinite(score):
                msg = f"the model answered a golden prompt with the score {score}; check the served version"
                raise ProtocolError(msg)
