"""Test a short run on the tests' small classifier."""

from pathlib import Path

import pytest

from loadtest.bench.errors import BenchError
from loadtest.classification.__main__ import CONNECTIONS, run
from loadtest.classification.files import prepare
from loadtest.classification.report import judge, markdown
from loadtest.classification.systems import OURS, RIVALS
from tests.support.exported import TINY_CLASSIFIER
from tests.torch_environment import needs_torch


@needs_torch
@pytest.mark.timeout(600)  # it exports, and starts servers that import transformers and PyTorch
def test_all_systems_agree_and_are_measured(tiny_version: Path, tmp_path: Path) -> None:
    results = run(tmp_path, TINY_CLASSIFIER, tiny_version.parent, rounds=1, seconds=0.3)
    names = [one.name for one in (*RIVALS, OURS)]
    assert list(results.systems) == names
    assert results.agreement["flask-default"] == 1
    assert results.agreement["gateway"] > 0.9
    for name in names:
        assert results.systems[name].rss_mb > 50
        for connections in CONNECTIONS:
            row = results.find(name, "texts", connections)
            assert row
            assert row.answers >= 2
            assert row.errors == 0 or name != OURS.name  # Gunicorn may close an idle connection as it is used
    assert judge(results).ratio > 0
    assert OURS.title in markdown(results)
    log = (tmp_path / "gateway-log" / "gateway.log").read_text(encoding="utf-8")
    assert '"text_classification"' in log, "the request log is on"


def test_without_an_exported_language_model_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "models" / "classifier" / "1").mkdir(parents=True)
    (tmp_path / "models" / "classifier" / "1" / "manifest.json").write_text("{}")
    with pytest.raises(BenchError, match="has no exported version; run `make export` first"):
        prepare(tmp_path, TINY_CLASSIFIER, tmp_path / "none")
