"""Answer /healthz (full state) and /readyz (ready or not)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from time import monotonic
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from deploy.gateway import paths
from deploy.gateway.alerts.evaluator import Alerts
from deploy.gateway.consistency.check import Consistency
from deploy.gateway.log.json_lines import iso_8601
from deploy.gateway.log.resources import Resources
from deploy.gateway.log.writer import LineWriter
from deploy.gateway.middleware.api_keys import is_anonymous
from deploy.gateway.middleware.concurrency import ConcurrencySlots
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.settings import Settings


class Health:
    """The endpoints of health and readiness.

    Args:
        settings: the model's name and addresses.
        watch: the model's status.
        slots: the requests in flight and waiting.
        writers: the status of the log, and of its copy on standard output.
        resources: returns the latest resource use; None before the start.
        alerts: the firing alerts.
        consistency: the latest check of the answers.
    """

    def __init__(
        self,
        settings: Settings,
        watch: ModelWatch,
        slots: ConcurrencySlots,
        writers: Sequence[LineWriter],
        resources: Callable[[], Resources | None],
        *,
        alerts: Alerts,
        consistency: Consistency,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._slots = slots
        self._writers = writers
        self._resources = resources
        self._alerts = alerts
        self._consistency = consistency
        self._began = monotonic()

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.add_route(paths.HEALTHZ, self.healthz, ["GET"], include_in_schema=False)
        app.add_route(paths.READYZ, self.readyz, ["GET"], include_in_schema=False)

    async def healthz(self, request: Request) -> JSONResponse:
        """Return the state of model and gateway.

        The status is 200 if the model is ready, else 503. If keys are set, addresses and paths are only in answers to
        requests with a key.
        """
        await self._watch.poll()
        status = 200 if self._watch.ready else 503
        state = self._summary() if is_anonymous(request) else self._details()
        return JSONResponse(state, status)

    async def readyz(self, request: Request) -> JSONResponse:
        """Return the model's readiness at the latest poll."""
        if self._watch.ready:
            return JSONResponse({"status": "ready"})
        reason = self._watch.reason if is_anonymous(request) else self._watch.problem
        return JSONResponse({"status": "not ready", "reason": reason}, 503)

    def _summary(self) -> dict[str, Any]:
        reason = {"reason": self._watch.reason} if self._watch.reason else {}
        return {"status": self._status(), **reason, "model": {"version": self._watch.version}}

    def _details(self) -> dict[str, Any]:
        log, *copies = [writer.status for writer in self._writers]
        used = self._resources()
        reason = {"reason": self._watch.problem} if self._watch.problem else {}
        return {
            "status": self._status(),
            **reason,
            "uptime_s": round(monotonic() - self._began, 1),
            "in_flight": self._slots.in_flight,
            "queue": self._slots.waiting,
            "model": {
                "name": self._settings.model_name,
                "addresses": list(self._settings.serving_url),
                "version": self._watch.version,
                "versions": [asdict(one) for one in self._watch.status.versions] if self._watch.status else [],
            },
            "log": {
                "lines_written": log.lines_written,
                "lines_lost": sum(log.lines_lost.values()),
                "problem": log.problem,
                "stdout": {
                    "lines_written": copies[0].lines_written,
                    "lines_lost": sum(copies[0].lines_lost.values()),
                    "problem": copies[0].problem,
                }
                if copies
                else None,
            },
            "resources": asdict(used) if used else None,
            "alerts": [{"alert": name, "since": iso_8601(began)} for name, began in self._alerts.firing.items()],
            "consistency": asdict(self._consistency.latest) if self._consistency.latest else None,
        }

    def _status(self) -> str:
        return "ok" if self._watch.ready else "unavailable"
