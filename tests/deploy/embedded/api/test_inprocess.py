"""Test the server without a port through the thin client."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from bert_mlm_client import (
    AsyncFillMask,
    FillMask,
    InProcess,
    ModelNotFoundError,
    Request,
    RequestError,
    ServerTimeoutError,
    SignatureNotFoundError,
)

from deploy.embedded.api.inprocess import InProcessServer, InProcessTransport
from deploy.embedded.engines.onnx import OnnxEngine

TEXTS = ["床前[MASK]月光，疑是地上霜。", "春[MASK]", "举头望[MASK]月，低头思故[MASK]。" * 3, "处处闻[MASK]鸟"]
INPUTS = {
    "input_ids": np.ones((1, 5), np.int32),
    "lengths": np.array([5], np.int32),
    "mask_positions": np.array([[2]], np.int32),
}


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[InProcessTransport]:
    server = InProcessServer({"bert_mlm": folder}, threads=1)
    server.start()
    try:
        yield server.transport("bert_mlm")
    finally:
        await server.close()


async def states(transport: InProcessTransport) -> dict[int, str]:
    try:
        return {one.version: one.state for one in (await transport.status(timeout=1)).versions}
    except ModelNotFoundError:
        return {}


async def until(transport: InProcessTransport, wanted: dict[int, str]) -> None:
    async with asyncio.timeout(60):
        while await states(transport) != wanted:  # noqa: ASYNC110  the client has no event for it, either
            await asyncio.sleep(0.02)


def put(version: Path, servable: Path, number: int) -> None:
    """Create a version folder under a temporary name and rename it."""
    unfinished = servable / f".tmp-{number}"
    shutil.copytree(version, unfinished)
    unfinished.rename(servable / str(number))


async def test_concurrent_requests_of_all_lengths_get_the_engines_answers(tiny_version: Path) -> None:
    with FillMask(InProcess(OnnxEngine(tiny_version, threads=1))) as direct:
        alone = [direct.fill_masks(text) for text in TEXTS]
        similar = direct.similarity(TEXTS[1], TEXTS[3])
    async with serving(tiny_version.parent) as transport:
        await until(transport, {1: "AVAILABLE"})
        async with AsyncFillMask(transport) as client:
            together = await asyncio.gather(*(client.fill_masks(text) for text in TEXTS * 4))
            assert (await client.similarity(TEXTS[1], TEXTS[3])).score == pytest.approx(similar.score, abs=1e-3)
    for text, answer in zip(TEXTS * 4, together, strict=True):
        expected = alone[TEXTS.index(text)]
        assert [[one.token for one in mask] for mask in answer] == [[one.token for one in mask] for mask in expected]
        for mask, other in zip(answer, expected, strict=True):
            assert [one.score for one in mask] == pytest.approx([one.score for one in other], abs=1e-4)


async def test_without_a_version_the_model_is_not_found_until_one_comes(tiny_version: Path, tmp_path: Path) -> None:
    async with serving(tmp_path) as transport:
        with pytest.raises(ModelNotFoundError, match="Could not find any versions of model bert_mlm"):
            await transport.status(timeout=1)
        with pytest.raises(ModelNotFoundError, match="Servable not found"):
            await transport.predict(Request("fill_mask", INPUTS, ("scores",)), timeout=1)
        put(tiny_version, tmp_path, 1)
        await until(transport, {1: "AVAILABLE"})
        assert (await transport.predict(Request("fill_mask", INPUTS, ("scores",)), timeout=10)).version == 1


async def test_a_version_replaces_another_while_requests_are_answered(tiny_version: Path, tmp_path: Path) -> None:
    put(tiny_version, tmp_path, 1)
    async with serving(tmp_path) as transport:
        await until(transport, {1: "AVAILABLE"})
        versions: list[int | None] = []

        async def ask() -> None:
            while True:
                answer = await transport.predict(Request("fill_mask", INPUTS, ("scores",)), timeout=10)
                versions.append(answer.version)

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        await asyncio.sleep(0)
        put(tiny_version, tmp_path, 2)
        await until(transport, {2: "AVAILABLE", 1: "END"})
        assert (await transport.predict(Request("fill_mask", INPUTS, ("scores",)), timeout=10)).version == 2
        for task in asking:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    assert set(versions) == {1, 2}
    assert versions == sorted(versions, key=lambda number: number or 0)


async def test_errors_are_those_that_the_client_raises_over_grpc(tiny_version: Path) -> None:
    async with serving(tiny_version.parent) as transport:
        await until(transport, {1: "AVAILABLE"})
        with pytest.raises(SignatureNotFoundError, match="serving_default") as caught:
            await transport.predict(Request("serving_default", INPUTS, ("logits",)), timeout=1)
        assert (caught.value.model, caught.value.signature) == ("bert_mlm", "serving_default")
        without_lengths = {name: array for name, array in INPUTS.items() if name != "lengths"}
        with pytest.raises(RequestError, match="lengths"):
            await transport.predict(Request("fill_mask", without_lengths, ("scores",)), timeout=1)
        with pytest.raises(ServerTimeoutError, match="allow a longer timeout"):
            await transport.predict(Request("fill_mask", INPUTS, ("scores",)), timeout=1e-9)
