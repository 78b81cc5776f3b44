"""Tests of the gateway as a system of the benchmark."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from loadtest.bench.__main__ import _in_order
from loadtest.bench.answers import agreement
from loadtest.bench.errors import BenchError
from loadtest.bench.measure import Measurement, run_rounds
from loadtest.bench.systems import SYSTEMS, TARGETS, Files, start
from loadtest.bench.workloads import mixed
from loadtest.sentences import masked_sentences

DEMO = Path(__file__).parents[3] / "models" / "demo"
LABELS = ("onnx gRPC", "onnx client", "gateway", "one process")


def test_it_agrees_with_its_server_and_is_measured_beside_it(demo_servable: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(Vocabulary.read(DEMO / "vocab.txt"), TokenizerConfig(max_length=128))
    ids = {token: number for number, token in enumerate(tokenizer.vocabulary.tokens)}
    rows = [tokenizer.encode(text) for text in masked_sentences(10)]
    files = Files(DEMO, tmp_path / "rival.onnx", demo_servable)
    targets = [TARGETS[label] for label in LABELS]
    with ExitStack() as stack:
        server = stack.enter_context(start(SYSTEMS["onnx"], files, rows[0], tmp_path / "onnx.log"))
        gateway = stack.enter_context(start(SYSTEMS["gateway"], files, rows[0], tmp_path / "gateway.log", server))
        assert gateway.ports.grpc == server.ports.grpc
        assert gateway.ports.http != server.ports.http
        alone = stack.enter_context(start(SYSTEMS["one-process"], files, rows[0], tmp_path / "one-process.log"))
        running = {"onnx": server, "gateway": gateway, "one-process": alone}
        assert agreement(targets, running, rows, ids) == dict.fromkeys(LABELS, 1.0)
        measurements = [Measurement(target, mixed(tokenizer.encode), 2, 0.1, 0.3) for target in targets]
        found = run_rounds(measurements, running, 1, lambda _number: None)
    for row in found:
        assert row.errors == 0
        assert row.answers >= 4
    sizes = {row.target: row.bytes_per_answer for row in found}
    assert sizes["onnx client"] == 0, "its answers are objects"
    assert 100 < sizes["gateway"] < 1000
    for row, folder in zip(found[-2:], ("gateway-log", "one-process-log"), strict=True):
        lines = (tmp_path / folder / "gateway.log").read_text(encoding="utf-8").count('"mask_prediction"')
        assert lines >= len(rows) + row.answers, "the request log is on"


def test_a_proxy_comes_after_its_backend() -> None:
    assert _in_order(["gateway", "onnx", "flask-1"]) == ["flask-1", "onnx", "gateway"]
    with pytest.raises(BenchError, match="gateway is a proxy for onnx; choose both"):
        _in_order(["gateway", "tensorflow"])
    with pytest.raises(BenchError, match="unknown system nix"):
        _in_order(["nix"])
