"""Whether the model still answers as it did when it was exported: the failure that no error shows.

The golden prompts of the served version's manifest are asked now and then, and the answers are compared with those that
stand there. A version may be served by either engine; what counts is how far its answers are from the nearer one's.
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
from typing import Any, Literal

from bert_mlm_client import (
    AsyncFillMask,
    DeadlineError,
    OverloadedError,
    ProtocolError,
    ServerTimeoutError,
    UnreachableError,
)

from deploy.gateway.consistency.baseline import MASK, Baseline, BaselineError, read_baseline
from deploy.gateway.consistency.drift import Distribution, measure
from deploy.gateway.log.json_lines import iso_8601
from deploy.gateway.log.lines import Canary, Level
from deploy.gateway.telemetry.metrics import Metrics
from deploy.gateway.telemetry.recorder import Log

Status = Literal["success", "drift", "failed"]

LOOK_S = 1.0
"""How often it is seen whether a check is due."""
JITTER = 0.1
"""The share of the interval that a check may come earlier or later, so that many gateways do not ask together."""

# Nothing is known of the answers then, and whoever watches readiness tells what is wrong.
_NOT_CHECKED = (BaselineError, UnreachableError, ServerTimeoutError, OverloadedError, DeadlineError)

_MOVED = (
    "{drift.mean:.1%} of the answers' probability is not where it was at export, at one mask of {prompt} "
    "{drift.largest:.1%}; compare the served files with the digests in the version's manifest.json, and export again"
)


@dataclass(frozen=True, slots=True)
class Check:
    """How one check went.

    Attributes:
        status: ``success``; ``drift`` if the answers have moved by more than the threshold; ``failed`` if there is no
            answer to compare.
        threshold: the largest drift that is none to speak of.
        checked_at: UTC with milliseconds, ISO 8601.
        address: the model server that was asked.
        version: the version that answered, None if it is not known.
        drift: the mean of `total_variation` over all masks, None if it failed.
        largest: the same of the mask where most has moved.
        prompt: the prompt which that mask is in.
        engine: whose recorded answers are the nearer ones.
        error_type: the class of the error, if it failed.
        error: what is wrong, unless nothing is.
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
    error_type: str | None = None
    error: str | None = None


class Consistency:
    """Checks the answers of every model server, one after the other, and tells log and metrics.

    Args:
        clients: who asks, by the address of one server each.
        version: tells the version that answers, None while no question can be answered.
        folder: has the folders of the versions with their manifests; None: nothing is checked.
        log: where the lines go.
        metrics: where the checks are counted.
        model_name: the model's name.
        interval_s: how long to wait between two checks of a version.
        threshold: the drift above which a check is a WARNING.
        clock: returns seconds that never go back.
        uniform: returns a random number between two.

    Attributes:
        latest: how the latest check went, of several servers that of the one which fares worst; None before the first.
    """

    def __init__(
        self,
        clients: Mapping[str, AsyncFillMask],
        version: Callable[[], int | None],
        folder: Path | None,
        log: Log,
        metrics: Metrics,
        *,
        model_name: str,
        interval_s: float,
        threshold: float,
        clock: Callable[[], float] = monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clients = clients
        self._version = version
        self._folder = folder
        self._log = log
        self._metrics = metrics
        self._model_name = model_name
        self._interval_s = interval_s
        self._threshold = threshold
        self._clock = clock
        self._uniform = uniform
        self._seen: int | None = None
        self._due = 0.0
        self._told: dict[str, str | None] = {}
        self.latest: Check | None = None

    @property
    def drift(self) -> tuple[float, float] | None:
        """The latest drift with its threshold, None while nobody knows it."""
        latest = self.latest
        return None if latest is None or latest.drift is None else (latest.drift, latest.threshold)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Check as soon as questions can be answered, whenever another version answers, and then at intervals."""
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
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Check all servers if it is time to."""
        if self._folder is None:
            return
        version = self._version()
        is_due = self._clock() >= self._due or version != self._seen
        self._seen = version
        if version is None or not is_due:
            return
        self._due = self._clock() + self._interval_s * self._uniform(1 - JITTER, 1 + JITTER)
        found = [await self._check(self._folder, address, client) for address, client in self._clients.items()]
        checks = [check for check in found if check]
        self.latest = max(checks, key=_gravity, default=self.latest)

    async def _check(self, folder: Path, address: str, client: AsyncFillMask) -> Check | None:
        """Ask one server; return None if another version came meanwhile, which is then checked by itself."""
        check = partial(Check, threshold=self._threshold, checked_at=iso_8601(time()), address=address)
        began, version = perf_counter(), None
        level: Level | None = None
        try:
            version = await _newest(client)
            baseline = await asyncio.to_thread(read_baseline, folder / str(version))
            answers = await _ask(client, baseline)
            if await _newest(client) != version:
                return None
            found = self._compare(partial(check, version=version), baseline, answers)
        except Exception as error:  # noqa: BLE001 - a damaged model may lead to any, and none may end the checks
            level = "WARNING" if isinstance(error, _NOT_CHECKED) else None
            found = check(status="failed", version=version, error_type=type(error).__name__, error=str(error))
        self._tell(found, level, (perf_counter() - began) * 1000)
        return found

    def _compare(self, check: Callable[..., Check], baseline: Baseline, answers: Sequence[Distribution]) -> Check:
        drifts = {engine: measure(recorded, answers) for engine, recorded in baseline.answers.items()}
        engine, drift = min(drifts.items(), key=lambda one: one[1].mean)
        has_moved = drift.mean > self._threshold
        prompt = baseline.prompt_of(drift.mask)
        return check(
            status="drift" if has_moved else "success",
            drift=drift.mean,
            largest=drift.largest,
            prompt=prompt,
            engine=engine,
            error=_MOVED.format(drift=drift, prompt=prompt) if has_moved else None,
        )

    def _tell(self, check: Check, level: Level | None, total_time_ms: float) -> None:
        """Count a check and write its line; what cannot be checked at all is said once, until something changes."""
        self._metrics.consistency_checks(check.status).inc()
        reason = check.error if check.error_type == BaselineError.__name__ else None
        was_told = reason is not None and self._told.get(check.address) == reason
        self._told[check.address] = reason
        if was_told:
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


def _gravity(check: Check) -> tuple[bool, bool, float]:
    return check.status == "drift", check.status == "failed", check.drift or 0.0


async def _newest(client: AsyncFillMask) -> int:
    """Return the version that answers.

    Raises:
        BaselineError: there is none.
    """
    status = await client.model_status()
    if not status.available:
        msg = f"no version of {status.model} is available; there is nothing to check"
        raise BaselineError(msg)
    return max(version.version for version in status.available)


async def _ask(client: AsyncFillMask, baseline: Baseline) -> list[Distribution]:
    """Return the answers for all masks; one prompt is asked at a time, so that no user waits for more than one.

    Raises:
        BertMlmError: a prompt was not answered, or with numbers that are none.
    """
    answers: list[Distribution] = []
    for prompt in baseline.prompts:
        filled: Any = await client.fill(prompt, baseline.top_k)  # a list, or with several masks a list of lists
        masks = [filled] if prompt.count(MASK) == 1 else filled
        answers += [{candidate.token: candidate.score for candidate in mask} for mask in masks]
    for answer in answers:
        for score in answer.values():
            if not math.isfinite(score):
                msg = f"the model answered a golden prompt with the score {score}; check the served version"
                raise ProtocolError(msg)
    return answers
