"""How requests reach a model: over gRPC or REST, from one server or several, or in this process."""

from collections.abc import Sequence

from bert_mlm_client.errors import InputError
from bert_mlm_client.transport.address import EXAMPLES, Servable
from bert_mlm_client.transport.base import Answer, AsyncTransport, Request, Transport
from bert_mlm_client.transport.inprocess import AsyncInProcess, Backend, InProcess
from bert_mlm_client.transport.resilient import AsyncResilientTransport, ResilientTransport
from bert_mlm_client.transport.retry import Retry
from bert_mlm_client.transport.trace import trace_context

__all__ = [
    "Answer",
    "AsyncInProcess",
    "AsyncTransport",
    "Backend",
    "InProcess",
    "Request",
    "Retry",
    "Transport",
    "open_async_transport",
    "open_transport",
    "trace_context",
]

_RETRY = Retry()


def open_transport(
    target: str | Sequence[str] | Transport,
    *,
    model: str = "bert_mlm",
    version: int | None = None,
    retry: Retry | None = _RETRY,
) -> Transport:
    """Return the blocking transport to a model; it connects at its first request.

    Args:
        target: an address, or several that share the work and stand in for each other; or a transport, which is
            returned as it is.
        model: the model's name.
        version: its version, or None for the latest.
        retry: when to ask again; None: never, so that each request goes to one server only.

    Raises:
        InputError: an address is not one, or there is none.
    """
    if isinstance(target, (str, Sequence)) or not hasattr(target, "predict"):
        return ResilientTransport(_parse(target, model, version), retry)
    return target


def open_async_transport(
    target: str | Sequence[str] | AsyncTransport,
    *,
    model: str = "bert_mlm",
    version: int | None = None,
    retry: Retry | None = _RETRY,
) -> AsyncTransport:
    """Return the asyncio transport to a model; see `open_transport`."""
    if isinstance(target, (str, Sequence)) or not hasattr(target, "predict"):
        return AsyncResilientTransport(_parse(target, model, version), retry)
    return target


def _parse(addresses: object, model: str, version: int | None) -> list[Servable]:
    urls = [addresses] if isinstance(addresses, str) else addresses
    if not isinstance(urls, Sequence) or not all(isinstance(url, str) for url in urls):
        msg = f"an address is a str, and several are a list of them; {EXAMPLES}"
        raise InputError(msg)
    if not urls:
        msg = f"there is no address; {EXAMPLES}"
        raise InputError(msg)
    return [Servable.parse(url, model=model, version=version) for url in urls]
