"""Run logrotate with the shipped rules while lines are written."""

import gzip
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.gateway.log.writer import LogWriter
from deploy.gateway.report.files import open_logs
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
    written, dated = 0, set[str]()
    with LogWriter(log) as writer:
        for rotation in range(6):
            in_file = writer.status.lines_written
            while writer.status.lines_written == in_file:  # so that each file has lines, and some wait
                assert writer.write(line(written))
                written += 1
            command = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(tmp_path / "rules")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
            # Rotations are minutes apart in production; logrotate refuses a second one within a second.
            [newest] = [path for path in folder.iterdir() if path != log and path.name not in dated]
            dated |= {f"{log.name}-20260405T10{rotation:02}00{suffix}" for suffix in ("", ".gz")}
            newest.rename(folder / f"{log.name}-20260405T10{rotation:02}00")
            assert writer.write(line(written))
            written += 1
    # A dated name is never given to another file, and sorts by time.
    rotated = sorted(path for path in folder.iterdir() if path != log)
    assert len(rotated) == 6
    assert all(re.fullmatch(r"gateway\.log-\d{8}T\d{6}(\.gz)?", path.name) for path in rotated)
    assert [path.suffix == ".gz" for path in rotated] == [True] * 5 + [False]
    with open_logs(log, datetime.fromtimestamp(0, UTC)) as files:
        assert [file.path for file in files] == [log, *rotated]
    plain = [path.with_suffix("") if path.suffix == ".gz" else path for path in rotated]
    for compressed in folder.glob("*.gz"):
        compressed.with_suffix("").write_bytes(gzip.decompress(compressed.read_bytes()))
    assert numbers(*plain, log) == list(range(written))
