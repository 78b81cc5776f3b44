"""Propagate the caller's W3C trace context.

https://www.w3.org/TR/trace-context/. This library records no spans, so it sends ``traceparent`` and ``tracestate``
unchanged. Its own parent-id would name a span that was never recorded; the specification allows "unmodified header
propagation" to "a service which currently does not collect distributed tracing information" (section "Mutating the
traceparent Field").
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bert_mlm_client.errors import InputError

# Later versions may append fields after another dash; their size is limited to avoid large headers.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-[!-~]{0,456})?"
)
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_MAX_MEMBERS = 32

_headers: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("bert_mlm_client.trace", default=())


@contextmanager
def trace_context(traceparent: str, tracestate: str | None = None) -> Iterator[None]:
    """Send these trace headers with every request in the block.

    They apply to the current thread or task and its children.

    Args:
        traceparent: the calling span, as ``00-<trace-id>-<parent-id>-<flags>``, say from the framework's request.
        tracestate: the vendors' state, as ``key=value,…``.

    Raises:
        InputError: a header does not match the specification.

    Example:
        >>> with trace_context("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        ...     client.fill("中国的首[MASK]是北京。")
    """
    token = _headers.set(_checked(traceparent, tracestate))
    try:
        yield
    finally:
        _headers.reset(token)


def trace_headers() -> tuple[tuple[str, str], ...]:
    """Return the current trace headers, also used as gRPC metadata."""
    return _headers.get()


def _checked(traceparent: str, tracestate: str | None) -> tuple[tuple[str, str], ...]:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found["version"] == "00" and found["more"] is not None):
        msg = f"{traceparent!r} is not a traceparent; write it as 00-<32 hex digits>-<16 hex digits>-<2 hex digits>"
        raise InputError(msg)
    members = [member for part in (tracestate or "").split(",") if (member := part.strip(" \t"))]
    if len(members) > _MAX_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        msg = f"{tracestate!r} is not a tracestate; write it as key=value,key=value with at most {_MAX_MEMBERS} members"
        raise InputError(msg)
    headers = (("traceparent", traceparent),)
    return (*headers, ("tracestate", ",".join(members))) if members else headers  # an empty one should not be sent
