"""Answer requests in process, without a server."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from bert_mlm_client.errors import (
    BertMlmError,
    RequestError,
    ServerError,
    ServerTimeoutError,
    SignatureNotFoundError,
)
from bert_mlm_client.results import ModelStatus, VersionStatus
from bert_mlm_client.telemetry import disable_telemetry
from bert_mlm_client.transport.base import Answer, Request
from bert_mlm_client.wire.tensors import Array

disable_telemetry()  # before a backend imports ONNX Runtime

_STATUS = ModelStatus("in-process", (VersionStatus(1, "AVAILABLE", "OK", ""),))


class Backend(Protocol):
    """Run a model like the embedded server's engines.

    A backend may also have ``signatures``, a mapping from each signature's name to an object whose ``outputs`` contain
    the outputs' names. Requests for anything else are then rejected.
    """

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """Run a signature and return its outputs by name.

        Raises:
            BertMlmError: passed on to the caller, for example an OverloadedError in a test.
            Exception: converted to a ServerError.
        """


class InProcess:
    """Send requests to a backend in this process.

    The timeout has no effect.

    Example:
        >>> FillMask(InProcess(OnnxEngine(Path("models/bert_mlm/1"))))
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ARG002  a computation cannot be interrupted
        """Run the backend (see `Transport.predict`)."""
        return _run(self._backend, request)

    def status(self, *, timeout: float) -> ModelStatus:  # noqa: ARG002  likewise
        """Return a single available version."""
        return _STATUS

    def close(self) -> None:
        """Leave the backend open for its owner."""


class AsyncInProcess:
    """Send requests to a backend in threads of this process."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  as for every transport
        """Run the backend (see `Transport.predict`).

        After a timeout it keeps running in the background.
        """
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.to_thread(_run, self._backend, request)
        except TimeoutError as error:
            if isinstance(error, BertMlmError):
                raise
            msg = f"the backend did not answer in {timeout:g} s; allow a longer timeout"
            raise ServerTimeoutError(msg, signature=request.signature) from error

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109, ARG002  as for every transport
        """Return a single available version."""
        return _STATUS

    async def close(self) -> None:
        """Leave the backend open for its owner."""


def _run(backend: Backend, request: Request) -> Answer:
    signatures = getattr(backend, "signatures", None)
    if signatures is not None:
        _check(signatures, request)
    try:
        outputs = backend.run(request.signature, request.inputs, request.outputs)
        return Answer({name: outputs[name] for name in request.outputs})
    except BertMlmError:
        raise
    except Exception as error:
        msg = f"the backend failed: {type(error).__name__}: {error}"
        raise ServerError(msg, signature=request.signature) from error


def _check(signatures: Mapping[str, "_Signature"], request: Request) -> None:
    """Reject unknown signatures and outputs, as a server does.

    The client's fallbacks for older models then work in process too.
    """
    if request.signature not in signatures:
        msg = f"the backend has no signature {request.signature}"
        raise SignatureNotFoundError(msg, signature=request.signature)
    known = signatures[request.signature].outputs
    for name in request.outputs:
        if name not in known:
            msg = f"the signature {request.signature} has no output {name}"
            raise RequestError(msg, signature=request.signature)


class _Signature(Protocol):
    @property
    def outputs(self) -> Mapping[str, object]: ...
