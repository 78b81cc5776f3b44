"""Test the schedule and the results of consistency checks."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from bert_mlm_client import AsyncFillMask, FillMask, ModelStatus, VersionStatus, __version__
from bert_mlm_client.wire.tensors import Array
from onnx import numpy_helper

from deploy.gateway.consistency.check import Check, Consistency
from deploy.gateway.log.json_lines import level_of
from deploy.gateway.log.lines import Canary, Line
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.telemetry.metrics import Metrics
from export.onnx import load_mapped
from loadtest.processes import free_port, http, serve
from loadtest.soak import started
from tests.client.scripted import TOKENS, Refusal, ScriptedModel, grpc_server
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model, Start, wait_until

PROMPTS = ("中国的首[MASK]是北京。", "[MASK]国的首都[MASK]北京")
MASKS = 3
OTHERS: dict[str, Array] = {
    "token_ids": np.full((1, 2, 20), 2, np.int32),
    "scores": np.full((1, 2, 20), 0.9, np.float32),
}
"""The answer of a damaged model, always [CLS]."""


class Lines(list[Canary]):
    """A log that keeps its lines."""

    def write(self, line: Line) -> None:
        assert isinstance(line, Canary)
        self.append(line)


class Checks:
    """Checks with a fake clock."""

    def __init__(self, folder: Path, *clients: AsyncFillMask) -> None:
        self.lines = Lines()
        self.metrics = Metrics()
        self.version: int | None = 1  # as the watch knows it
        self.ready = True
        self.now = 1000.0
        self.consistency = Consistency(
            {f"server-{number}": client for number, client in enumerate(clients)},
            cast("ModelWatch", self),
            folder,
            self.lines,
            self.metrics,
            model_name="bert_mlm",
            interval_s=100,
            threshold=0.05,
            clock=lambda: self.now,
            uniform=lambda low, high: (low + high) / 2,
        )

    async def look(self, *, after_s: float = 0) -> list[Canary]:
        """Advance the clock and poll; return the new lines."""
        self.now += after_s
        count = len(self.lines)
        await self.consistency.poll()
        return self.lines[count:]

    @property
    def latest(self) -> Check:
        assert self.consistency.latest
        return self.consistency.latest

    def counted(self) -> dict[str, int]:
        lines = self.metrics.write("")[0].decode().splitlines()
        name = 'gateway_consistency_checks_total{status="'
        found = [line.removeprefix(name).split('"} ') for line in lines if line.startswith(name)]
        return {status: int(float(count)) for status, count in found if float(count)}


def record(folder: Path, url: str, version: int = 1) -> Path:
    """Write a manifest with this model's answers as the baseline; return the servable."""
    with FillMask(url) as client:
        answers = client.fill_masks(PROMPTS, 10)
    masks = [
        {"token_ids": [one.token for one in mask], "scores": [one.score for one in mask]}
        for masks in answers
        for mask in masks
    ]
    far = [{"token_ids": [1], "scores": [1.0]}] * MASKS
    baseline = {"prompts": PROMPTS, "tensorflow": far, "onnx": masks}
    shape = {"vocab_size": len(TOKENS)}
    (folder / str(version)).mkdir()
    content = {"options": {"top_k": 20}, "shape": shape, "baseline": baseline}
    (folder / str(version) / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture
def servable(tmp_path: Path, scripted_url: str) -> Path:
    return record(tmp_path, scripted_url)


def test_answers_as_at_export_are_a_success_beside_the_nearer_engine(
    servable: Path, scripted_url: str, model: Model
) -> None:
    async def check() -> None:
        async with AsyncFillMask(scripted_url) as client:
            checks = Checks(servable, client)
            model.asked.clear()
            [line] = await checks.look()
        assert (line.status, level_of(line), line.model_name, line.model_version) == ("success", "INFO", "bert_mlm", 1)
        assert line.value == pytest.approx(0, abs=1e-6)
        assert line.threshold == 0.05
        assert line.total_time_ms
        assert line.error is None
        assert (checks.latest.engine, checks.latest.address) == ("onnx", "server-0")
        assert checks.consistency.drift == (line.value, 0.05)
        assert checks.counted() == {"success": 1}
        assert [asked.inputs["input_ids"].shape[0] for asked in model.requests("fill_mask")] == [1, 1]

    asyncio.run(check())


def test_checks_come_at_once_at_intervals_and_when_another_version_or_the_same_again_answers(
    servable: Path, scripted_url: str
) -> None:
    async def check() -> None:
        async with AsyncFillMask(scripted_url) as client:
            checks = Checks(servable, client)
            checks.version = None
            assert not await checks.look()
            checks.version = 1
            assert await checks.look(after_s=1)
            assert not await checks.look(after_s=99)
            assert await checks.look(after_s=1)
            checks.version = 2
            assert await checks.look(after_s=1)
            assert not await checks.look(after_s=1)
            checks.version = None
            assert not await checks.look(after_s=500)
            checks.version = 2
            assert await checks.look()

    asyncio.run(check())


def test_answers_that_moved_are_a_warning_that_says_how_far_and_at_which_prompt(
    servable: Path, scripted_url: str, model: Model
) -> None:
    async def check() -> None:
        async with AsyncFillMask(scripted_url) as client:
            checks = Checks(servable, client)
            model.answers = OTHERS
            [line] = await checks.look()
            assert (line.status, level_of(line)) == ("drift", "WARNING")
            assert line.value is not None
            assert line.value > 0.5
            assert line.error
            assert "of the answers' probability has moved since the export" in line.error
            assert checks.latest.prompt in PROMPTS
            assert checks.latest.prompt in line.error
            assert checks.latest.largest
            assert checks.latest.largest >= line.value
            model.answers = {}
            [line] = await checks.look(after_s=100)
            assert line.status == "success"
            assert checks.counted() == {"drift": 1, "success": 1}

    asyncio.run(check())


@pytest.mark.parametrize(
    ("damage", "error_type", "level"),
    [
        ({"scores": np.full((1, 2, 20), np.nan, np.float32)}, "ProtocolError", "ERROR"),
        ({"token_ids": np.full((1, 2, 20), 10**6, np.int32)}, "VocabularyError", "ERROR"),
        ({"scores": np.zeros((1, 2, 3), np.float32)}, "ProtocolError", "ERROR"),
        (Refusal("the engine is broken", "INTERNAL"), "ServerError", "ERROR"),
        (Refusal("full", "RESOURCE_EXHAUSTED"), "OverloadedError", "WARNING"),
    ],
)
def test_an_answer_that_cannot_be_compared_is_a_failure_of_its_kind(  # noqa: PLR0917 - three of them are fixtures
    servable: Path,
    scripted_url: str,
    model: Model,
    damage: Mapping[str, Any] | Refusal,
    error_type: str,
    level: str,
) -> None:
    async def check() -> None:
        async with AsyncFillMask(scripted_url, retry=None) as client:
            checks = Checks(servable, client)
            if isinstance(damage, Refusal):
                model.refusal = damage
            else:
                model.answers = OTHERS | dict(damage)
            [line] = await checks.look()
            assert (line.status, level_of(line), line.error_type) == ("failed", level, error_type)
            assert line.error
            assert line.value is None
            assert checks.consistency.drift is None
            assert len(await checks.look(after_s=100)) == 1

    asyncio.run(check())


def test_a_version_without_baseline_is_said_once_and_again_when_that_changes(tmp_path: Path, scripted_url: str) -> None:
    async def check() -> None:
        async with AsyncFillMask(scripted_url) as client:
            checks = Checks(tmp_path, client)
            [line] = await checks.look()
            assert (line.status, level_of(line), line.error_type) == ("failed", "WARNING", "BaselineError")
            assert line.error
            assert "set GATEWAY_MODEL_FOLDER to the folder" in line.error
            assert not await checks.look(after_s=100)
            (tmp_path / "1").mkdir()
            (tmp_path / "1" / "manifest.json").write_text("{}")
            [line] = await checks.look(after_s=100)
            assert line.error
            assert "has no baseline" in line.error
            assert checks.counted() == {"failed": 3}

    asyncio.run(check())


def test_a_server_without_an_available_version_has_nothing_to_check(
    servable: Path, scripted_url: str, model: Model
) -> None:
    async def check() -> None:
        async with AsyncFillMask(scripted_url) as client:
            checks = Checks(servable, client)
            model.state = "LOADING"
            [line] = await checks.look()
            assert (line.status, level_of(line), line.model_version) == ("failed", "WARNING", None)
            assert line.error == "server-0: no version of bert_mlm is available; there is nothing to check"

    asyncio.run(check())


def test_a_server_that_is_gone_fails_the_check_alone(servable: Path, refusing_port: int) -> None:
    async def check() -> None:
        async with AsyncFillMask(f"grpc://127.0.0.1:{refusing_port}", retry=None, timeout=1) as client:
            checks = Checks(servable, client)
            [line] = await checks.look()
            assert (line.status, level_of(line), line.error_type) == ("failed", "WARNING", "UnreachableError")

    asyncio.run(check())


def test_every_server_is_asked_and_the_one_that_fares_worst_is_remembered(
    servable: Path, scripted_url: str, refusing_port: int
) -> None:

    async def check() -> None:
        async with (
            AsyncFillMask(scripted_url) as right,
            AsyncFillMask(f"grpc://127.0.0.1:{refusing_port}", retry=None, timeout=1) as gone,
            AsyncFillMask(wrong_url) as wrong,
        ):
            checks = Checks(servable, right, gone, wrong, right)
            assert [line.status for line in await checks.look()] == ["success", "failed", "drift", "success"]
            assert (checks.latest.status, checks.latest.address) == ("drift", "server-2")

    with grpc_server(ScriptedModel(answers=OTHERS)) as wrong_url:
        asyncio.run(check())


class Changing(AsyncFillMask):
    """A client that returns another version at each call."""

    looked = 0

    async def model_status(self, *, timeout: float | None = None) -> ModelStatus:  # noqa: ASYNC109 - as the client has it
        del timeout
        self.looked += 1
        return ModelStatus("bert_mlm", (VersionStatus(min(self.looked, 2), "AVAILABLE", "OK", ""),))


def test_a_version_that_comes_during_a_check_is_not_taken_for_drift(servable: Path, scripted_url: str) -> None:
    record(servable, scripted_url, version=2)

    async def check() -> None:
        async with Changing(scripted_url) as client:
            checks = Checks(servable, client)
            assert not await checks.look()
            assert checks.consistency.latest is None
            checks.version = 2
            [line] = await checks.look()
            assert (line.status, line.model_version) == ("success", 2)

    asyncio.run(check())


@pytest.fixture
def tensorflow_url(demo_version: Path, tmp_path: Path) -> Iterator[str]:
    with started(demo_version.parent, tmp_path, ()) as server:
        yield server.grpc


def test_a_gateway_checks_the_tensorflow_engine_and_counts_no_call(
    start: Start, tensorflow_url: str, demo_version: Path
) -> None:
    gateway = start(tensorflow_url, f"--model-folder={demo_version.parent}")
    [line] = gateway.wait_for_lines(1, module="canary")
    assert (line["status"], line["task"], line["model_version"]) == ("success", "output_consistency", 1)
    assert line["value"] < 1e-3
    assert line["threshold"] == 0.05
    checked = gateway.ask("GET", "/healthz").json()["consistency"]
    assert (checked["status"], checked["engine"], checked["version"]) == ("success", "tensorflow", 1)
    metrics = gateway.metrics()
    assert metrics["gateway_output_drift"] < 1e-3
    assert metrics['gateway_consistency_checks_total{status="success"}'] == 1
    assert not gateway.lines(module="inference")
    assert not [name for name, count in metrics.items() if name.startswith("gateway_sentences_total{") and count]
    labels = f'engine="tensorflow",model="bert_mlm",precision="fp32",version="{__version__}"'
    assert metrics[f"gateway_build_info{{{labels}}}"] == 1


def test_weights_damaged_under_the_same_version_number_are_found_and_fail_no_request(
    start: Start, demo_version: Path, tmp_path: Path
) -> None:
    servable = tmp_path / "bert_mlm"
    light = copy_for_the_light_engine(demo_version, servable)
    grpc_port, rest_port = free_port(), free_port()
    arguments = ["-m", "deploy.embedded", f"--port={grpc_port}", f"--rest_api_port={rest_port}", "--engine=onnx"]
    arguments += ["--model_name=bert_mlm", f"--model_base_path={servable}"]

    def ready() -> None:
        http(rest_port, "GET", "/v1/models/bert_mlm/metadata")

    with serve(arguments, ready=ready, log=tmp_path / "server.log"):
        gateway = start(
            f"grpc://127.0.0.1:{grpc_port}", f"--model-folder={demo_version.parent}", "--consistency-interval-s=1"
        )
        wait_until(lambda: gateway.lines(module="canary"))
        first = gateway.lines(module="canary")[0]
        assert first["status"] == "success"
        assert first["value"] < 0.005
        assert gateway.ask("GET", "/healthz").json()["consistency"]["engine"] == "onnx"
    damage(light)
    with serve(arguments, ready=ready, log=tmp_path / "server.log"):
        wait_until(lambda: gateway.lines(module="canary", status="drift"))
        line = gateway.lines(module="canary", status="drift")[0]
        assert (line["level"], line["model_version"]) == ("WARNING", 1)
        assert line["value"] > 2 * line["threshold"]
        checked = gateway.ask("GET", "/healthz")
        assert checked.status_code == 200
        assert checked.json()["consistency"]["status"] == "drift"
        assert gateway.metrics()["gateway_output_drift"] > 2 * line["threshold"]
        assert gateway.post("/predict", {"text": SENTENCE}).status_code == 200
        wait_until(lambda: gateway.lines(module="alert", task="output_drift", status="firing"))


def copy_for_the_light_engine(version: Path, servable: Path) -> Path:
    """Copy the files of the ONNX engine, and return the model."""
    light = "assets.extra/model.int8.onnx"
    names = ("assets/vocab.txt", light, f"{light}.data", "saved_model.pb")
    for name in names:
        target = servable / "1" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((version / name).read_bytes())
    return servable / "1" / light


def damage(light: Path) -> None:
    """Permute the scales of three layers' outputs, as a wrong offset in the file would."""
    graph = load_mapped(light)
    damaged = [f"bert.encoder.layer.{layer}.intermediate.dense.scales" for layer in (0, 1, 2)]
    for scales in [one for one in graph.graph.initializer if one.name in damaged]:
        scales.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scales)[::-1].copy(), scales.name))
    onnx.save(graph, light)


def test_a_gateway_that_is_told_no_folder_checks_nothing(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/healthz").json()["consistency"] is None
    assert not gateway.lines(module="canary")
    assert "gateway_output_drift" not in gateway.metrics()
