"""What is known about a request while it is answered: its identity, its trace, and where its time goes."""

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
    """One request on its way.

    Attributes:
        request_id: the caller's X-Request-Id, or one of ours.
        traceparent: the caller's W3C trace context, None if there is none or it is damaged.
        tracestate: what tracing systems added to it.
        trace_id: the trace's id in it.
        began: when the request came, by `perf_counter`; so are all times here, and lengths are in seconds.
        queue_s: how long it waited for its turn.
        asked: when its question went to the client, 0 before that.
        tokenize_s: from then to the first request to the model server; None before that.
        inference_s: how long at least one request was with the model server, and somebody waited for it.
        model_version: which version of the model answered; None before that, and where REST does not tell.
        afterwards: what is to be done once the answer is sent, so that nobody waits for it.
        on_cancelled: records the question that was broken off, if what it is answered with is that the gateway stops.
        on_rejected: records that it is sent away before anybody has read its question.
    """

    request_id: str
    traceparent: str | None = None
    tracestate: str | None = None
    trace_id: str | None = None
    began: float = field(default_factory=perf_counter)
    queue_s: float = 0.0
    asked: float = 0.0
    tokenize_s: float | None = None
    inference_s: float = 0.0
    model_version: int | None = None
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    on_cancelled: Callable[[Exception], None] = lambda _error: None
    on_rejected: Callable[[Exception], None] = lambda _error: None
    _sent: int = 0
    _since: float = 0.0

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> "RequestContext":
        """Make the context of a request from its headers; whatever is not sane in them counts as not there."""
        request_id = traceparent = tracestate = trace_id = None
        for name, value in headers:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                request_id = value.decode()
            elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
                traceparent, trace_id = value.decode(), match[1].decode()
            elif name == b"tracestate":
                tracestate = value.decode("latin-1")
        return cls(request_id or f"{random.getrandbits(128):032x}", traceparent, tracestate, trace_id)

    def ask(self) -> None:
        """Note that the question goes to the client; only the first time counts."""
        self.asked = self.asked or perf_counter()

    def send(self) -> None:
        """Note that a request goes to the model server."""
        now = perf_counter()
        if self.tokenize_s is None:
            self.tokenize_s = now - self.asked
        if self._sent == 0:
            self._since = now
        self._sent += 1

    def receive(self) -> None:
        """Note that a request to the model server has ended; one that was given up has done so already."""
        if self._sent:
            self._sent -= 1
            if self._sent == 0:
                self.inference_s += perf_counter() - self._since

    def give_up(self) -> None:
        """Note that the question has failed, and nobody waits for those of its requests that are not yet answered."""
        if self._sent:
            self._sent = 0
            self.inference_s += perf_counter() - self._since

    def server_timing(self) -> str:
        """Return the stages as https://www.w3.org/TR/server-timing/ writes them, in milliseconds."""
        stages = {
            "queue": self.queue_s,
            "tokenize": self.tokenize_s or 0.0,
            "inference": self.inference_s,
            "total": perf_counter() - self.began,
        }
        return ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in stages.items())


current: ContextVar[RequestContext | None] = ContextVar("current", default=None)
"""The request that is being answered; tasks that are started for it see it, too."""
