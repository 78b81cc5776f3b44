"""A scripted model behind TensorFlow Serving's gRPC and REST APIs."""

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
from bert_mlm_client.wire import decode_tensor, encode_tensor, messages
from bert_mlm_client.wire.tensors import Array

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHARACTERS = "中国的首都是北京今天气很好我们去散步吧巴黎法生活真谛，。！？abcdefghijklmnopqrstuvwxyz0123456789𠀀"
PIECES = "abcdesn京0123\u2028"
# U+2028 is a token and not a line end, as in bert-base-chinese.
TOKENS: tuple[str, ...] = (*SPECIAL, "\u2028", *CHARACTERS, *(f"##{piece}" for piece in PIECES), "the", "bert")

HTTP_STATUS = {
    "NOT_FOUND": 404,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAVAILABLE": 503,
    "RESOURCE_EXHAUSTED": 429,
    "DEADLINE_EXCEEDED": 504,
    "INTERNAL": 500,
}


class Refusal(Exception):  # noqa: N818  a part of the script, not an error of the test
    """An error answer with a message and a gRPC status name."""

    def __init__(self, message: str, status: str, retry_after: str | None = None) -> None:
        super().__init__(message, status)
        self.message, self.status, self.retry_after = message, status, retry_after


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the model received it."""

    model: str
    version: int | None
    signature: str
    inputs: Mapping[str, Array]
    output_filter: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)  # or gRPC's metadata; names in lower case


@dataclass(slots=True)
class ScriptedModel:
    """A model whose fill_mask ids are computed from the row's tokens."""

    name: str = "bert_mlm"
    signature: str = "fill_mask"  # beside tokenizer
    tokens: Sequence[str] = TOKENS
    version: int = 1  # the version that it reports
    config: dict[str, Any] = field(default_factory=dict)
    top_k: int = 20
    extra_masks: int = 0  # as if a longer request had been batched with ours
    without_tokenizer: bool = False
    refusal: Refusal | None = None
    refusals: list[Refusal] = field(default_factory=list)  # for one request each, then it answers
    state: str = "AVAILABLE"
    answers: dict[str, Array] = field(default_factory=dict)  # outputs to answer with in place of the right ones
    asked: list[Asked] = field(default_factory=list)

    @property
    def vocab(self) -> bytes:
        return "\n".join(self.tokens).encode()

    def requests(self, signature: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.signature == signature]

    def predict(self, asked: Asked) -> dict[str, Array]:
        self.asked.append(asked)
        if asked.model != self.name or asked.version not in {None, 1}:
            wanted = f"Latest({asked.model})" if asked.version is None else f"Specific({asked.model}, {asked.version})"
            msg = f"Servable not found for request: {wanted}"
            raise Refusal(msg, "NOT_FOUND")
        if asked.signature == "tokenizer" and not self.without_tokenizer:
            return self._tokenizer(asked)
        if asked.signature != self.signature:
            msg = f'Serving signature key "{asked.signature}" not found.'
            raise Refusal(msg, "FAILED_PRECONDITION")
        if self.refusal:
            raise self.refusal
        if self.refusals:
            raise self.refusals.pop(0)
        return self._answer(asked) | self.answers

    def status(self, name: str, version: int | None) -> list[dict[str, Any]]:
        """Return the versions' states in REST's format."""
        if name != self.name:
            msg = f"Could not find any versions of model {name}"
            raise Refusal(msg, "NOT_FOUND")
        if version not in {None, 1}:
            msg = f"Could not find version {version} of model {name}"
            raise Refusal(msg, "NOT_FOUND")
        return [{"version": "1", "state": self.state, "status": {"error_code": "OK", "error_message": ""}}]

    def _tokenizer(self, asked: Asked) -> dict[str, Array]:
        config = {
            "do_lower_case": True,
            "strip_accents": None,
            "tokenize_chinese_chars": True,
            "max_length": 32,
            "vocab_size": len(self.tokens),
            "vocab_sha256": hashlib.sha256(self.vocab).hexdigest(),
        }
        outputs = {"vocab": self.vocab, "config": json.dumps(config | self.config).encode()}
        rows = len(asked.inputs["request"])
        return {
            name: np.array([value] * rows, object)
            for name, value in outputs.items()
            if not asked.output_filter or name in asked.output_filter
        }

    def _answer(self, asked: Asked) -> dict[str, Array]:
        rows = zip(*(asked.inputs[name].tolist() for name in ("input_ids", "lengths", "mask_positions")), strict=True)
        ids = [
            [best_token(row[:length], position, len(self.tokens)) for position in positions]
            for row, length, positions in rows
        ]
        padded = np.array([row + row[:1] * self.extra_masks for row in ids], np.int32)
        token_ids = (padded[..., None] + np.arange(self.top_k, dtype=np.int32)) % np.int32(len(self.tokens))
        scores = np.broadcast_to(1 / np.arange(2, self.top_k + 2, dtype=np.float32), token_ids.shape)
        return {"token_ids": token_ids, "scores": scores}


@dataclass(slots=True)
class ScriptedClassifier(ScriptedModel):
    """A classifier whose best label is computed from the row's tokens."""

    name: str = "genre"
    signature: str = "classify"
    labels: tuple[str, ...] = ("唐诗", "宋词", "法律")
    text_pairs: bool = False

    def _tokenizer(self, asked: Asked) -> dict[str, Array]:
        task = {
            "task": "text_classification",
            "labels": list(self.labels),
            "problem_type": "single_label_classification",
            "text_pairs": self.text_pairs,
        }
        self.config = task | self.config
        return ScriptedModel._tokenizer(self, asked)

    def _answer(self, asked: Asked) -> dict[str, Array]:
        rows = zip(asked.inputs["input_ids"].tolist(), asked.inputs["lengths"].tolist(), strict=True)
        count = len(self.labels)
        found = [[(sum(row[:length]) + rank) % count for rank in range(count)] for row, length in rows]
        labels = [[self.labels[label].encode() for label in row] for row in found]
        scores = np.linspace(2 / count, 0, count, dtype=np.float32)
        return {"labels": np.array(labels, object), "scores": np.broadcast_to(scores, (len(labels), count))}


def best_token(input_ids: Sequence[int], position: int, vocab_size: int) -> int:
    """The scripted model's first choice for one mask."""
    return (sum(input_ids) * 7 + position * 3) % vocab_size


@contextmanager
def grpc_server(
    model: ScriptedModel, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[str]:
    """Serve the model over gRPC and yield its URL."""

    def predict(raw: bytes, context: grpc.ServicerContext) -> bytes:
        request = messages.PredictRequest.FromString(raw)
        spec = request.model_spec
        inputs = {name: decode_tensor(tensor) for name, tensor in request.inputs.items()}
        version = spec.version.value if spec.HasField("version") else None
        headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        try:
            outputs = model.predict(
                Asked(spec.name, version, spec.signature_name, inputs, tuple(request.output_filter), headers)
            )
        except Refusal as refusal:
            context.abort(grpc.StatusCode[refusal.status], refusal.message)
        tensors = {name: encode_tensor(array, as_content=False) for name, array in outputs.items()}
        spec.version.value = model.version
        return messages.PredictResponse(model_spec=spec, outputs=tensors).SerializeToString()

    def status(raw: bytes, context: grpc.ServicerContext) -> bytes:
        spec = messages.GetModelStatusRequest.FromString(raw).model_spec
        response = messages.GetModelStatusResponse()
        try:
            versions = model.status(spec.name, spec.version.value if spec.HasField("version") else None)
        except Refusal as refusal:
            context.abort(grpc.StatusCode[refusal.status], refusal.message)
        for version in versions:
            response.model_version_status.add(version=int(version["version"]), state=version["state"])
        return response.SerializeToString()

    method = grpc.unary_unary_rpc_method_handler
    services = [
        grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", methods)
        for name, methods in {
            "PredictionService": {"Predict": method(predict)},
            "ModelService": {"GetModelStatus": method(status)},
        }.items()
    ]
    server = grpc.server(ThreadPoolExecutor(8), handlers=services)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    yield f"grpc{'s' if credentials else ''}://{address.rpartition(':')[0]}:{port}"
    server.stop(grace=None).wait()


@contextmanager
def rest_server(model: ScriptedModel, address: str = "127.0.0.1:0", tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve the model over REST and yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, _, version = self.path.removeprefix("/v1/models/").removesuffix(":predict").partition("/versions/")
            inputs = {name: np.array(values) for name, values in body["inputs"].items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                outputs = model.predict(
                    Asked(name, int(version) if version else None, body["signature_name"], inputs, headers=headers)
                )
            except Refusal as refusal:
                return self._refuse(refusal)
            values = {name: _json_values(array) for name, array in outputs.items()}
            # REST returns a single output without its name.
            return self._answer(200, {"outputs": values if len(values) > 1 else next(iter(values.values()))})

        def do_GET(self) -> None:
            name, _, version = self.path.removeprefix("/v1/models/").partition("/versions/")
            try:
                self._answer(200, {"model_version_status": model.status(name, int(version) if version else None)})
            except Refusal as refusal:
                self._refuse(refusal)

        def _refuse(self, refusal: Refusal) -> None:
            self._answer(HTTP_STATUS[refusal.status], {"error": refusal.message}, refusal.retry_after)

        def _answer(self, status: int, body: dict[str, Any], retry_after: str | None = None) -> None:
            content = json.dumps(body, ensure_ascii=False, indent=4).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if retry_after is not None:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Suppress the log."""

    with http_server(Handler, address, tls) as url:
        yield url


@contextmanager
def http_server(
    handler: type[BaseHTTPRequestHandler], address: str = "127.0.0.1:0", tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve with a handler and yield the URL."""
    host, _, port = address.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http{'s' if tls else ''}://{host}:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _json_values(array: Array) -> Any:
    return np.vectorize(bytes.decode, [object])(array).tolist() if array.dtype.hasobject else array.tolist()
