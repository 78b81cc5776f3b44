"""Whether the gateway can answer: /healthz says it in full, /readyz in a word."""

from collections.abc import Callable
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
from deploy.gateway.log.writer import LogWriter
from deploy.gateway.middleware.api_keys import is_anonymous
from deploy.gateway.middleware.concurrency import ConcurrencySlots
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.settings import Settings


class Health:
    """What is told about the gateway's state.

    Args:
        settings: where the model is served, and its name.
        watch: knows how the model fares.
        slots: knows how much there is to do.
        writer: knows how the log fares.
        resources: tells what is used, None before the start.
        alerts: knows which alerts fire.
        consistency: knows whether the model answers as it did at export.
    """

    def __init__(
        self,
        settings: Settings,
        watch: ModelWatch,
        slots: ConcurrencySlots,
        writer: LogWriter,
        resources: Callable[[], Resources | None],
        *,
        alerts: Alerts,
        consistency: Consistency,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._slots = slots
        self._writer = writer
        self._resources = resources
        self._alerts = alerts
        self._consistency = consistency
        self._began = monotonic()

    def add_to(self, app: FastAPI) -> None:
        """Add the addresses."""
        app.add_route(paths.HEALTHZ, self.healthz, ["GET"], include_in_schema=False)
        app.add_route(paths.READYZ, self.readyz, ["GET"], include_in_schema=False)

    async def healthz(self, request: Request) -> JSONResponse:
        """Tell the state of model and gateway: 200 if questions can be answered, else 503 with the reason.

        Addresses and files are for who brings a key, where keys are set.
        """
        await self._watch.look()
        status = 200 if self._watch.ready else 503
        state = self._in_short() if is_anonymous(request) else self._in_full()
        return JSONResponse(state, status)

    async def readyz(self, request: Request) -> JSONResponse:
        """Tell whether questions can be answered, from what was last seen of the model."""
        if self._watch.ready:
            return JSONResponse({"status": "ready"})
        reason = self._watch.reason if is_anonymous(request) else self._watch.problem
        return JSONResponse({"status": "not ready", "reason": reason}, 503)

    def _in_short(self) -> dict[str, Any]:
        reason = {"reason": self._watch.reason} if self._watch.reason else {}
        return {"status": self._status(), **reason, "model": {"version": self._watch.version}}

    def _in_full(self) -> dict[str, Any]:
        log = self._writer.status
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
            },
            "resources": asdict(used) if used else None,
            "alerts": [{"alert": name, "since": iso_8601(began)} for name, began in self._alerts.firing.items()],
            "consistency": asdict(self._consistency.latest) if self._consistency.latest else None,
        }

    def _status(self) -> str:
        return "ok" if self._watch.ready else "unavailable"
