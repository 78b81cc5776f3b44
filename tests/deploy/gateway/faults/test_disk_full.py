"""Test a full log disk under load, and the recovery."""

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from deploy.gateway.log.writer import CAPACITY_BYTES
from deploy.gateway.report.words import ENGLISH
from tests.deploy.gateway.conftest import SENTENCE, GatewayProcess, wait_until
from tests.deploy.gateway.faults.conftest import Observe

TOO_LONG = "天" * 4000 + "[MASK]"  # rejected at once, and logged with its first 4096 characters: 12 kB
BATCH = 80


class Disk(Protocol):
    """A disk for the log."""

    folder: Path
    problem: str

    def fill(self, gateway: GatewayProcess) -> None: ...

    def free(self, gateway: GatewayProcess) -> None: ...


@dataclass
class SmallDisk:
    """A small file system."""

    folder: Path
    problem: str = os.strerror(errno.ENOSPC)

    def fill(self, _: GatewayProcess) -> None:
        with suppress(OSError), (self.folder / "ballast").open("wb", 0) as ballast:
            while True:
                ballast.write(bytes(2**20))

    def free(self, _: GatewayProcess) -> None:
        (self.folder / "ballast").unlink()


@dataclass
class SizeLimit:
    """A limit of the process's file size, used if a file system cannot be mounted."""

    folder: Path
    problem: str = os.strerror(errno.EFBIG)

    def fill(self, gateway: GatewayProcess) -> None:
        size = (self.folder / "gateway.log").stat().st_size
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def free(self, gateway: GatewayProcess) -> None:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, unlimited)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    size_mb = CAPACITY_BYTES // 2**20 + 16
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield SizeLimit(folder)
        return
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_appears_everywhere_while_questions_are_answered_until_there_is_space_again(
    observe_process: Observe, serving_url: str, disk: Disk
) -> None:
    flags = [f"--log-folder={disk.folder}", "--alert-window-s=2", "--resource-interval-s=3600"]
    observed = observe_process(serving_url, *flags)
    gateway = observed.gateway
    assert isinstance(gateway, GatewayProcess)
    stderr = gateway.folder.parent / "stderr"
    gateway.folder = disk.folder
    gateway.answer("/predict", {"text": SENTENCE})
    gateway.wait_for_lines(1, module="inference")
    sentences = 1

    disk.fill(gateway)
    while observed.health()[1]["log"]["problem"] is None:  # some lines may still fit into the last block
        gateway.answer("/predict", {"text": SENTENCE})
        sentences += 1
    observed.wait_for_news("lost_log_lines", "firing")
    assert observed.health()[1]["log"]["problem"] == disk.problem
    assert not observed.metric('gateway_log_lines_total{outcome="lost"}')  # lines wait, as long as there is memory
    while not observed.metric('gateway_log_lines_total{outcome="lost"}'):
        assert gateway.post("/v1/fill-mask", {"inputs": [TOO_LONG] * BATCH}).status_code == 400
        sentences += BATCH
    assert CAPACITY_BYTES * 0.9 < (observed.metric("gateway_log_waiting_bytes") or 0) <= CAPACITY_BYTES
    gateway.answer("/predict", {"text": SENTENCE})  # serving goes on
    sentences += 1
    status, health = observed.health()
    assert (status, health["log"]["problem"]) == (200, disk.problem)
    assert health["log"]["lines_lost"] > 0
    assert observed.dashboard(ENGLISH.latency)  # of what was written before
    said = stderr.read_text()
    assert said.count(f"cannot be written: {disk.problem}") == 1
    assert said.count("lines are lost") == 1

    disk.free(gateway)
    wait_until(lambda: observed.metric("gateway_log_waiting_bytes") == 0)
    [line] = gateway.wait_for_lines(1, task="lost_lines")
    observed.wait_for_news("lost_log_lines", "resolved")
    observed.wait_for_records("lost_log_lines", "resolved")  # its beginning as well, which had waited
    lost = observed.metric('gateway_log_lines_total{outcome="lost"}')
    assert (line["level"], line["lost_lines"], line["error"]) == ("ERROR", lost, disk.problem)
    assert len(observed.log(module="inference")) + line["lost_lines"] == sentences
    [event] = [row for row in observed.dashboard(ENGLISH.events) if row[ENGLISH.event] == ENGLISH.lost_lines]
    assert event[ENGLISH.detail] == f"{lost:,.0f} lines, {disk.problem}"
    assert observed.health()[1]["log"]["problem"] is None
    assert "is written again" in stderr.read_text()
