"""Send Predict and status requests over REST.

Predict uses the columnar format: https://www.tensorflow.org/tfx/serving/api_rest
"""

import asyncio
import errno
import json
import re
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore2
import numpy as np

from bert_mlm_client import errors
from bert_mlm_client.results import ModelStatus, VersionStatus
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.transport.balance import UNACKNOWLEDGED_S
from bert_mlm_client.transport.base import Answer, Request
from bert_mlm_client.transport.deadline import DeadlineBackend
from bert_mlm_client.transport.environment import UNTRUSTED, check_roots, http_proxy
from bert_mlm_client.transport.failures import failure, rejection_class, timed_out, untrusted
from bert_mlm_client.transport.trace import trace_headers
from bert_mlm_client.wire.tensors import Array

# These mean the same from any sender, for example a proxy with its own page.
_KINDS: dict[int, type[errors.BertMlmError]] = {
    429: errors.OverloadedError,
    503: errors.OverloadedError,
    504: errors.DeadlineError,
}
_LOST = re.compile("disconnected|closed connection")  # messages of httpcore and h11 for a lost connection
_TRANSPORT_ERRORS = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
)

_MAX_CONNECTIONS = 100
_IDLE_S = 20.0  # shorter than the idle timeout of servers and proxies


class RestTransport:
    """Send requests over an HTTP/1.1 connection pool."""

    def __init__(self, servable: Servable, connect_s: float | None = None) -> None:
        self._exchange = _Exchange(servable, connect_s)
        self._deadline = DeadlineBackend()
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_trust(servable),
            proxy=self._exchange.proxy,
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_IDLE_S,
            network_backend=self._deadline,
            socket_options=_socket_options(connect_s),
        )

    def predict(self, request: Request, *, timeout: float) -> Answer:
        """Send one request (see `Transport.predict`)."""
        return self._exchange.answer(self._send(self._exchange.ask(request), timeout, request.signature), request)

    def status(self, *, timeout: float) -> ModelStatus:
        """Send one request (see `Transport.status`)."""
        return self._exchange.status(self._send(self._exchange.ask_status(), timeout, None))

    def close(self) -> None:
        """Close the connections."""
        self._deadline.close()
        self._pool.close()

    def _send(self, request: httpcore2.Request, timeout: float, signature: str | None) -> httpcore2.Response:
        request.extensions["timeout"] = {
            "pool": timeout,
            **self._exchange.limits(timeout),
        }  # the deadline limits the rest
        self._deadline.start(timeout)
        try:
            response = self._pool.handle_request(request)
            try:
                response.read()
            finally:
                response.close()
        except _TRANSPORT_ERRORS as error:
            raise self._exchange.convert_error(error, timeout, signature) from error
        return response


class AsyncRestTransport:
    """Send requests over an HTTP/1.1 connection pool from asyncio."""

    def __init__(self, servable: Servable, connect_s: float | None = None) -> None:
        self._exchange = _Exchange(servable, connect_s)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_trust(servable),
            proxy=self._exchange.proxy,
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_IDLE_S,
            socket_options=_socket_options(connect_s),
        )

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  as in the sync twin
        """Send one request (see `Transport.predict`)."""
        response = await self._send(self._exchange.ask(request), timeout, request.signature)
        return self._exchange.answer(response, request)

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  as in the sync twin
        """Send one request (see `Transport.status`)."""
        return self._exchange.status(await self._send(self._exchange.ask_status(), timeout, None))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _send(self, request: httpcore2.Request, seconds: float, signature: str | None) -> httpcore2.Response:
        request.extensions["timeout"] = self._exchange.limits(seconds)
        try:
            async with asyncio.timeout(seconds):
                response = await self._pool.handle_async_request(request)
                try:
                    await response.aread()
                finally:
                    await response.aclose()
        except (*_TRANSPORT_ERRORS, TimeoutError) as error:
            raise self._exchange.convert_error(error, seconds, signature) from error
        return response


class _Exchange:
    """Build requests and parse responses for both transports."""

    def __init__(self, servable: Servable, connect_s: float | None = None) -> None:
        self._servable = servable
        self._connect_s = connect_s
        self.proxy, self._via = http_proxy(servable)
        self._predict = _url(servable, ":predict")
        self._status = _url(servable, "")
        self._headers = (("Host", servable.authority), ("User-Agent", "bert-mlm-client"))
        # The certificate belongs to the name, not to the IP address.
        self._extensions = {} if servable.peer is None else {"sni_hostname": servable.host}

    def limits(self, timeout: float) -> dict[str, float]:
        """Return the connect timeout, if it has its own."""
        return {} if self._connect_s is None else {"connect": min(self._connect_s, timeout / 2)}

    def ask(self, request: Request) -> httpcore2.Request:
        """Build the HTTP request for Predict."""
        inputs = {name: array.tolist() for name, array in request.inputs.items()}
        body = json.dumps({"signature_name": request.signature, "inputs": inputs}, separators=(",", ":")).encode()
        content = (("Content-Type", "application/json"), ("Content-Length", str(len(body))))
        return self._request("POST", self._predict, content, body)

    def ask_status(self) -> httpcore2.Request:
        """Build the HTTP request for the model's status."""
        return self._request("GET", self._status)

    def answer(self, response: httpcore2.Response, request: Request) -> Answer:
        """Parse the outputs of Predict, or raise the server's error."""
        body = self._body(response, request.signature)
        try:
            outputs = body["outputs"]
            if not isinstance(outputs, dict) and len(request.outputs) == 1:
                outputs = {request.outputs[0]: outputs}  # the server returns a single output without its name
            return Answer({name: _array(outputs[name]) for name in request.outputs})
        except (KeyError, TypeError, ValueError) as error:
            details = f"HTTP {response.status} without the outputs {', '.join(request.outputs)}"
            raise failure(errors.ProtocolError, details, self._servable, request.signature) from error

    def status(self, response: httpcore2.Response) -> ModelStatus:
        """Parse the model's status, or raise the server's error."""
        body = self._body(response, None)
        try:
            versions = tuple(_version(entry) for entry in body["model_version_status"])
        except (KeyError, TypeError, ValueError) as error:
            details = f"HTTP {response.status} without the state of any version"
            raise failure(errors.ProtocolError, details, self._servable, None) from error
        return ModelStatus(self._servable.model, versions)

    def convert_error(self, error: Exception, timeout: float, signature: str | None) -> errors.BertMlmError:
        """Convert a transport error to this package's error."""
        limit = self.limits(timeout).get("connect")
        if limit is not None and isinstance(error, httpcore2.ConnectTimeout):
            error = httpcore2.ConnectError(f"none in {limit:g} s")
        if any(isinstance(one, OSError) and one.errno == errno.ETIMEDOUT for one in error.args):
            # The kernel gave the connection up; the socket's own timeout has the same class, but no errno.
            error = httpcore2.NetworkError(f"nothing acknowledged in {UNACKNOWLEDGED_S:g} s")
        if isinstance(error, (TimeoutError, httpcore2.TimeoutException)):
            return timed_out(timeout, self._servable, signature)
        details = self._via + (str(error) or type(error).__name__)
        if UNTRUSTED.search(details):
            return untrusted(details, self._servable, signature)
        is_other = isinstance(error, httpcore2.ProtocolError) and not _LOST.search(details)
        kind = errors.ProtocolError if is_other else errors.UnreachableError
        return failure(kind, details, self._servable, signature)

    def _request(
        self, method: str, url: httpcore2.URL, content: tuple[tuple[str, str], ...] = (), body: bytes | None = None
    ) -> httpcore2.Request:
        headers = [*self._headers, *content, *trace_headers()]
        return httpcore2.Request(method, url, headers=headers, content=body, extensions=dict(self._extensions))

    def _body(self, response: httpcore2.Response, signature: str | None) -> Any:
        try:
            body = json.loads(response.content)
        except ValueError:
            body = None
        if response.status >= 400:
            raise self._http_error(response, body, signature)
        return body

    def _http_error(self, response: httpcore2.Response, body: Any, signature: str | None) -> errors.BertMlmError:
        """Convert an HTTP error response to this package's error."""
        status = response.status
        headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        message = body.get("error") if isinstance(body, dict) else None
        kind = _KINDS.get(status, errors.ServerError)
        if not isinstance(message, str):
            message = (
                f"{self._via}{headers.get(b'content-type', 'no content type')} instead of TensorFlow Serving's JSON"
            )
            kind = _KINDS.get(status, errors.ProtocolError)
        elif status == 404:
            kind = errors.ModelNotFoundError
        elif status == 400:
            kind = rejection_class(message)
        error = failure(kind, f"HTTP {status}: {message}", self._servable, signature)
        if isinstance(error, errors.OverloadedError):
            error.retry_after_s = _retry_after_s(headers.get(b"retry-after", ""))
        return error


def _trust(servable: Servable) -> ssl.SSLContext:
    """Return the TLS context of a scheme."""
    # Skip loading the trusted roots for plain HTTP: it is slow.
    if servable.scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    check_roots()
    return httpcore2.default_ssl_context()


def _socket_options(connect_s: float | None) -> list[httpcore2.SOCKET_OPTION]:
    """Return the options of connections if there are other servers."""
    if connect_s is None or not hasattr(socket, "TCP_USER_TIMEOUT"):  # only Linux has it
        return []
    return [(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNACKNOWLEDGED_S * 1000))]


def _url(servable: Servable, method: str) -> httpcore2.URL:
    host, _, port = servable.connect_to.rpartition(":")
    return httpcore2.URL(
        scheme=servable.scheme, host=host.strip("[]"), port=int(port), target=f"{servable.model_path}{method}"
    )


def _array(values: Any) -> Array:
    """Convert nested lists to the array types of gRPC.

    They are int32, float32, or bytes for strings.
    """
    array = np.array(values)
    if array.dtype.kind == "U":
        return np.char.encode(array, "utf-8").astype(object)
    if array.dtype.kind not in "if":
        msg = f"values of type {array.dtype}"
        raise ValueError(msg)
    return array.astype(np.int32 if array.dtype.kind == "i" else np.float32)


def _version(entry: Mapping[str, Any]) -> VersionStatus:
    status = entry["status"]
    return VersionStatus(int(entry["version"]), entry["state"], status["error_code"], status["error_message"])


def _retry_after_s(value: str) -> float | None:
    """Parse a Retry-After header (RFC 9110, section 10.2.3)."""
    if value.isdecimal():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
