"""Keep the ids, trace and timings of the current request."""

import random
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
# https://www.w3.org/TR/trace-context/#traceparent-header: version, trace-id, parent-id, flags.
_TRACEPARENT = re.compile(
    rb"(?!ff|00-.{52}.)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?"
)


@dataclass(slots=True)
class RequestContext:
    """The context of a request.

    Attributes:
        request_id: the caller's X-Request-Id, or a generated one.
        path: the path as a label (`paths.label`); None outside of a request.
        status_code: the HTTP status of the answer; None before that.
        traceparent: the caller's W3C trace context; None if it is missing or invalid.
        tracestate: the vendor part of the trace context.
        trace_id: the trace id in ``traceparent``.
        began: when the request arrived, by `perf_counter`, as all times here; durations are in seconds.
        queue_s: how long it waited for a slot.
        asked: when the client was called; 0 before that.
        tokenize_s: from then to the first request to the model server; None before that.
        inference_s: how long at least one request to the model server was pending.
        model_version: the version that answered; None before that, and if REST does not report it.
        after_response: callbacks to run after the answer is sent.
        on_cancelled: records a question that was cancelled because the gateway stops.
        on_rejected: records a request that was rejected before its question was asked.
    """

    request_id: str
    path: str | None = None
    status_code: int | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    trace_id: str | None = None
    began: float = field(default_factory=perf_counter)
    queue_s: float = 0.0
    asked: float = 0.0
    tokenize_s: float | None = None
    inference_s: float = 0.0
    model_version: int | None = None
    after_response: list[Callable[[], None]] = field(default_factory=list)
    on_cancelled: Callable[[Exception], None] = lambda _error: None
    on_rejected: Callable[[Exception], None] = lambda _error: None
    _sent: int = 0
    _since: float = 0.0

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]], path: str | None = None) -> "RequestContext":
        """Create the context from a request's headers and path.

        Invalid values are ignored.
        """
        request_id = traceparent = tracestate = trace_id = None
        for name, value in headers:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                request_id = value.decode()
            elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
                traceparent, trace_id = value.decode(), match[1].decode()
            elif name == b"tracestate":
                tracestate = value.decode("latin-1")
        return cls(
            request_id or f"{random.getrandbits(128):032x}",
            path,
            traceparent=traceparent,
            tracestate=tracestate,
            trace_id=trace_id,
        )

    def ask(self) -> None:
        """Record the start of the first client call."""
        self.asked = self.asked or perf_counter()

    def send(self) -> None:
        """Record the start of a request to the model server."""
        now = perf_counter()
        if self.tokenize_s is None:
            self.tokenize_s = now - self.asked
        if self._sent == 0:
            self._since = now
        self._sent += 1

    def receive(self) -> None:
        """Record the end of a request to the model server.

        A request that was abandoned is ignored.
        """
        if self._sent:
            self._sent -= 1
            if self._sent == 0:
                self.inference_s += perf_counter() - self._since

    def abandon(self) -> None:
        """Stop measuring the inference time of a failed question.

        Pending requests do not count.
        """
        if self._sent:
            self._sent = 0
            self.inference_s += perf_counter() - self._since

    def server_timing(self) -> str:
        """Format the stages as a Server-Timing header.

        https://www.w3.org/TR/server-timing/
        """
        stages = {
            "queue": self.queue_s,
            "tokenize": self.tokenize_s or 0.0,
            "inference": self.inference_s,
            "total": perf_counter() - self.began,
        }
        return ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in stages.items())


current: ContextVar[RequestContext | None] = ContextVar("current", default=None)
"""The current request, inherited by the tasks it starts."""
