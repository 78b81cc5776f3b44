"""Run a Filebeat binary with the project's configuration."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from loadtest.log_pipeline.tools import FILEBEAT, SENTENCE
from loadtest.processes import ROOT, StartError

CONFIGURATION = ROOT / "deploy/filebeat/filebeat.yml"
_STOP_S = 20.0
_FINGERPRINT_SINCE = (8, 10)


def binary(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of Filebeat's program.

    It is that of FILEBEAT, of PATH, or of ``make log-tools``.

    Raises:
        StartError: the program was not found.
    """
    given = environment.get("FILEBEAT")
    found = shutil.which(given or "filebeat", path=environment.get("PATH")) or (not given and shutil.which(FILEBEAT))
    if not found:
        msg = f"{given or 'filebeat'} is not a program; {SENTENCE}, or download Filebeat 8 and set FILEBEAT to its path"
        raise StartError(msg)
    return Path(found).resolve()


def version(program: Path) -> tuple[int, ...]:
    """Return the version of a Filebeat.

    Raises:
        StartError: the program does not run or is not Filebeat.
    """
    try:
        result = subprocess.run([program, "version"], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - the user's own program
    except (OSError, subprocess.TimeoutExpired) as error:
        msg = f"{program} cannot be run ({error})"
        raise StartError(msg) from error
    found = re.match(r"filebeat version (\d+)\.(\d+)\.(\d+)", result.stdout)
    if not found:
        msg = f"{program} does not print the version of a Filebeat; set FILEBEAT to its path"
        raise StartError(msg)
    return tuple(int(part) for part in found.groups())


def configuration(of: tuple[int, ...], output: Mapping[str, Any]) -> dict[str, Any]:
    """Return the project's configuration with another output.

    Before 8.10 Filebeat cannot identify files by their content, so it identifies them by inode.

    Args:
        of: Filebeat's version.
        output: the output's settings. Those of Elasticsearch are added to the project's; None removes one.
    """
    document: dict[str, Any] = YAML(typ="safe").load(CONFIGURATION)
    (kind, settings), *_ = output.items()
    if kind == "elasticsearch":
        settings = document["output.elasticsearch"] | settings
    del document["output.elasticsearch"]
    document[f"output.{kind}"] = {name: value for name, value in settings.items() if value is not None}
    if of < _FINGERPRINT_SINCE:
        for one in document["filebeat.inputs"]:
            del one["file_identity.fingerprint"], one["prospector.scanner"]["fingerprint"]
    return document


class Filebeat:
    """Filebeat with its own registry.

    The registry is kept over restarts.

    Attributes:
        starts: how often it was started.
        cpu_s: the CPU time of the processes that have ended.
    """

    def __init__(self, program: Path, document: Mapping[str, Any], work: Path, environment: Mapping[str, str]) -> None:
        """Write the configuration.

        Args:
            program: the binary.
            document: the configuration.
            work: the folder for configuration, registry and output.
            environment: the configuration's variables.
        """
        self._program = program
        self._work = work
        self._environment = {**os.environ, **environment}
        self.starts = 0
        self.cpu_s = 0.0
        work.mkdir(parents=True, exist_ok=True)
        self._file = work / "filebeat.yml"
        self._file.write_text(json.dumps(document), encoding="utf-8")  # which is YAML, too
        self._file.chmod(0o600)  # Filebeat rejects one that others can write

    @property
    def said(self) -> str:
        """The output of all processes so far."""
        return "".join(file.read_text("utf-8", "replace") for file in sorted(self._work.glob("said-*.log")))

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it during the block and end it."""
        command: list[str | Path] = [self._program, "run", "-e", "-c", self._file, "--path.home", self._work]
        with (self._work / f"said-{self.starts:03}.log").open("wb") as said:
            process = subprocess.Popen(command, env=self._environment, stdout=said, stderr=said)  # noqa: S603 - the user's own program
        self.starts += 1
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
