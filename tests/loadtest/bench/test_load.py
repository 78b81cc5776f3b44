import asyncio
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from loadtest.bench.load import Job, run
from loadtest.bench.systems import TARGETS
from loadtest.processes import ROOT, http
from loadtest.sentences import masked_sentences
from loadtest.soak import Server


def port(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(Vocabulary.read(ROOT / "models" / "demo" / "vocab.txt"), TokenizerConfig(max_length=128))


def job(server: Server, label: str, tokenizer: Tokenizer, *, path: str | None = None, seconds: float = 0.5) -> Job:
    target = TARGETS[label]
    bodies = tuple(target.body([tokenizer.encode(text)]) for text in masked_sentences(10))
    address = port(server.rest if target.asked_by == "http" else server.grpc)
    return Job(target.asked_by, address, path or target.path, bodies, 3, 0.1, seconds)


@pytest.mark.parametrize("label", ["tensorflow REST", "tensorflow gRPC", "logits REST", "logits gRPC"])
def test_answers_are_counted_with_size_and_time(demo_server: Server, tokenizer: Tokenizer, label: str) -> None:
    result = asyncio.run(run(job(demo_server, label, tokenizer)))
    assert result.errors == []
    assert len(result.latencies_ms) >= 6, "two for each connection at least, however slow"
    assert result.counted_s >= 0.5
    assert all(0 < taken < 30_000 for taken in result.latencies_ms)
    size = result.answer_bytes / len(result.latencies_ms)
    smallest = (
        4 * 8000 * 5 if "logits" in label else 600
    )  # float32 of the whole vocabulary for each token, or 100 pairs
    assert size > smallest


def test_the_client_sends_text_and_names_errors(demo_server: Server, tokenizer: Tokenizer) -> None:
    asked = job(demo_server, "onnx client", tokenizer)
    result = asyncio.run(run(asked))
    assert result.errors == []
    assert len(result.latencies_ms) >= 6
    wrong = asyncio.run(run(replace(asked, bodies=("没有遮盖。".encode(),), seconds=0.2)))
    assert wrong.error_count == wrong.asked > 0
    assert wrong.errors[0].startswith("InputError: ")


def test_the_size_over_rest_is_the_bodys(demo_server: Server, tokenizer: Tokenizer) -> None:
    asked = job(demo_server, "tensorflow REST", tokenizer)
    one = Job(asked.protocol, asked.port, asked.path, asked.bodies[:1], 1, 0.0, 0.2)
    result = asyncio.run(run(one))
    body = http(one.port, "POST", one.path, one.bodies[0])
    assert result.answer_bytes / len(result.latencies_ms) == pytest.approx(len(body), rel=0.01)


@pytest.mark.parametrize("label", ["tensorflow REST", "tensorflow gRPC"])
def test_errors_are_counted_and_named(demo_server: Server, tokenizer: Tokenizer, label: str) -> None:
    asked = job(demo_server, label, tokenizer, path="/v1/models/nix:predict", seconds=0.2)
    wrong = tuple(body.replace(b"fill_mask", b"fill_nope") for body in asked.bodies)
    result = asyncio.run(run(Job(asked.protocol, asked.port, asked.path, wrong, 2, 0.0, 0.2)))
    assert result.latencies_ms == []
    assert result.error_count == result.asked > 0
    assert result.errors[0].startswith(("HTTP 4", "FAILED_PRECONDITION"))


def test_the_generator_reads_a_job_and_prints_a_result(demo_server: Server, tokenizer: Tokenizer) -> None:
    asked = job(demo_server, "tensorflow gRPC", tokenizer, seconds=0.3)
    assert Job.from_json(asked.to_json()) == asked
    command = [sys.executable, "-m", "loadtest.bench.load"]
    done = subprocess.run(command, cwd=ROOT, input=asked.to_json(), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["latencies_ms"]
