"""Run logrotate with the shipped rules while lines are written."""

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.gateway.log.writer import LogWriter
from tests.deploy.gateway.log.test_writer import line, numbers

RULES = Path(__file__).parents[4] / "deploy" / "gateway" / "logrotate.conf"


@pytest.mark.skipif(not shutil.which("logrotate"), reason="logrotate is not installed")
def test_no_line_is_lost_when_logrotate_follows_the_shipped_rules(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    log = folder / "gateway.log"
    rules = RULES.read_text().replace("/var/log/bert-gateway/gateway.log", str(log))
    assert str(log) in rules
    (tmp_path / "rules").write_text(rules)
    (tmp_path / "rules").chmod(0o644)
    written = 0
    with LogWriter(log) as writer:
        for _ in range(6):
            in_file = writer.status.lines_written
            while writer.status.lines_written == in_file:  # so that each file has lines, and some wait
                assert writer.write(line(written))
                written += 1
            command = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(tmp_path / "rules")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
            assert writer.write(line(written))
            written += 1
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["gateway.log", "gateway.log.1", *(f"gateway.log.{number}.gz" for number in range(2, 7))]
    for compressed in folder.glob("*.gz"):
        compressed.with_suffix("").write_bytes(gzip.decompress(compressed.read_bytes()))
    files = [*(folder / f"gateway.log.{number}" for number in range(6, 0, -1)), log]
    assert numbers(*files) == list(range(written))
