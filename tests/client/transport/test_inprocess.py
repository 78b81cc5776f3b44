"""Clients on in-process engines, custom backends and custom transports."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_mlm_client import (
    Answer,
    AsyncFillMask,
    AsyncInProcess,
    FillMask,
    InProcess,
    ModelStatus,
    OverloadedError,
    Request,
    RequestError,
    ServerError,
    ServerTimeoutError,
    SignatureNotFoundError,
)
from bert_mlm_client.wire.tensors import Array

from deploy.embedded.engines.onnx import OnnxEngine
from loadtest.failover import Replica
from tests.client.transport.conftest import FILL, Client


class Fake:
    """A user's ten-line backend that answers 都 for every mask."""

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        if signature != "fill_mask":
            msg = f"there is no {signature}"
            raise SignatureNotFoundError(msg)
        rows, masks = inputs["mask_positions"].shape
        ids = np.tile(np.array([8, 7], np.int32), (rows, masks, 1))
        answer = {"token_ids": ids, "scores": np.where(ids == 8, 0.9, 0.05).astype(np.float32)}
        return {name: answer[name] for name in outputs}


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n中\n国\n首\n都\n", encoding="utf-8")
    return path


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def in_process(request: pytest.FixtureRequest) -> Any:
    """Open clients of a backend through either transport."""
    clients: list[Client] = []

    def open_one(backend: Any) -> Client:
        transport = AsyncInProcess(backend) if request.param else InProcess(backend)
        clients.append(Client(transport, is_async=request.param))
        return clients[-1]

    yield open_one
    for client in clients:
        client.close()


def test_a_ten_line_backend_answers_a_client(vocab: Path) -> None:
    with FillMask(InProcess(Fake()), vocab=vocab) as client:
        best = client.fill("中国的首[MASK]", top_k=1)
        assert [(one.token_str, one.sequence) for one in best] == [("都", "中国的首都")]
        assert client.model_status().available


async def test_a_ten_line_backend_answers_an_async_client(vocab: Path) -> None:
    async with AsyncFillMask(AsyncInProcess(Fake()), vocab=vocab) as client:
        both = await client.fill_masks(["首[MASK]", "[MASK][MASK]"], top_k=2)
        assert [one.token_str for one in both[0][0]] == ["都", "首"]
        assert (await client.model_status()).available


@pytest.fixture(scope="module")
def engine(light_version: Path) -> OnnxEngine:
    return OnnxEngine(light_version, threads=1)


def test_the_light_engine_answers_like_its_server(engine: OnnxEngine, server: Replica) -> None:
    texts = ["中国的首[MASK]是北京。", "今天[MASK][MASK]很好。"]
    with FillMask(InProcess(engine)) as here, FillMask(server.grpc) as there:
        assert here.tokenizer().vocabulary.tokens == there.tokenizer().vocabulary.tokens
        for mine, theirs in zip(here.fill_masks(texts), there.fill_masks(texts), strict=True):
            flat = [[one for mask in answer for one in mask] for answer in (mine, theirs)]
            assert [one.token for one in flat[0]] == [one.token for one in flat[1]]
            assert [one.score for one in flat[0]] == pytest.approx([one.score for one in flat[1]], rel=1e-5)


def test_unknown_signatures_are_rejected_as_by_a_server(engine: OnnxEngine, in_process: Any) -> None:
    client = in_process(engine)
    with pytest.raises(SignatureNotFoundError, match="no signature serving_default"):
        client.predict(Request("serving_default", {}, ("logits",)))
    with pytest.raises(RequestError, match="no output nothing"):
        client.predict(Request("fill_mask", FILL.inputs, ("nothing",)))


def test_an_engine_error_is_a_server_error(engine: OnnxEngine, in_process: Any) -> None:
    with pytest.raises(ServerError, match=r"the backend failed: ServingError: .*must be int32"):
        in_process(engine).predict(Request("fill_mask", {"input_ids": np.zeros((1, 3), np.int64)}, ("scores",)))


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, *_: object) -> Mapping[str, Array]:
        raise self.error


def test_a_backend_may_raise_server_errors(in_process: Any) -> None:
    error = OverloadedError("later")
    with pytest.raises(OverloadedError) as raised:
        in_process(Failing(error)).predict()
    assert raised.value is error


def test_a_missing_output_is_a_server_error(in_process: Any) -> None:
    with pytest.raises(ServerError, match=r"the backend failed: KeyError: 'nothing'"):
        in_process(Fake()).predict(Request("fill_mask", FILL.inputs, ("nothing",)))


async def test_the_async_timeout_applies_to_a_backend() -> None:
    is_over = threading.Event()

    class Stuck:
        def run(self, *_: object) -> Mapping[str, Array]:
            is_over.wait(20)
            return {}

    with pytest.raises(ServerTimeoutError, match=r"did not answer in 0\.05 s"):
        await AsyncInProcess(Stuck()).predict(FILL, timeout=0.05)
    is_over.set()


class Recorder:
    """A custom transport that wraps another, without a base class."""

    def __init__(self, inner: InProcess) -> None:
        self.inner = inner
        self.signatures: list[str] = []
        self.is_closed = False

    def predict(self, request: Request, *, timeout: float) -> Answer:
        self.signatures.append(request.signature)
        return self.inner.predict(request, timeout=timeout)

    def status(self, *, timeout: float) -> ModelStatus:
        return self.inner.status(timeout=timeout)

    def close(self) -> None:
        self.is_closed = True


def test_a_custom_transport_is_used_unchanged(vocab: Path) -> None:
    recorder = Recorder(InProcess(Fake()))
    with FillMask(recorder, vocab=vocab) as client:
        client.fill("首[MASK]", top_k=1)
    assert recorder.signatures == ["tokenizer", "fill_mask"]
    assert recorder.is_closed
