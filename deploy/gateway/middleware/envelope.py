"""Set context and headers, and handle unexpected exceptions."""

import asyncio
from contextlib import ExitStack
from functools import partial

from bert_mlm_client import InputError, trace_context
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.gateway import paths
from deploy.gateway.context import RequestContext, current
from deploy.gateway.errors import internal_error, stopping
from deploy.gateway.telemetry.metrics import Metrics
from deploy.gateway.telemetry.recorder import Recorder

CLIENT_CLOSED_REQUEST = "499"
"""The counted status if the client disconnects before its answer, as in nginx."""

_POLICY = b"content-security-policy"
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),  # for browsers older than frame-ancestors
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Envelope:
    """The outermost middleware.

    Args:
        app: the next application.
        metrics: counts the answers.
        recorder: records unexpected exceptions.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, recorder: Recorder) -> None:
        self._app = app
        self._metrics = metrics
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, self._flushing_at_shutdown(receive), send)
            return
        path = paths.label(scope["path"])
        context = RequestContext.of(scope["headers"], path)
        context.on_rejected = partial(self._recorder.rejected, path)
        token = current.set(context)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                context.status_code = status = message["status"]
                message["headers"] = [*message["headers"], *_headers(message, context)]
                self._metrics.requests(path, str(status)).inc()
            await send(message)

        try:
            with ExitStack() as stack:
                _enter_trace(stack, context)
                await self._app(scope, receive, send_with_headers)
            for callback in context.after_response:
                callback()
        except asyncio.CancelledError:
            if status:
                raise
            problem = stopping()
            context.on_cancelled(problem)
            await problem.response()(scope, receive, send_with_headers)
        except Exception as error:
            self._recorder.unhandled(error)
            if status:
                raise  # the answer has begun: uvicorn closes the connection, which marks it as incomplete
            await internal_error().response()(scope, receive, send_with_headers)
        finally:
            current.reset(token)
            if not status:
                self._metrics.requests(path, CLIENT_CLOSED_REQUEST).inc()

    def _flushing_at_shutdown(self, receive: Receive) -> Receive:
        """Wrap ``receive`` to log pending rejections at shutdown."""

        async def receive_and_flush() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._recorder.write_rejected()
            return message

        return receive_and_flush


def _headers(message: Message, context: RequestContext) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", context.request_id.encode()), *SECURITY_HEADERS]
    if not any(name == _POLICY for name, _ in message["headers"]):
        headers.append((_POLICY, CONTENT_SECURITY_POLICY))
    if context.asked or context.queue_s:
        headers.append((b"server-timing", context.server_timing().encode()))
    return headers


def _enter_trace(stack: ExitStack, context: RequestContext) -> None:
    """Forward the caller's trace context.

    An invalid tracestate is dropped, as W3C requires.
    """
    if context.traceparent is None:
        return
    try:
        stack.enter_context(trace_context(context.traceparent, context.tracestate))
    except InputError:
        stack.enter_context(trace_context(context.traceparent))
