"""Pass on the caller's trace: https://www.w3.org/TR/trace-context/.

This library records no spans, so it sends ``traceparent`` and ``tracestate`` as they were given. A parent-id of its own
would name a span that nobody recorded; the specification allows "unmodified header propagation" to "a service which
currently does not collect distributed tracing information" (section "Mutating the traceparent Field").
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bert_mlm_client.errors import InputError

# Later versions may append fields after a further dash; their size is limited only to be no burden.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-[!-~]{0,456})?"
)
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_MAX_MEMBERS = 32

_headers: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("bert_mlm_client.trace", default=())


@contextmanager
def trace_context(traceparent: str, tracestate: str | None = None) -> Iterator[None]:
    """Send these headers with every request that is made inside the block, in its thread or task and their children.

    Args:
        traceparent: the span that asks, as ``00-<trace-id>-<parent-id>-<flags>``, say what the framework received.
        tracestate: what tracing systems added to it, as ``key=value,…``.

    Raises:
        InputError: one of them is not what the specification describes.

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
    """Return the headers, or gRPC's metadata, of the request that is being made."""
    return _headers.get()


def _checked(traceparent: str, tracestate: str | None) -> tuple[tuple[str, str], ...]:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found["version"] == "00" and found["more"] is not None):
        msg = f"{traceparent!r} is no traceparent; write it as 00-<32 hex digits>-<16 hex digits>-<2 hex digits>"
        raise InputError(msg)
    members = [member for part in (tracestate or "").split(",") if (member := part.strip(" \t"))]
    if len(members) > _MAX_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        msg = f"{tracestate!r} is no tracestate; write it as key=value,key=value with at most {_MAX_MEMBERS} members"
        raise InputError(msg)
    headers = (("traceparent", traceparent),)
    return (*headers, ("tracestate", ",".join(members))) if members else headers  # an empty one should not be sent
