"""Run ``hammer`` with few lines; its default is 200,000."""

from pathlib import Path

import pytest

from tests.deploy.gateway.log.hammer import hammer


@pytest.mark.parametrize("compress", [False, True])
def test_the_files_hold_every_accepted_line_once_and_whole(compress: bool, tmp_path: Path) -> None:
    outcome = hammer(
        tmp_path / "gateway.log",
        lines=3_000,
        processes=2,
        rotate_s=0.2,
        terminate_s=0.2,
        lines_per_s=1_000,
        compress=compress,
    )
    assert outcome.is_flawless, outcome
    assert outcome.accepted >= 3_000
    assert outcome.files > 2
    assert outcome.terminated >= 4
