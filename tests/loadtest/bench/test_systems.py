"""Test that rivals and this project's server agree on a small checkpoint."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from loadtest.bench.answers import agreement, client_ms, fetch
from loadtest.bench.files import prepare_rival
from loadtest.bench.measure import Measurement, run_rounds
from loadtest.bench.systems import SYSTEMS, TARGETS, Files, start
from loadtest.bench.workloads import mixed, of_count
from loadtest.processes import cpu_s, memory_mb, process_tree
from loadtest.sentences import masked_sentences
from tests.torch_environment import needs_torch

DEMO = Path(__file__).parents[3] / "models" / "demo"

pytestmark = needs_torch


@pytest.mark.timeout(900)  # it starts servers that import transformers, PyTorch and TensorFlow
def test_all_systems_agree_and_are_measured(demo_servable: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(Vocabulary.read(DEMO / "vocab.txt"), TokenizerConfig(max_length=128))
    rows = [tokenizer.encode(text) for text in masked_sentences(10)]
    files = Files(DEMO, tmp_path / "rival.onnx", demo_servable)
    prepare_rival(files)
    names = ("flask-1", "fastapi", "tensorflow")
    targets = [target for target in TARGETS.values() if target.system in names]
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(start(SYSTEMS[name], files, rows[0], tmp_path / f"{name}.log")) for name in names
        }
        ids = {token: number for number, token in enumerate(tokenizer.vocabulary.tokens)}
        shares = agreement(targets, running, rows, ids)
        assert shares == dict.fromkeys((target.label for target in targets), 1.0)

        assert len(process_tree(running["flask-1"].process)) == 3, "Gunicorn's own process and two workers"
        for one in running.values():
            assert memory_mb(one.process)["rss_mb"] > 50
            assert cpu_s(one.process) > 0.1
            assert one.start_s > 0.1

        full, best = (TARGETS[label] for label in ("logits REST", "tensorflow REST"))
        costs = {
            target.label: client_ms(target, fetch(target, running["tensorflow"], rows[0]), rows[0], ids)
            for target in (full, best)
        }
        assert costs["logits REST"] > 5 * costs["tensorflow REST"]

        rounds: list[int] = []
        measurements = [
            Measurement(TARGETS["flask-1"], mixed(tokenizer.encode), 2, 0.1, 0.3),
            Measurement(TARGETS["tensorflow gRPC"], of_count(tokenizer.encode, 10), 1, 0.1, 0.3),
        ]
        found = run_rounds(measurements, running, 2, rounds.append)
    assert rounds == [0, 1]
    for row in found:
        assert row.errors == 0
        assert row.answers >= 4
        assert row.p50_ms.low <= row.p50_ms.median <= row.p50_ms.high
        assert row.p50_ms.median <= row.p95_ms.median <= row.p99_ms.median
