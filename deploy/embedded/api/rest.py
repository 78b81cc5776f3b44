"""Implement TensorFlow Serving's REST API as an ASGI application.

Routes and texts are those of tensorflow_serving/model_servers/http_rest_api_handler.cc. As there, a query string is
part of the path.
"""

import asyncio
import json
import logging
import re
import time
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, TypeVarTuple
from urllib.parse import unquote_to_bytes

from bert_mlm_client.wire import messages
from google.protobuf import json_format

from deploy.embedded import metrics
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.inference import classify, examples, regress
from deploy.embedded.inference.predict import DEFAULT_SIGNATURE, predict, run
from deploy.embedded.json_codec import write as json_write
from deploy.embedded.json_codec.examples import read_examples
from deploy.embedded.json_codec.predict import read_document, read_inputs, read_signature_name, write_outputs
from deploy.embedded.json_codec.write import error_body
from deploy.embedded.proto.inference_pb2 import Input
from deploy.embedded.repository import Repository, Servable
from deploy.http import Bodies, BodyReader, BodyTooLargeError, TooManyBodiesError

logger = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 64 * 2**20
"""The size limit of a request body, compressed and decompressed; TensorFlow Serving has none."""

MAX_HELD_BYTES = 4 * MAX_BODY_BYTES
"""The size limit of all request bodies in memory; further requests are answered 503."""

_LONG_CONVERSION = 2**16  # bytes or numbers; longer conversions would block the event loop noticeably
_CHOICE = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICTION = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_CHOICE}:(?P<verb>classify|regress|predict)", re.IGNORECASE | re.ASCII
)
_INFORMATION = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_CHOICE}(?P<metadata>/metadata)?", re.IGNORECASE | re.ASCII
)
_INFERENCES: dict[str, tuple[Any, Callable[[Any], bytes]]] = {
    "classify": (classify, json_write.classifications),
    "regress": (regress, json_write.regressions),
}
_VERBS = (*_INFERENCES, "predict")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-f]{2})", re.IGNORECASE)
# The page of libevent 2.1.12 (evhttp_send_error in http.c), TensorFlow Serving's HTTP server.
_NOT_FOUND_PAGE = b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    close: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """The parts of a request's URL."""

    name: str = ""
    version: int | None = None
    label: str | None = None
    verb: str = ""
    """``predict``, ``classify`` or ``regress``; empty for a GET."""
    metadata: bool = False


class _Rejected(Exception):  # noqa: N818 - it carries a complete answer, not an error text
    """Raised to end a request with the given answer."""

    def __init__(self, answer: Answer, code: Code = Code.INVALID_ARGUMENT) -> None:
        self.answer = answer
        self.code = code


class RestApi:
    """The ASGI application of the REST API."""

    def __init__(
        self,
        repository: Repository,
        *,
        timeout_ms: int,
        cors: bool = False,
        metrics_path: str | None = None,
        check_method_names: bool = False,
    ) -> None:
        """Create the application.

        Args:
            repository: the models.
            timeout_ms: the timeout of a request's run; 0 or less is no limit.
            cors: allow requests from pages of other origins.
            metrics_path: the URL path of the metrics; None turns them off.
            check_method_names: require the method that a signature was exported for.
        """
        self._repository = repository
        self._timeout_s = timeout_ms / 1000 if timeout_ms > 0 else None
        self._cors = cors
        self._metrics_path = metrics_path
        self._check_method_names = check_method_names
        self._bodies = Bodies(max_bytes=MAX_BODY_BYTES, max_held_bytes=MAX_HELD_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        path = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            path += "?" + scope["query_string"].decode("latin-1")
        if path == self._metrics_path:
            answer = Answer(200, metrics.write(), content_type=metrics.CONTENT_TYPE)
        elif path[:4].lower() != "/v1/":
            answer = Answer(404, _NOT_FOUND_PAGE, content_type=b"text/html", close=True)
        elif scope["method"] == "OPTIONS":
            answer = Answer(200) if b"origin" in headers else Answer(400, content_type=b"text/html")
        else:
            answer = await self._count(scope["method"], path, headers, receive)
        await self._send(answer, send)

    async def _count(self, method: str, path: str, headers: dict[bytes, bytes], receive: Receive) -> Answer:
        """Answer a request and count it.

        The metrics are those of TensorFlow Serving (model_servers/http_server.cc).
        """
        started = time.perf_counter()
        route, code = Route(), Code.OK
        try:
            route = find_route(method, path)
            with self._bodies.reading() as reader:
                answer = await self._answer(route, await read_body(reader, headers, receive))
        except _Rejected as rejected:
            answer, code = rejected.answer, rejected.code
        except ServingError as error:
            answer, code = Answer(error.http_status, error_body(error.message)), error.code
        except asyncio.CancelledError:  # the client has disconnected, or the grace period is over
            answer, code = Answer(503, error_body("The server is stopping."), close=True), Code.CANCELLED
        except Exception:
            logger.exception("%s %s failed with an unexpected error.", method, path)
            answer, code = Answer(500, error_body("Internal error; see the server's log.")), Code.INTERNAL
        metrics.REQUEST_COUNT.add(route.name, code.name)
        if code is Code.OK:
            metrics.REQUEST_LATENCY.observe((time.perf_counter() - started) * 1e6, route.name, route.verb, "REST")
        return answer

    async def _answer(self, route: Route, body: bytes) -> Answer:
        match route.verb:
            case "predict":
                return await self._predict(route.name, route.version, route.label, body)
            case "classify" | "regress" as verb:
                return await self._infer(route, body, verb)
        if not route.name:
            msg = "Missing model name in request."
            raise invalid(msg)
        if route.metadata:
            return Answer(200, metadata_body(self._repository.find(route.name, route.version, route.label)))
        return Answer(200, status_body(self._repository, route.name, route.version))

    async def _predict(self, name: str, version: int | None, label: str | None, body: bytes) -> Answer:
        document = await _convert(len(body), read_document, body)
        signature_name = read_signature_name(document) or DEFAULT_SIGNATURE
        servable = self._repository.find(name, version, label)
        signature = servable.signatures.get(signature_name)
        if signature is None:
            msg = f'Serving signature name: "{signature_name}" not found in signature def'
            raise invalid(msg)
        if not signature.inputs:
            msg = f"Failed to get input map for signature: {read_signature_name(document) or 'DEFAULT'}"
            raise invalid(msg)
        inputs = await _convert(len(body), read_inputs, document, signature.inputs)
        outputs = await predict(
            servable,
            signature_name,
            inputs,
            check_method_name=self._check_method_names,
            timeout_s=self._timeout_s,
            wait_for_room=True,
        )
        size = sum(array.size for array in outputs.values())
        return Answer(200, await _convert(size, write_outputs, outputs, "instances" in document))

    async def _infer(self, route: Route, body: bytes, verb: str) -> Answer:
        """Answer ``:classify`` or ``:regress``."""
        method, write = _INFERENCES[verb]
        name, given = await _convert(len(body), _read_examples, body)
        servable = self._repository.find(route.name, route.version, route.label)
        call = examples.prepare(method, servable.signatures, name, given, check_method_name=self._check_method_names)
        outputs = await run(servable, call, timeout_s=self._timeout_s, method=verb.capitalize(), wait_for_room=True)
        size = sum(array.size for array in outputs.values())
        return Answer(200, await _convert(size, lambda: write(method.to_result(call, outputs))))

    async def _send(self, answer: Answer, send: Send) -> None:
        headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
        if answer.close:
            headers.append((b"connection", b"close"))
        if self._cors:
            headers.extend(_CORS)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


@lru_cache(256)
def find_route(method: str, path: str) -> Route:
    """Parse a request's URL.

    Raises:
        ServingError: INVALID_ARGUMENT, the URL is unknown.
        _Rejected: a percent-escape is invalid or a version exceeds 63 bits; the answer's body is empty.
    """
    pattern = {"POST": _PREDICTION, "GET": _INFORMATION}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    parts = match.groupdict() if match else {}
    if match is None or parts.get("verb", "predict") not in _VERBS:  # unlike the path, case-sensitive
        msg = f"Malformed request: {method} {path}"
        raise invalid(msg)
    name, version, label = parts["name"] or "", parts["version"], parts["label"]
    too_large = version is not None and (len(version) > 100 or int(version) >= 2**63)
    if too_large or _BAD_ESCAPE.search(name + (label or "")):
        raise _Rejected(Answer(400))
    return Route(
        _unquoted(name),
        int(version) if version else None,
        _unquoted(label) if label else None,
        parts.get("verb", ""),
        parts.get("metadata") == "/metadata",
    )


async def read_body(reader: BodyReader, headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """Read and decompress a request's body.

    A broken gzip stream is an empty body.

    Raises:
        _Rejected: the body exceeds a size limit, or the client has disconnected.
    """
    try:
        body = await reader.read(headers, receive)
        if body is None:
            raise _Rejected(Answer(400))  # the client has disconnected; the answer is not sent
        if headers.get(b"content-encoding", b"").lower() == b"gzip":
            body = _decompress(body)
            reader.hold(len(body))
    except BodyTooLargeError as error:
        message = f"The request body is larger than {MAX_BODY_BYTES} bytes; send fewer rows at a time, or use gRPC."
        raise _Rejected(Answer(413, error_body(message), close=error.close)) from None
    except TooManyBodiesError:
        message = f"The bodies of other requests fill all {MAX_HELD_BYTES} bytes; try again in a moment."
        raise _Rejected(Answer(503, error_body(message)), Code.UNAVAILABLE) from None
    return body


def status_body(repository: Repository, name: str, version: int | None) -> bytes:
    """Format version states as TensorFlow Serving prints a GetModelStatusResponse."""
    versions = [
        {
            "version": str(held.number),
            "state": held.state.name,
            "status": {
                "error_code": held.error.code.name if held.error else Code.OK.name,
                "error_message": held.error.message if held.error else "",
            },
        }
        for held in repository.status(name, version)
    ]
    return (json.dumps({"model_version_status": versions}, indent=1, ensure_ascii=False) + "\n").encode()


def metadata_body(servable: Servable) -> bytes:
    """Format signatures as TensorFlow Serving prints a GetModelMetadataResponse."""
    signatures = json_format.MessageToDict(
        messages.SignatureDefMap(signature_def=servable.signatures),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    document = {
        "model_spec": {"name": servable.name, "signature_name": "", "version": str(servable.version)},
        "metadata": {"signature_def": signatures},
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _read_examples(body: bytes) -> tuple[str, Input]:
    """Return a body's signature name and examples."""
    document = read_document(body)
    return read_signature_name(document) or DEFAULT_SIGNATURE, read_examples(document)


async def _convert(size: int, work: Callable[[*Arguments], Result], *args: *Arguments) -> Result:
    """Call a function, in a thread if it takes long."""
    if size < _LONG_CONVERSION:
        return work(*args)
    return await asyncio.to_thread(work, *args)


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _decompress(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        return b""
    if unpacker.unconsumed_tail:
        raise BodyTooLargeError(close=False)
    return unpacked if unpacker.eof else b""
