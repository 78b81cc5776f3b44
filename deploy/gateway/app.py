"""Create the gateway's application."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bert_mlm_client import AsyncFillMask, AsyncTextClassifier, __version__
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware import Middleware

from deploy.gateway import paths
from deploy.gateway.alerts.evaluator import Alerts, Sources
from deploy.gateway.alerts.webhook import Webhook
from deploy.gateway.api import docs
from deploy.gateway.api.classification import ClassifierQuestions
from deploy.gateway.api.hugging_face import HuggingFaceQuestions
from deploy.gateway.api.json_route import JsonRoutes
from deploy.gateway.api.proofreading import ProofreadQuestions
from deploy.gateway.api.questions import Questions
from deploy.gateway.api.request_limits import RequestLimits
from deploy.gateway.classifier import Classifier, open_classifier
from deploy.gateway.clients import by_address, open_client
from deploy.gateway.consistency.check import Consistency
from deploy.gateway.dashboard.routes import Dashboard
from deploy.gateway.errors import add_handlers
from deploy.gateway.log.request_log import RequestLog
from deploy.gateway.log.resources import ResourceMonitor, Resources
from deploy.gateway.log.rotation import Rotation
from deploy.gateway.log.writer import LineWriter, LogWriter, StdoutWriter
from deploy.gateway.middleware.api_keys import ApiKeys
from deploy.gateway.middleware.body_limit import BodyLimit
from deploy.gateway.middleware.concurrency import ConcurrencyLimit, ConcurrencySlots
from deploy.gateway.middleware.envelope import Envelope
from deploy.gateway.model.access import ModelAccess
from deploy.gateway.model.loads import LoadLines
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.settings import Settings
from deploy.gateway.status.gauges import (
    read_alerts_into,
    read_classifier_into,
    read_consistency_into,
    read_into,
)
from deploy.gateway.status.health import Health
from deploy.gateway.telemetry.metrics import Metrics
from deploy.gateway.telemetry.recorder import Recorder

LOG_NAME = "gateway.log"
ABOUT = (
    "Ask a Chinese masked language model: fill [MASK] in sentences, score words, compare and explain; and a text "
    "classifier, if the gateway has one. Errors are "
    '`{"error": …, "error_type": …}`. Every answer has an X-Request-Id, and Server-Timing says where its time went.'
)

_PAGE = Path(__file__).parent / "page"
# FastAPI's telemetry would duplicate the log and the metrics.
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}


def create_app(
    settings: Settings, client: AsyncFillMask | None = None, classifier_client: AsyncTextClassifier | None = None
) -> FastAPI:
    """Create the application.

    It connects at start-up, and waits for the model server without limit.

    Args:
        settings: the gateway's settings.
        client: the client of the model server; None opens one from the settings.
        classifier_client: the client of the classifier, if the settings name one; None opens one from the settings.
    """
    access = ModelAccess(settings)
    client = client or open_client(settings, access, settings.serving_url)
    metrics = Metrics()
    writers = _writers(settings)
    log = RequestLog(
        *writers,
        text_mode=settings.log_text,
        digest_key=settings.log_digest_key.encode(),
        sample_rate=settings.log_sample_rate,
    )
    monitor: ResourceMonitor | None = None  # created at start-up, since it writes lines at once

    def resources() -> Resources | None:
        return monitor.latest if monitor else None

    loads = LoadLines(log.write, slow_s=settings.slow_load_s)
    watch = ModelWatch(client, loads, timeout_s=settings.timeout_s)
    clients = by_address(settings.addresses, client, partial(open_client, settings, access))
    consistency = Consistency(
        clients,
        watch,
        settings.model_folder,
        log,
        metrics,
        model_name=settings.model_name,
        interval_s=settings.consistency_interval_s,
        threshold=settings.drift_threshold,
    )
    classifier = open_classifier(settings, access, log, metrics, classifier_client)
    webhook = _webhook(settings)
    watches = [watch, *([classifier.served.watch] if classifier else [])]
    checks = [consistency, *([classifier.consistency] if classifier else [])]
    alerts = Alerts(settings, Sources(watches, writers, resources, checks), emit=log.write, webhook=webhook)
    recorder = Recorder(
        log,
        metrics,
        model_name=settings.model_name,
        watch=watch,
        classifier=classifier.served if classifier else None,
        resources=resources,
        low_confidence=settings.low_confidence,
        observe=alerts.observe,
    )
    slots = ConcurrencySlots(limit=settings.max_concurrency, queue=settings.max_queue, wait_s=settings.queue_timeout_s)
    read_into(metrics, slots, watch, writers, resources)
    read_alerts_into(metrics, alerts, webhook)
    read_consistency_into(metrics, consistency, model_name=settings.model_name)
    read_classifier_into(metrics, classifier)

    dashboard = Dashboard(settings.log_folder / LOG_NAME)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        nonlocal monitor
        monitor = ResourceMonitor(
            log.write, server_port=_local_port(settings.addresses), interval_s=settings.resource_interval_s
        )
        access.start()
        watching = [asyncio.create_task(one.run()) for one in watches]
        try:
            async with alerts.running(), AsyncExitStack() as stack:
                for check in checks:
                    await stack.enter_async_context(check.running())
                yield
        finally:
            await _cancel(watching)
            for one in {client, *clients.values(), *(classifier.clients.values() if classifier else ())}:
                await one.close()
            await access.close()
            monitor.close()
            await dashboard.close()
            for writer in writers:
                await asyncio.to_thread(writer.close)

    app = FastAPI(
        title="Fill-mask gateway",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,  # see docs/
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        middleware=[
            Middleware(Envelope, metrics=metrics, recorder=recorder),
            *_access(settings),
            Middleware(BodyLimit, max_bytes=settings.max_body_bytes, timeout_s=settings.client_timeout_s),
            Middleware(ConcurrencyLimit, slots=slots),
            Middleware(JsonRoutes),
        ],
    )
    add_handlers(app)
    _add_questions(app, client, classifier, recorder, RequestLimits.of(settings))
    Health(
        settings, watch, slots, writers, resources, alerts=alerts, consistency=consistency, classifier=classifier
    ).add_to(app)
    docs.add_to(app)
    dashboard.add_to(app)
    _add_metrics(app, metrics)
    _add_page(app)
    docs.describe_keys(app)  # last: a route added later would reset the document
    return app


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _add_questions(
    app: FastAPI, client: AsyncFillMask, classifier: Classifier | None, recorder: Recorder, limits: RequestLimits
) -> None:
    Questions(client, recorder, limits).add_to(app)
    ProofreadQuestions(client, recorder, limits).add_to(app)
    ClassifierQuestions(classifier.client if classifier else None, recorder, limits).add_to(app)
    HuggingFaceQuestions(client, recorder, limits).add_to(app)


def _rotation(settings: Settings) -> Rotation | None:
    return Rotation(max_bytes=settings.log_max_bytes, keep=settings.log_keep) if settings.log_rotate else None


def _writers(settings: Settings) -> tuple[LineWriter, ...]:
    """Create the writers of log file and standard output."""
    origin = {"instance": settings.instance or socket.gethostname(), "service_version": __version__}
    file = LogWriter(settings.log_folder / LOG_NAME, rotation=_rotation(settings), origin=origin)
    return (file, StdoutWriter(origin=origin)) if settings.log_stdout == "json" else (file,)


def _webhook(settings: Settings) -> Webhook | None:
    if not settings.alert_webhook:
        return None
    return Webhook(settings.alert_webhook, token=settings.alert_webhook_token, form=settings.alert_webhook_format)


def _local_port(urls: Sequence[str]) -> int | None:
    """Return the port of a model server on this machine.

    The resource use of others cannot be read; that of an engine in this process is the gateway's.
    """
    parts = [urlsplit(url) for url in urls]
    local = [part.port for part in parts if part.hostname in {"127.0.0.1", "::1", "localhost"}]
    return local[0] if local else None


def _access(settings: Settings) -> list[Middleware]:
    keys = settings.keys()
    return [Middleware(ApiKeys, keys=keys, metrics=settings.metrics_key)] if keys else []


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    async def read_metrics(request: Request) -> Response:
        content, content_type = metrics.write(request.headers.get("accept", ""))
        return Response(content, headers={"Content-Type": content_type})

    app.add_route(paths.METRICS, read_metrics, ["GET"], include_in_schema=False)


class _Page(StaticFiles):
    """The page's files, revalidated at each load.

    Otherwise files of two versions could mix.
    """

    def file_response(self, *args: Any, **more: Any) -> Response:
        response = super().file_response(*args, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _add_page(app: FastAPI) -> None:
    files = _Page(directory=_PAGE)

    async def page(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    app.add_route(paths.PAGE, page, ["GET"], include_in_schema=False)
    app.mount("/page", files)
