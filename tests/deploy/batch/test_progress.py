"""Progress without a terminal."""

import pytest

from deploy.batch.progress import Progress
from tests.support.waiting import wait_until


def test_lines_appear_also_while_no_chunk_finishes(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []

    def printed() -> bool:
        lines.extend(capsys.readouterr().err.splitlines())
        return len(lines) >= 2

    with Progress(10_000, 2_000, interval_s=0.001):
        wait_until(printed)
    assert lines[0] == lines[1] == "batch: 2,000 of 10,000 rows, 0 rows/s"


def test_the_rate_counts_only_this_run() -> None:
    with Progress(10_000, 2_000, interval_s=60) as progress:
        progress.advance(500)
        assert progress.rate == pytest.approx(500 / progress.elapsed_s, rel=0.5)
