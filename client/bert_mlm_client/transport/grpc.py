"""Send Predict and GetModelStatus over gRPC.

The method paths are the official ones, the messages our own.
"""

import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import Int64Value

from bert_mlm_client import errors
from bert_mlm_client.results import ModelStatus, VersionStatus
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.transport.balance import UNACKNOWLEDGED_S
from bert_mlm_client.transport.base import Answer, Request
from bert_mlm_client.transport.environment import UNTRUSTED, check_roots, grpc_proxy
from bert_mlm_client.transport.failures import failure, status_class, timed_out, untrusted
from bert_mlm_client.transport.trace import trace_headers
from bert_mlm_client.wire import decode_tensor, encode_tensor, messages

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # the default of 4 MiB rejects large answers
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 60_000),  # detects a dead server; rare enough for any server's ping limit
    ("grpc.initial_reconnect_backoff_ms", 100),  # the defaults are one second and two minutes;
    ("grpc.max_reconnect_backoff_ms", 500),  # Retry and Balancer decide when to retry
)

_UNACKNOWLEDGED_S = 10.0  # as UNACKNOWLEDGED_S, without another address

# UNAVAILABLE is both the server's overload and gRPC's own "no connection"; only the message distinguishes them.
_NO_CONNECTION = re.compile(
    r"connect|resol|socket|reset|broken pipe|closed|goaway|keepalive|handshake|recvmsg|sendmsg", re.IGNORECASE
)
_NOT_HTTP2 = re.compile(r"HTTP/2|http1|SETTINGS frame", re.IGNORECASE)

_STATES = {number: name for name, number in messages.ModelVersionStatus.State.items()}
_CODES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


class GrpcTransport:
    """Send requests over a gRPC channel."""

    def __init__(self, servable: Servable, connect_s: float | None = None) -> None:
        self._servable = servable
        credentials, options = _credentials(servable), _options(servable, connect_s)
        if credentials is None:
            self._channel = grpc.insecure_channel(servable.connect_to, options)
        else:
            self._channel = grpc.secure_channel(servable.connect_to, credentials, options)
        # Without serializers, so that a parse error becomes our ProtocolError.
        self._predict = self._channel.unary_unary(_PREDICT, None, None)
        self._status = self._channel.unary_unary(_STATUS, None, None)

    def predict(self, request: Request, *, timeout: float) -> Answer:
        """Send one request (see `Transport.predict`)."""
        raw = self._call(self._predict, _encode(request, self._servable), timeout, request.signature)
        return _decode(raw, self._servable, request)

    def status(self, *, timeout: float) -> ModelStatus:
        """Send one request (see `Transport.status`)."""
        return _decode_status(self._call(self._status, _encode_status(self._servable), timeout, None), self._servable)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _call(self, method: Callable[..., bytes], message: bytes, timeout: float, signature: str | None) -> bytes:
        try:
            return method(message, timeout=timeout, metadata=trace_headers())
        except grpc.RpcError as error:
            raise _convert_error(error, timeout, self._servable, signature) from error


class AsyncGrpcTransport:
    """Send requests over a gRPC channel from asyncio.

    It belongs to the event loop of its first request.
    """

    def __init__(self, servable: Servable, connect_s: float | None = None) -> None:
        self._servable = servable
        self._credentials, self._options = _credentials(servable), _options(servable, connect_s)
        self._channel: grpc.aio.Channel | None = None
        self._methods: dict[str, Callable[..., Awaitable[bytes]]] = {}

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  a gRPC deadline
        """Send one request (see `Transport.predict`)."""
        raw = await self._call(_PREDICT, _encode(request, self._servable), timeout, request.signature)
        return _decode(raw, self._servable, request)

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  a gRPC deadline
        """Send one request (see `Transport.status`)."""
        return _decode_status(await self._call(_STATUS, _encode_status(self._servable), timeout, None), self._servable)

    async def close(self) -> None:
        """Close the channel."""
        if self._channel is not None:
            await self._channel.close(grace=None)

    async def _call(self, path: str, message: bytes, seconds: float, signature: str | None) -> bytes:
        if self._channel is None:
            self._channel = self._open()
            # Without serializers, so that a parse error becomes our ProtocolError.
            self._methods = {path: self._channel.unary_unary(path, None, None) for path in (_PREDICT, _STATUS)}
        try:
            return await self._methods[path](message, timeout=seconds, metadata=trace_headers())
        except grpc.RpcError as error:
            raise _convert_error(error, seconds, self._servable, signature) from error

    def _open(self) -> grpc.aio.Channel:
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._servable.connect_to, self._options)
        return grpc.aio.secure_channel(self._servable.connect_to, self._credentials, self._options)


def _options(servable: Servable, connect_s: float | None) -> Sequence[tuple[str, Any]]:
    """Return the channel's options."""
    # Also the TCP_USER_TIMEOUT: https://github.com/grpc/proposal/blob/master/A18-tcp-user-timeout.md
    limit_s = _UNACKNOWLEDGED_S if connect_s is None else UNACKNOWLEDGED_S
    options: tuple[tuple[str, Any], ...] = (*_OPTIONS, ("grpc.keepalive_timeout_ms", int(limit_s * 1000)))
    if connect_s is not None:
        # The timeout of one connection attempt.
        options += (("grpc.min_reconnect_backoff_ms", int(connect_s * 1000)),)
    if servable.peer is None:
        return options
    # The certificate and the authority belong to the name, not to the IP address.
    return (
        *options,
        ("grpc.default_authority", servable.authority),
        ("grpc.ssl_target_name_override", servable.host),
    )


def _credentials(servable: Servable) -> grpc.ChannelCredentials | None:
    """Return TLS credentials with the system's trusted roots.

    By default gRPC uses its own.
    """
    if servable.scheme != "grpcs":
        return None
    check_roots()
    roots = ssl.get_default_verify_paths().cafile
    return grpc.ssl_channel_credentials(Path(roots).read_bytes() if roots else None)


def _model_spec(servable: Servable, signature: str = "") -> messages.ModelSpec:
    spec = messages.ModelSpec(name=servable.model, signature_name=signature)
    if servable.version is not None:
        spec.version.CopyFrom(Int64Value(value=servable.version))
    return spec


def _encode(request: Request, servable: Servable) -> bytes:
    message = messages.PredictRequest(
        model_spec=_model_spec(servable, request.signature), output_filter=request.outputs
    )
    for name, array in request.inputs.items():
        encode_tensor(array, into=message.inputs[name])
    return message.SerializeToString()


def _decode(raw: bytes, servable: Servable, request: Request) -> Answer:
    try:
        response = messages.PredictResponse.FromString(raw)
        spec = response.model_spec
        version = spec.version.value if spec.HasField("version") else None
        return Answer({name: decode_tensor(response.outputs[name]) for name in request.outputs}, version)
    except (DecodeError, ValueError) as error:
        raise failure(errors.ProtocolError, str(error), servable, request.signature) from error


def _encode_status(servable: Servable) -> bytes:
    return messages.GetModelStatusRequest(model_spec=_model_spec(servable)).SerializeToString()


def _decode_status(raw: bytes, servable: Servable) -> ModelStatus:
    try:
        response = messages.GetModelStatusResponse.FromString(raw)
    except DecodeError as error:
        raise failure(errors.ProtocolError, str(error), servable, None) from error
    versions = (
        VersionStatus(
            one.version,
            _STATES.get(one.state, "UNKNOWN"),
            _CODES.get(one.status.error_code, "UNKNOWN"),
            one.status.error_message,
        )
        for one in response.model_version_status
    )
    return ModelStatus(servable.model, tuple(versions))


def _convert_error(
    error: grpc.RpcError, timeout: float, servable: Servable, signature: str | None
) -> errors.BertMlmError:
    """Convert a gRPC error to this package's error."""
    code, details = error.code(), error.details() or ""
    kind = status_class(code.name, details)
    if code is grpc.StatusCode.UNAVAILABLE and UNTRUSTED.search(details):
        return untrusted(details, servable, signature)
    if code is grpc.StatusCode.UNAVAILABLE and _NOT_HTTP2.search(details):
        kind = errors.ProtocolError
    elif code is grpc.StatusCode.UNAVAILABLE and _NO_CONNECTION.search(details):
        kind = errors.UnreachableError
        details = grpc_proxy(servable) + details
    elif code is grpc.StatusCode.CANCELLED:  # by the server: a local cancellation does not get here
        kind = errors.UnreachableError
        details = details or "the server dropped the request, as it does when it shuts down"
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        if details == "Deadline Exceeded":  # the message of the client's own timer
            return timed_out(timeout, servable, signature)
        kind = errors.DeadlineError  # a server names the limit that ran out
    return failure(kind, details or code.name, servable, signature)
