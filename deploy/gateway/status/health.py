"""Answer /healthz (full state) and /readyz (ready or not)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from time import monotonic
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from deploy.gateway import paths
from deploy.gateway.alerts.evaluator import Alerts
from deploy.gateway.classifier import Classifier
from deploy.gateway.consistency.check import Consistency
from deploy.gateway.log.json_lines import iso_8601
from deploy.gateway.log.resources import Resources
from deploy.gateway.log.writer import LineWriter
from deploy.gateway.middleware.api_keys import is_anonymous
from deploy.gateway.middleware.concurrency import ConcurrencySlots
from deploy.gateway.model.description import ModelDescription, ModelDescriptions
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
        classifier: the text classifier; None without one.
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
        classifier: Classifier | None = None,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._slots = slots
        self._writers = writers
        self._resources = resources
        self._alerts = alerts
        self._consistency = consistency
        self._classifier = classifier
        self._descriptions = ModelDescriptions(settings.model_folder)
        self._began = monotonic()

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.add_route(paths.HEALTHZ, self.healthz, ["GET"], include_in_schema=False)
        app.add_route(paths.READYZ, self.readyz, ["GET"], include_in_schema=False)

    async def healthz(self, request: Request) -> JSONResponse:
        """Return the state of models and gateway.

        The status is 200 if the masked language model is ready, else 503. If keys are set, addresses and paths are only
        in answers to requests with a key.
        """
        watches = [self._watch, *([self._classifier.served.watch] if self._classifier else [])]
        await asyncio.gather(*(watch.poll() for watch in watches))
        status = 200 if self._watch.ready else 503
        state = self._summary() if is_anonymous(request) else self._details(await self._describe())
        return JSONResponse(state, status)

    async def readyz(self, request: Request) -> JSONResponse:
        """Return the model's readiness at the latest poll."""
        if self._watch.ready:
            return JSONResponse({"status": "ready"})
        reason = self._watch.reason if is_anonymous(request) else self._watch.problem
        return JSONResponse({"status": "not ready", "reason": reason}, 503)

    def _summary(self) -> dict[str, Any]:
        reason = {"reason": self._watch.reason} if self._watch.reason else {}
        summary = {"status": self._status(), **reason, "model": {"version": self._watch.version}}
        if self._classifier:
            summary["classifier"] = _state(self._classifier.served.watch, is_anonymous=True)
        return summary

    async def _describe(self) -> ModelDescription | None:
        latest = self._consistency.latest
        # Only an engine in this process is known; another one is inferred from its answers.
        inferred = latest.engine if latest and latest.version == self._watch.version else None
        engine = inferred if self._settings.engine == "none" else self._settings.engine
        return await self._descriptions.of(self._watch.version, engine)

    def _details(self, description: ModelDescription | None) -> dict[str, Any]:
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
                "description": asdict(description) if description else None,
                "addresses": list(self._settings.addresses),
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
            "classifier": _classifier_details(self._classifier) if self._classifier else None,
        }

    def _status(self) -> str:
        if not self._watch.ready:
            return "unavailable"
        return "ok" if self._classifier is None or self._classifier.served.watch.ready else "degraded"


def _classifier_details(classifier: Classifier) -> dict[str, Any]:
    watch, latest = classifier.served.watch, classifier.consistency.latest
    return {
        "name": classifier.served.name,
        **_state(watch, is_anonymous=False),
        "versions": [asdict(one) for one in watch.status.versions] if watch.status else [],
        "consistency": asdict(latest) if latest else None,
    }


def _state(watch: ModelWatch, *, is_anonymous: bool) -> dict[str, Any]:
    """Return whether the classifier is served, and why not."""
    problem = watch.reason if is_anonymous else watch.problem
    reason = {"reason": problem} if problem else {}
    return {"status": "ok" if watch.ready else "unavailable", **reason, "version": watch.version}
