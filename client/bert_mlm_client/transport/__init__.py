"""Send requests over gRPC, REST or in process."""

from collections.abc import Sequence

from bert_mlm_client.errors import InputError
from bert_mlm_client.transport.address import EXAMPLES, Servable
from bert_mlm_client.transport.base import Answer, AsyncTransport, Request, Transport
from bert_mlm_client.transport.failures import status_class
from bert_mlm_client.transport.inprocess import AsyncInProcess, Backend, InProcess
from bert_mlm_client.transport.resilient import AsyncResilientTransport, ResilientTransport
from bert_mlm_client.transport.retry import Retry
from bert_mlm_client.transport.trace import trace_context, trace_headers

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
    "status_class",
    "trace_context",
    "trace_headers",
]

_RETRY = Retry()


def open_transport(
    target: str | Sequence[str] | Transport,
    *,
    model: str = "bert_mlm",
    version: int | None = None,
    retry: Retry | None = _RETRY,
) -> Transport:
    """Return the blocking transport to a model.

    It connects on its first request.

    Args:
        target: an address, or several for load balancing and failover; or a transport, which is returned unchanged.
        model: the model's name.
        version: its version, or None for the latest.
        retry: the retry policy; None for no retries, so that each request goes to one server only.

    Raises:
        InputError: an address is invalid, or the list is empty.
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
    """Return the asyncio transport to a model (see `open_transport`)."""
    if isinstance(target, (str, Sequence)) or not hasattr(target, "predict"):
        return AsyncResilientTransport(_parse(target, model, version), retry)
    return target


def _parse(addresses: object, model: str, version: int | None) -> list[Servable]:
    urls = [addresses] if isinstance(addresses, str) else addresses
    if not isinstance(urls, Sequence) or not all(isinstance(url, str) for url in urls):
        msg = f"an address must be a str, several addresses a list of str; {EXAMPLES}"
        raise InputError(msg)
    if not urls:
        msg = f"the list of addresses is empty; {EXAMPLES}"
        raise InputError(msg)
    return [Servable.parse(url, model=model, version=version) for url in urls]
